// The official TypeScript client 2.x signs in.   usage: typescript.mjs registration|document
// It becomes known by dynamic registration, or by a metadata document that it serves itself.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';

import { clientInfo, expected } from '../expectations.mjs';
import { Browser } from './browser.mjs';

const identification = process.argv[2];
const endpoint = new URL(process.env.INTEROP_SIGN_IN);
const redirectUrl = 'http://127.0.0.1:18999/callback';
const clientMetadata = {
  client_name: 'Interop',
  redirect_uris: [redirectUrl],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
};

/** What a client remembers, in memory. */
class Memory {
  redirectUrl = redirectUrl;
  clientMetadata = clientMetadata;
  known = {};

  constructor(clientMetadataUrl) {
    this.clientMetadataUrl = clientMetadataUrl;
  }

  state() { return 'a state of the client'; }
  clientInformation() { return this.known.client; }
  saveClientInformation(client) { this.known.client = client; }
  tokens() { return this.known.tokens; }
  saveTokens(tokens) { this.known.tokens = tokens; }
  codeVerifier() { return this.known.verifier; }
  saveCodeVerifier(verifier) { this.known.verifier = verifier; }
  discoveryState() { return this.known.discovery; }
  saveDiscoveryState(state) { this.known.discovery = state; }
  redirectToAuthorization(url) { this.known.authorizationUrl = url; }
}

/** Serves the client's document over https; its certificate is of an authority that the demo trusts. */
async function serveDocument() {
  const [key, cert] = ['key', 'pem'].map((end) => readFileSync(`${process.env.INTEROP_TLS}/localhost.${end}`));
  const server = createServer({ key, cert }, (request, response) => {
    const document = { client_id: documentUrl(server), ...clientMetadata };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  return server;
}

function documentUrl(server) {
  return `https://localhost:${server.address().port}/client.json`;
}

async function connect(memory) {
  const client = new Client(clientInfo, { versionNegotiation: { mode: 'auto' } });
  await client.connect(new StreamableHTTPClientTransport(endpoint, { authProvider: memory }));
  return client;
}

async function signIn(memory) {
  const client = new Client(clientInfo);
  const transport = new StreamableHTTPClientTransport(endpoint, { authProvider: memory });
  await assert.rejects(() => client.connect(transport), UnauthorizedError);
  const answer = await new Browser().signIn(memory.known.authorizationUrl, redirectUrl);
  assert.equal(answer.searchParams.get('state'), memory.state());
  await transport.finishAuth(answer.searchParams);
}

async function answers(client) {
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), expected.tools);
  const result = await client.callTool(expected.calls[0]);
  assert.ok(!result.isError && result.structuredContent, JSON.stringify(result));
}

const documents = identification === 'document' ? await serveDocument() : undefined;
const memory = new Memory(documents && documentUrl(documents));
await signIn(memory);
assert.equal(memory.known.client.client_id === memory.clientMetadataUrl, identification === 'document');

const client = await connect(memory);
await answers(client);

// An access token that is over: the SDK refreshes by itself and asks again.
const { tokens } = memory.known;
memory.saveTokens({ ...tokens, access_token: 'pmcp_a_over' });
await answers(client);
assert.notEqual(memory.known.tokens.access_token, tokens.access_token);
assert.notEqual(memory.known.tokens.refresh_token, tokens.refresh_token);

await client.close();
documents?.close();
