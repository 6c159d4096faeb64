// The official suite's scenarios for authorization servers.   usage: conformance.mjs SUITE, on its own Node

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { discover, register, resource } from './connection.mjs';
import { follow } from './following.mjs';

const suite = process.argv[2];
const port = '18998';

const server = await discover();
const client = await register(server, `http://127.0.0.1:${port}/callback`);
const about = ['--url', server.issuer, '--client-id', client.client_id, '--resource', resource, '--port', port];
const run = spawn(process.execPath, [suite, 'authorization', ...about], { stdio: ['ignore', 'pipe', 'inherit'] });
void follow(run.stdout);
const [status] = await once(run, 'exit');
assert.equal(status, 0);
