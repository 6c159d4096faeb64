// A client's half of a sign-in, by oauth4webapi: discovery, registration, authorization request, code exchange.

import assert from 'node:assert/strict';

import * as oauth from 'oauth4webapi';

export const resource = process.env.INTEROP_SIGN_IN;
export const options = { [oauth.allowInsecureRequests]: true };
export const publicClient = oauth.None();

/** The authorization server, found as a client finds it: challenge, resource metadata, server metadata. */
export async function discover() {
  const unauthorized = await fetch(resource, { method: 'POST' });
  assert.equal(unauthorized.status, 401);
  assert.match(unauthorized.headers.get('www-authenticate'), /^Bearer .*resource_metadata="[^"]+"/);
  const url = new URL(resource);
  const described = await oauth.resourceDiscoveryRequest(url, options);
  const { authorization_servers: servers } = await oauth.processResourceDiscoveryResponse(url, described);
  assert.equal(servers.length, 1);
  const issuer = new URL(servers[0]);
  const answer = await oauth.discoveryRequest(issuer, { ...options, algorithm: 'oauth2' });
  return oauth.processDiscoveryResponse(issuer, answer);
}

export async function register(server, redirectUri) {
  const metadata = { client_name: 'Interop', redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' };
  const response = await oauth.dynamicClientRegistrationRequest(server, metadata, options);
  return oauth.processDynamicClientRegistrationResponse(response);
}

/** An authorization request, with what is needed to redeem its answer. */
export async function begin(server, client, redirectUri) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const url = new URL(server.authorization_endpoint);
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: redirectUri,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    scope: 'mcp',
    state,
    resource,
  });
  return { server, client, redirectUri, verifier, state, url };
}

/** The tokens for an answer, whose `state` and `iss` are checked first. */
export async function redeem({ server, client, redirectUri, verifier, state }, answer) {
  const parameters = oauth.validateAuthResponse(server, client, answer, state);
  const response = await oauth.authorizationCodeGrantRequest(
    server, client, publicClient, parameters, redirectUri, verifier,
    { ...options, additionalParameters: { resource } },
  );
  return oauth.processAuthorizationCodeResponse(server, client, response);
}

/** The status of a request to the resource with a token. */
export async function statusWith(accessToken) {
  const response = await fetch(resource, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${accessToken}`,
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
  });
  return response.status;
}
