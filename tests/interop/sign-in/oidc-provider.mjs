// panva's oidc-provider, a certified OpenID Connect provider, in the place of Cloudflare Access: its discovery, its
// tokens and its `iss` parameter must be understood as well as those of our own simulation.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import Provider from 'oidc-provider';

import { Browser } from './browser.mjs';

const redirectUri = 'http://127.0.0.1:18999/callback';
const publicUrl = `http://127.0.0.1:${await freePort()}`;

const listener = createServer();
const issuer = `http://127.0.0.1:${await listening(listener)}`;
listener.on('request', provider(issuer).callback());

const server = spawn(process.env.INTEROP_BINARY, ['serve', '--listen', new URL(publicUrl).host], {
  stdio: ['ignore', 'ignore', 'inherit'],
  env: {
    PUBLIC_URL: publicUrl,
    ACCESS_CLIENT_ID: 'plausible-mcp',
    ACCESS_CLIENT_SECRET: 'application secret',
    ACCESS_ISSUER: issuer,
    ALLOWED_EMAIL_DOMAIN: 'example.com',
    COOKIE_ENCRYPTION_KEY: randomBytes(32).toString('hex'),
    PLAUSIBLE_API_KEY: process.env.INTEROP_KEY,
    PLAUSIBLE_BASE_URL: process.env.INTEROP_PLAUSIBLE,
    PLAUSIBLE_DEFAULT_SITE_ID: 'shop.example',
  },
});
try {
  await ready(`${publicUrl}/healthz`);
  process.env.INTEROP_SIGN_IN = `${publicUrl}/internal`;
  const { begin, discover, redeem, register, statusWith } = await import('./connection.mjs');
  const found = await discover();
  const attempt = await begin(found, await register(found, redirectUri), redirectUri);
  const answer = await new Browser().signIn(attempt.url.href, redirectUri);
  const tokens = await redeem(attempt, answer);
  assert.equal(await statusWith(tokens.access_token), 200);
} finally {
  server.kill();
  listener.closeAllConnections();
  listener.close();
}

function provider(origin) {
  return new Provider(origin, {
    clients: [
      {
        client_id: 'plausible-mcp',
        client_secret: 'application secret',
        redirect_uris: [`${publicUrl}/callback`],
        grant_types: ['authorization_code'],
        response_types: ['code'],
      },
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    cookies: { keys: [randomBytes(32).toString('hex')] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: id, email_verified: true }) }),
  });
}

async function listening(httpServer) {
  await new Promise((resolve) => httpServer.listen(0, '127.0.0.1', resolve));
  return httpServer.address().port;
}

async function freePort() {
  const probe = createServer();
  const port = await listening(probe);
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

async function ready(url) {
  for (let tries = 0; tries < 100; tries += 1) {
    if (await fetch(url).then((response) => response.ok, () => false)) return;
    await sleep(100);
  }
  assert.fail(`nothing answers at ${url}`);
}
