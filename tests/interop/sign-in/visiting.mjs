// The browser of clients that open one.   usage: visiting.mjs URL

import { visit } from './browser.mjs';

await visit(process.argv[2]);
