// panva's oidc-provider, a certified OpenID Connect provider, in the place of Cloudflare Access, and the settings of a
// server that signs in through it.

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

/** A provider that knows one application, whose server will be at a free port of this machine. */
export async function startProvider() {
  const publicUrl = `http://127.0.0.1:${await freePort()}`;
  const listener = createServer();
  const issuer = `http://127.0.0.1:${await listening(listener)}`;
  listener.on('request', provider(issuer, `${publicUrl}/callback`).callback());
  const settings = {
    PUBLIC_URL: publicUrl,
    ACCESS_CLIENT_ID: 'plausible-mcp',
    ACCESS_CLIENT_SECRET: 'application secret',
    ACCESS_ISSUER: issuer,
    ALLOWED_EMAIL_DOMAIN: 'example.com',
    COOKIE_ENCRYPTION_KEY: randomBytes(32).toString('hex'),
    PLAUSIBLE_API_KEY: process.env.INTEROP_KEY,
    PLAUSIBLE_BASE_URL: process.env.INTEROP_PLAUSIBLE,
    PLAUSIBLE_DEFAULT_SITE_ID: 'shop.example',
  };
  const stop = () => {
    listener.closeAllConnections();
    listener.close();
  };
  return { publicUrl, settings, stop };
}

function provider(origin, redirectUri) {
  return new Provider(origin, {
    clients: [
      {
        client_id: 'plausible-mcp',
        client_secret: 'application secret',
        redirect_uris: [redirectUri],
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
