'use strict';
// At 'exit' every guest that still lives is ended: drop functions run, its thread is joined, and nothing calls
// into Node while the process goes down. One listener per environment, only while there are guests.
const living = new Set();

function leave() {
  for (const native of living) native.leave();
  living.clear();
}

function began(native) {
  if (living.size === 0) process.on('exit', leave);
  living.add(native);
}

function ended(native) {
  living.delete(native);
  if (living.size === 0) process.off('exit', leave);
}

module.exports = { began, ended, lives: (native) => living.has(native), living: () => [...living] };
