// The user of a client that prints the address at which one signs in.

import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';

import { visit } from './browser.mjs';

/** Signs in at each authorization URL of a stream, once, although some clients print theirs twice. */
export async function follow(stream) {
  const visited = new Set();
  for await (const line of createInterface({ input: stream })) {
    console.error(line);
    const [url] = /https?:\/\/\S+\/authorize\?\S+/.exec(stripVTControlCharacters(line)) ?? [];
    if (url === undefined || visited.has(url)) continue;
    visited.add(url);
    visit(url).then((response) => console.error(`the client answered ${response.status}`));
  }
}
