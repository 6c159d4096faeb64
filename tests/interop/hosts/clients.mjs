// The composed component under another host: metadata, tools through the official client, the whole sign-in, single use
// under concurrency, and what a restart leaves.   usage: clients.mjs HOST COMPONENT
// HOST is a program of this folder's, as `hosts/wasmtime-serve`. With HOST_RECORDS=none it keeps no records: then
// metadata and tools, and that a client who wants to register is told so.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Browser } from '../sign-in/browser.mjs';
import { startProvider } from '../sign-in/provider.mjs';
import { serve } from '../sign-in/serving.mjs';

const [host, component] = process.argv.slice(2);
const redirectUri = 'http://127.0.0.1:18999/callback';

const { publicUrl, settings, stop } = await startProvider();
const state = await mkdtemp(join(tmpdir(), 'plausible-mcp-'));
const { PATH, HOME, WASMTIME } = process.env;
const environment = { ...settings, PATH, HOME, ...(WASMTIME && { WASMTIME }), RATE_LIMIT_PER_MINUTE: '6000' };
const start = () => serve(publicUrl, host, [component, state, new URL(publicUrl).host], environment);

process.env.INTEROP_SIGN_IN = `${publicUrl}/internal`;
const { begin, discover, redeem, register, statusWith } = await import('../sign-in/connection.mjs');

let server = await start();
try {
  await step('metadata', metadata);
  for (const era of ['modern', 'auto', 'legacy']) await step(`tools, ${era}`, () => tools(era));
  if (process.env.HOST_RECORDS === 'none') await step('registration', noRegistration);
  else await withRecords();
} finally {
  await server.stop();
  stop();
  await rm(state, { recursive: true });
}

async function withRecords() {
  const tokens = await step('sign-in', signIn);
  await step('restart', async () => {
    await server.stop();
    server = await start();
    assert.equal(await statusWith(tokens.access_token), 200, 'a token outlives a restart');
  });
  await step('limits', limits);
}

async function step(name, run) {
  const begun = performance.now();
  const result = await run();
  console.log(`${name}: ${Math.round(performance.now() - begun)} ms`);
  return result;
}

/** Such a host cannot check what names resolve to, so documents of clients are not offered. */
async function metadata() {
  const document = async (path) => (await fetch(`${publicUrl}/.well-known/${path}`)).json();
  const server = await document('oauth-authorization-server');
  assert.equal(server.issuer, publicUrl);
  assert.equal(server.client_id_metadata_document_supported, false);
  for (const path of ['internal', 'mcp']) {
    assert.equal((await document(`oauth-protected-resource/${path}`)).resource, `${publicUrl}/${path}`);
  }
  assert.equal((await document('oauth-protected-resource/mcp')).authorization_servers, undefined);
}

async function tools(era) {
  const client = new URL('../typescript-client.mjs', import.meta.url).pathname;
  const env = { ...process.env, INTEROP_ENDPOINT: `${publicUrl}/mcp` };
  const [code] = await once(spawn(process.execPath, [client, era], { stdio: 'inherit', env }), 'exit');
  assert.equal(code, 0, `the client ended with ${code}`);
}

async function signIn() {
  const found = await discover();
  const client = await register(found, redirectUri);
  assert.equal((await register(found, redirectUri)).client_id, client.client_id, 'a public client stays the same');
  const attempt = await begin(found, client, redirectUri);
  const answer = await new Browser().signIn(attempt.url.href, redirectUri);
  const redeemed = await Promise.allSettled(Array.from({ length: 8 }, () => redeem(attempt, answer)));
  const tokens = redeemed.filter(({ status }) => status === 'fulfilled').map(({ value }) => value);
  assert.equal(tokens.length, 1, `a code was redeemed ${tokens.length} times`);
  assert.equal(await statusWith(tokens[0].access_token), 200);
  assert.equal(await statusWith('pmcp_a_nobodys'), 401);
  return tokens[0];
}

async function noRegistration() {
  const response = await fetch(`${publicUrl}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' }),
  });
  assert.equal(response.status, 503, 'records can be kept: run everything');
  assert.match((await response.json()).error_description, /^Records cannot be /);
}

/** Buckets outlive a request. */
async function limits() {
  await server.stop();
  environment.RATE_LIMIT_PER_MINUTE = '3';
  server = await start();
  const send = () => fetch(`${publicUrl}/mcp`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${process.env.INTEROP_KEY}`,
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
  });
  const statuses = [];
  for (let sent = 0; sent < 5; sent += 1) statuses.push((await send()).status);
  assert.deepEqual(statuses, [200, 200, 200, 429, 429]);
}
