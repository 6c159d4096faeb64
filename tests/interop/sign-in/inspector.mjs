// The Inspector's command line signs in, keeps its tokens, and starts over.   usage: inspector.mjs CLI, on its own Node

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

import { expected } from '../expectations.mjs';
import { follow } from './following.mjs';

const cli = process.argv[2];
const endpoint = process.env.INTEROP_SIGN_IN;

async function listed(...args) {
  const common = ['--cli', endpoint, '--transport', 'http', '--format', 'json', '--method', 'tools/list'];
  // Without a terminal it signs in only where it may open a browser; without a keychain it keeps tokens in a file.
  const env = { ...process.env, MCP_AUTO_OPEN_ENABLED: 'true', MCP_INSPECTOR_SECRET_STORE: 'file' };
  const run = spawn(process.execPath, [cli, ...common, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  void follow(run.stderr);
  const [printed, [status]] = await Promise.all([text(run.stdout), once(run, 'exit')]);
  assert.equal(status, 0, printed);
  const answer = JSON.parse(printed);
  return (answer.result ?? answer).tools.map((tool) => tool.name);
}

assert.deepEqual(await listed(), expected.tools);
assert.deepEqual(await listed('--stored-auth-only'), expected.tools, 'the tokens were kept');
assert.deepEqual(await listed('--relogin'), expected.tools, 'it signed in once more');
