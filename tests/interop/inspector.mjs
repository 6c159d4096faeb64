// The Inspector's command line: strict about tool schemas, in one era.   usage: inspector.mjs CLI modern|auto|legacy
// Runs on the Node 22 that it needs.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

import { endpoint, expected, key } from './expectations.mjs';

const [cli, era] = process.argv.slice(2);

function inspect(bearer, ...args) {
  const common = ['--cli', endpoint, '--transport', 'http', '--protocol-era', era, '--format', 'json'];
  const header = bearer === undefined ? [] : ['--header', `Authorization: Bearer ${bearer}`];
  return spawnSync(process.execPath, [cli, ...common, ...header, ...args], { encoding: 'utf8', timeout: 60_000 });
}

/** The CLI's answer; an error of the tool is an answer too, anything else is not. */
function answer(run, status = 0) {
  assert.equal(run.status, status, `${run.stdout}\n${run.stderr}`);
  const printed = JSON.parse(run.stdout);
  return printed.result ?? printed;
}

function call({ name, arguments: args }) {
  return ['--method', 'tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(args)];
}

const listed = answer(inspect(key, '--method', 'tools/list', '--strict'));
assert.deepEqual(listed.tools.map((tool) => tool.name), expected.tools);

for (const good of expected.calls) {
  const result = answer(inspect(key, ...call(good)));
  assert.ok(!result.isError && result.structuredContent, `${good.name}: ${JSON.stringify(result)}`);
}

const [refused] = expected.refusedCalls;
const refusal = inspect(key, ...call(refused));
assert.match(refusal.stdout, /"isError":\s*true/, refusal.stderr);

const stranger = inspect(undefined, '--method', 'tools/list');
assert.notEqual(stranger.status, 0);
assert.match(stranger.stdout + stranger.stderr, /401|unauthori[sz]ed|auth/i);
