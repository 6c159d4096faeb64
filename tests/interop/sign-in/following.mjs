// The user of a client that prints the address at which one signs in.   usage: following.mjs COMMAND ARGUMENT...
// Runs the command, goes where it says, and ends as it does.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';

import { Browser } from './browser.mjs';

/** Signs in at the first authorization URL of a stream, and takes the answer to the client. */
export async function follow(stream) {
  for await (const line of createInterface({ input: stream })) {
    console.error(line);
    const [printed] = /https?:\/\/\S+\/authorize\?\S+/.exec(stripVTControlCharacters(line)) ?? [];
    if (printed !== undefined) void signIn(printed);
  }
}

let signedIn;

/** Once, although some clients print the address twice. */
async function signIn(url) {
  if (signedIn === url) return;
  signedIn = url;
  const redirectUri = new URL(url).searchParams.get('redirect_uri');
  const answer = await new Browser().signIn(url, redirectUri);
  const response = await fetch(answer);
  console.error(`the client answered ${response.status} at ${redirectUri}`);
}

if (process.argv[1] === import.meta.filename) {
  const [command, ...args] = process.argv.slice(2);
  const client = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  void follow(client.stdout);
  void follow(client.stderr);
  client.on('exit', (code) => process.exit(code ?? 1));
}
