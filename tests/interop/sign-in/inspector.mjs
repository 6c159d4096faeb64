// The Inspector's command line signs in, and gives its grant back.   usage: inspector.mjs CLI, on the Node that it needs

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
  const run = spawn(process.execPath, [cli, ...common, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  void follow(run.stderr);
  const [printed, [status]] = await Promise.all([text(run.stdout), once(run, 'exit')]);
  assert.equal(status, 0, printed);
  const answer = JSON.parse(printed);
  return (answer.result ?? answer).tools.map((tool) => tool.name);
}

assert.deepEqual(await listed(), expected.tools);
assert.deepEqual(await listed('--stored-auth-only'), expected.tools, 'the tokens were kept');
assert.deepEqual(await listed('--relogin'), expected.tools, 'the grant was given back, and another made');
