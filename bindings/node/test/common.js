'use strict';
// What the tests share: programs in a process of their own, garbage collection, counts that must come back to zero.
const assert = require('node:assert');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const v8 = require('node:v8');
const vm = require('node:vm');
const test = require('node:test');
const asyncguest = require('..');
const exit = require('../lib/exit.js');
const { drives } = require('../lib/runtime.js');

const root = path.join(__dirname, '..');

/** One test per drive, named "DRIVE: NAME". `skip`: the reason, or false. */
function each(name, ...rest) {
  const body = rest.pop();
  const { skip } = rest.pop() ?? {};
  for (const drive of drives) {
    test(`${drive}: ${name}`, { timeout: 30000, skip: skip || false }, async () => {
      try {
        await body(drive);
      } finally {
        for (const native of exit.living()) native.cancel(); // one that failed must not disturb the next
      }
    });
  }
}

/** Runs `body` in a process of its own: { code, signal, out, err }. `start()` there has the drive. */
function program(drive, body, ...flags) {
  const head = `const asyncguest = require(${JSON.stringify(root)});
    const start = (options) => asyncguest.start({ drive: ${JSON.stringify(drive)}, ...options });\n`;
  return new Promise((resolve) => {
    execFile(process.execPath, [...flags, '-e', head + body], { timeout: 20000 }, (error, out, err) => {
      resolve({ code: error ? error.code : 0, signal: error ? error.signal : null, out: out.trim(), err });
    });
  });
}

if (!process.versions.bun) v8.setFlagsFromString('--expose-gc');
const collect = process.versions.bun ? () => Bun.gc(true) : vm.runInNewContext('gc');

/** Until `condition()` holds, turn by turn of the loop. */
async function until(condition, what) {
  const deadline = Date.now() + 10000;
  while (!condition()) {
    if (Date.now() > deadline) assert.fail(`did not happen within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

const zero = { guests: 0, sources: 0, posts: 0, threads: 0, posters: 0 };

/** Everything of the library is freed. */
async function nothingLives() {
  await until(() => Object.values(asyncguest.live()).every((count) => count === 0), `live() = ${JSON.stringify(zero)}`);
}

function openFds() {
  return fs.readdirSync('/proc/self/fd').length;
}

const noHandles = process.versions.deno && "the sockets of Deno's node:net tell no fd";

const turn = () => new Promise((resolve) => setImmediate(resolve));

module.exports = { asyncguest, assert, test, each, program, collect, until, nothingLives, openFds, turn, drives, noHandles, root };
