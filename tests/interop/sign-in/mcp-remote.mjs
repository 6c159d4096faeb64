// `mcp-remote` signs in for a client that speaks only stdio.

import { createRequire } from 'node:module';

import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

import { clientInfo, serverAnswersAsPromised } from '../expectations.mjs';
import { follow } from './following.mjs';

const bridge = createRequire(import.meta.url).resolve('mcp-remote/dist/proxy.js');
const transport = new StdioClientTransport({
  command: process.execPath,
  args: [bridge, process.env.INTEROP_SIGN_IN, '--transport', 'http-only'],
  // Nothing that could open a browser on this machine.
  env: { HOME: process.env.HOME, PATH: '', BROWSER: 'none' },
  stderr: 'pipe',
});
void follow(transport.stderr);
const client = new Client(clientInfo);
await client.connect(transport);
await serverAnswersAsPromised(client, { legacy: true });
await client.close();
