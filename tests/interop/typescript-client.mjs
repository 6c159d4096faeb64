// The official TypeScript client 2.x over HTTP.   usage: typescript-client.mjs modern|auto|legacy

import assert from 'node:assert/strict';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

import {
  bearer, clientInfo, connectingIsUnauthorized, endpoint, expected, serverAnswersAsPromised, wrongKeyIsExplained,
} from './expectations.mjs';

const era = process.argv[2];
const mode = era === 'modern' ? { pin: expected.modernVersion } : era;

async function connect(options) {
  const client = new Client(clientInfo, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(new URL(endpoint), options));
  return client;
}

const client = await connect(bearer());
assert.equal(client.getProtocolEra(), era === 'legacy' ? 'legacy' : 'modern');
await serverAnswersAsPromised(client, { legacy: era === 'legacy' });
await client.close();

const stranger = await connect(bearer(expected.wrongKey));
await wrongKeyIsExplained(stranger);
await stranger.close();

await connectingIsUnauthorized(() => connect({}));
