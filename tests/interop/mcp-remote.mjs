// `mcp-remote`, which carries stdio-only clients to our HTTP endpoint with the key in a header.

import { createRequire } from 'node:module';

import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

import { clientInfo, endpoint, key, serverAnswersAsPromised } from './expectations.mjs';

const bridge = createRequire(import.meta.url).resolve('mcp-remote/dist/proxy.js');
const client = new Client(clientInfo);
await client.connect(
  new StdioClientTransport({
    command: process.execPath,
    args: [bridge, endpoint, '--transport', 'http-only', '--silent', '--header', 'Authorization:${AUTHORIZATION}'],
    env: { ...process.env, AUTHORIZATION: `Bearer ${key}` },
    stderr: 'ignore',
  }),
);
await serverAnswersAsPromised(client, { legacy: true });
await client.close();
