// The 1.x SDK, which most installed clients still carry, over HTTP.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import {
  bearer, clientInfo, connectingIsUnauthorized, endpoint, expected, serverAnswersAsPromised, wrongKeyIsExplained,
} from './expectations.mjs';

async function connect(options) {
  const client = new Client(clientInfo);
  await client.connect(new StreamableHTTPClientTransport(new URL(endpoint), options));
  return client;
}

const client = await connect(bearer());
await serverAnswersAsPromised(client, { legacy: true });
await client.close();

const stranger = await connect(bearer(expected.wrongKey));
await wrongKeyIsExplained(stranger);
await stranger.close();

await connectingIsUnauthorized(() => connect({}));
