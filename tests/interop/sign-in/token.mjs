// Signs in as a new client and prints the access token, for programs that cannot.

import { Browser } from './browser.mjs';
import { begin, discover, redeem, register } from './connection.mjs';

const redirectUri = 'http://127.0.0.1:18999/callback';

const server = await discover();
const attempt = await begin(server, await register(server, redirectUri), redirectUri);
const answer = await new Browser().signIn(attempt.url.href, redirectUri);
console.log((await redeem(attempt, answer)).access_token);
