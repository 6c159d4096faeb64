// oauth4webapi, which checks every answer against the RFCs: the whole life of a grant.

import assert from 'node:assert/strict';

import * as oauth from 'oauth4webapi';

import { Browser } from './browser.mjs';
import { begin, discover, options, publicClient, redeem, register, statusWith } from './connection.mjs';

const redirectUri = 'http://127.0.0.1:18999/callback';

const server = await discover();
assert.ok(server.code_challenge_methods_supported.includes('S256'));
assert.equal(server.authorization_response_iss_parameter_supported, true);
assert.equal(server.client_id_metadata_document_supported, true);

const client = await register(server, redirectUri);
assert.equal(client.token_endpoint_auth_method, 'none');
assert.equal((await register(server, redirectUri)).client_id, client.client_id, 'registering again changes nothing');

const browser = new Browser();
const connection = await begin(server, client, redirectUri);
const answer = await browser.signIn(connection.url, redirectUri);
const first = await redeem(connection, answer);
assert.equal(first.token_type, 'bearer');
assert.equal(first.scope, 'mcp');
assert.equal(first.expires_in, 3600);
assert.equal(await statusWith(first.access_token), 200);
await refused(redeem(connection, answer), 'invalid_grant');

const second = await refresh(first.refresh_token);
assert.notEqual(second.access_token, first.access_token);
assert.notEqual(second.refresh_token, first.refresh_token);
assert.equal(await statusWith(second.access_token), 200);
const repeated = await refresh(first.refresh_token);
assert.equal(repeated.refresh_token, second.refresh_token, 'a repeat gets the same successor');

const revoked = await oauth.revocationRequest(server, client, publicClient, second.refresh_token, options);
await oauth.processRevocationResponse(revoked);
assert.equal(await statusWith(second.access_token), 401);
await refused(refresh(second.refresh_token), 'invalid_grant');

const denied = await begin(server, client, redirectUri);
const denial = await browser.signIn(denied.url, redirectUri, { decision: 'deny' });
assert.throws(
  () => oauth.validateAuthResponse(server, client, denial, denied.state),
  (error) => error instanceof oauth.AuthorizationResponseError && error.error === 'access_denied',
);

async function refresh(token) {
  const response = await oauth.refreshTokenGrantRequest(server, client, publicClient, token, options);
  return oauth.processRefreshTokenResponse(server, client, response);
}

async function refused(attempt, code) {
  await assert.rejects(attempt, (error) => {
    assert.equal(error.error, code, String(error));
    return true;
  });
}
