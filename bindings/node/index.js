'use strict';
// asyncguest: a guest in Node's own loop. See README.md.
const native = require('./lib/native.js');
const { Guest } = require('./lib/guest.js');

module.exports = {
  /** Starts a guest on the calling thread's loop. */
  start: (options = {}) => new Guest(options),
  /** What of the library is alive in the process, for leak checks. */
  live: native.live,
  /** The version of the native library. */
  version: native.version,
  /** The directory of asyncguest_node.h and asyncguest.h, for building native add-ons. */
  includeDir: require('node:path').join(__dirname, 'include'),
  READABLE: 1,
  WRITABLE: 2,
  PRIORITY: 4,
  ERROR: 8,
  HANGUP: 16,
};
