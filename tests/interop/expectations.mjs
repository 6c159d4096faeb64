// What every JavaScript client must see of the server, whichever SDK and transport it came by.
// The facts themselves are in expectations.json, which the Python and the Rust client read too.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

export const expected = JSON.parse(readFileSync(new URL('expectations.json', import.meta.url), 'utf8'));

export const endpoint = process.env.INTEROP_ENDPOINT;
export const key = process.env.INTEROP_KEY;
export const clientInfo = { name: 'plausible-mcp-interop', version: '1.0.0' };

/** The environment and the command line of the server over stdin and stdout. */
export const stdioServer = {
  command: process.env.INTEROP_BINARY,
  args: ['stdio'],
  env: {
    PLAUSIBLE_API_KEY: key,
    PLAUSIBLE_BASE_URL: process.env.INTEROP_PLAUSIBLE,
    PLAUSIBLE_DEFAULT_SITE_ID: 'shop.example',
  },
};

export function bearer(value = key) {
  return { requestInit: { headers: { Authorization: `Bearer ${value}` } } };
}

/** Everything that holds of a connected client with the right key. */
export async function serverAnswersAsPromised(client, { legacy }) {
  assert.equal(client.getServerVersion()?.name, expected.serverName);
  assert.ok(client.getInstructions()?.length > 0, 'the server says how to use it');
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), expected.tools);
  await callsAnswerBySchema(client, tools);
  await refusalsAreToolErrors(client);
  await unknownToolIsInvalidParams(client);
  if (legacy) await client.ping();
}

/** A key that Plausible does not know is told to the model, in words about the key. */
export async function wrongKeyIsExplained(client) {
  const result = await client.callTool(expected.calls[0]);
  assert.equal(result.isError, true);
  assert.match(text(result), /key/i);
}

/** Without a key nothing connects, and the client's error says why. */
export async function connectingIsUnauthorized(connect) {
  await assert.rejects(connect, (error) => {
    assert.match(`${error?.code} ${error?.status} ${error?.name} ${error?.message}`, /401|unauthori[sz]ed/i);
    return true;
  });
}

async function callsAnswerBySchema(client, tools) {
  const ajv = addFormats(new Ajv2020({ allErrors: true, strict: true, strictRequired: false, allowUnionTypes: true }));
  for (const call of expected.calls) {
    const result = await client.callTool(call);
    assert.ok(!result.isError, `${call.name}: ${text(result)}`);
    assert.ok(text(result).length > 0, `${call.name} has text`);
    const validate = ajv.compile(tools.find((tool) => tool.name === call.name).outputSchema);
    assert.ok(validate(result.structuredContent), `${call.name}: ${ajv.errorsText(validate.errors)}`);
  }
}

async function refusalsAreToolErrors(client) {
  for (const call of expected.refusedCalls) {
    const result = await client.callTool(call);
    assert.equal(result.isError, true, `${JSON.stringify(call)} is refused`);
    assert.ok(text(result).length > 0, 'the refusal says why');
  }
}

async function unknownToolIsInvalidParams(client) {
  const call = client.callTool({ name: expected.unknownTool, arguments: {} });
  await assert.rejects(call, (error) => {
    assert.equal(error.code, expected.invalidParams, String(error));
    return true;
  });
}

function text(result) {
  return result.content.map((block) => block.text ?? '').join('\n');
}
