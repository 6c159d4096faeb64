// Our host signs in through oidc-provider: its discovery, its tokens and its `iss` parameter must be understood as well
// as those of our own simulation.

import assert from 'node:assert/strict';

import { Browser } from './browser.mjs';
import { startProvider } from './provider.mjs';
import { serve } from './serving.mjs';

const redirectUri = 'http://127.0.0.1:18999/callback';

const { publicUrl, settings, stop } = await startProvider();
const listen = ['--listen', new URL(publicUrl).host];
const server = await serve(publicUrl, process.env.INTEROP_BINARY, ['serve', ...listen], settings);
try {
  process.env.INTEROP_SIGN_IN = `${publicUrl}/internal`;
  const { begin, discover, redeem, register, statusWith } = await import('./connection.mjs');
  const found = await discover();
  const attempt = await begin(found, await register(found, redirectUri), redirectUri);
  const answer = await new Browser().signIn(attempt.url.href, redirectUri);
  const tokens = await redeem(attempt, answer);
  assert.equal(await statusWith(tokens.access_token), 200);
} finally {
  await server.stop();
  stop();
}
