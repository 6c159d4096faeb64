// `plausible-mcp stdio` under the TypeScript client 2.x.   usage: typescript-stdio.mjs modern|auto|legacy

import assert from 'node:assert/strict';

import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

import { clientInfo, expected, serverAnswersAsPromised, stdioServer, wrongKeyIsExplained } from './expectations.mjs';

const era = process.argv[2];
const mode = era === 'modern' ? { pin: expected.modernVersion } : era;

async function connect(server) {
  const client = new Client(clientInfo, { versionNegotiation: { mode } });
  // Whatever is not JSON-RPC on standard output is an error of the transport.
  client.onerror = (error) => {
    throw error;
  };
  await client.connect(new StdioClientTransport({ ...server, stderr: 'ignore' }));
  return client;
}

const client = await connect(stdioServer);
assert.equal(client.getProtocolEra(), era === 'legacy' ? 'legacy' : 'modern');
await serverAnswersAsPromised(client, { legacy: era === 'legacy' });
await client.close();

const stranger = await connect({
  ...stdioServer,
  env: { ...stdioServer.env, PLAUSIBLE_API_KEY: expected.wrongKey },
});
await wrongKeyIsExplained(stranger);
await stranger.close();
