// A server under test as a process of its own.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** Starts a server and waits until it answers. `stop` ends it at once, as a crash would. */
export async function serve(publicUrl, command, args, environment) {
  const server = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'], env: environment, detached: true });
  const ended = once(server, 'exit');
  const stop = async () => {
    if (server.exitCode === null && server.signalCode === null) process.kill(-server.pid, 'SIGKILL');
    await ended;
  };
  for (let tries = 0; tries < 600; tries += 1) {
    if (await fetch(`${publicUrl}/healthz`).then((response) => response.ok, () => false)) return { stop };
    assert.equal(server.exitCode, null, 'the server ended');
    await sleep(100);
  }
  await stop();
  assert.fail(`nothing answers at ${publicUrl}`);
}
