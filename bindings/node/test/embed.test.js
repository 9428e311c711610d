'use strict';
// The add-on in a program that embeds Node in GLib's main loop, as Electron does in Chromium's: examples/embed.
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const { assert, root, test } = require('./common.js');
const { build } = require('../lib/places.js');

const program = path.join(build, 'embed');
const skip = !fs.existsSync(program) && "libnode is not installed (Debian: libnode-dev; it cannot be beside another's nodejs)";
const run = promisify(execFile);

test('a guest in an embedded Node: both drives, nested loops, the end', { skip, timeout: 60000 }, async () => {
  const { stdout } = await run(program, [path.join(root, 'examples', 'embed', 'scenario.js')]);
  const lines = stdout.trim().split('\n');
  assert.match(lines.shift(), /^Node v\d/);
  assert.equal(lines.length, 10, stdout);
  for (const line of lines) assert.match(line, /^ok: (fd|thread): /);
});

/** A script with that text, as a file. */
function written(t, text) {
  const script = path.join(fs.mkdtempSync(path.join(require('node:os').tmpdir(), 'asyncguest-')), 'script.js');
  t.after(() => fs.rmSync(path.dirname(script), { recursive: true }));
  fs.writeFileSync(script, text);
  return script;
}

test('a script that throws ends the embedding program with a status', { skip }, async (t) => {
  const script = written(t, `require(${JSON.stringify(root)}).start(); throw new Error('from the script');`);
  await assert.rejects(run(program, [script]), (error) => error.code > 0 && /from the script/.test(error.stderr));
});

test('a script may end the embedding program before its loop runs', { skip, timeout: 60000 }, async (t) => {
  await assert.rejects(run(program, [written(t, 'host.end(3);')], { timeout: 30000 }), { code: 3, signal: null });
});
