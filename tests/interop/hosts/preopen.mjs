// Gives a component under jco one folder instead of the whole file system, which is jco's default.

import { _setPreopens } from '@bytecodealliance/preview2-shim/filesystem';

_setPreopens({ '/state': process.env.JCO_STATE_FOLDER });
