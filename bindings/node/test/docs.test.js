'use strict';
// The JavaScript of the README and of docs/hosts/node.md runs as it stands there; their links lead somewhere.
const fs = require('node:fs');
const path = require('node:path');
const { assert, program, root, test } = require('./common.js');

const pages = [
  path.join(root, 'README.md'),
  path.join(root, '..', '..', 'docs', 'hosts', 'node.md'),
  path.join(root, '..', '..', 'examples', 'electron', 'README.md'),
];

function snippets(page) {
  return [...fs.readFileSync(page, 'utf8').matchAll(/^```js\n([^]*?)^```/gm)].map((match) => match[1]);
}

test('the README\'s program', async () => {
  const [text] = snippets(pages[0]);
  const run = await program('fd', `{ ${text.replace("'asyncguest'", JSON.stringify(root))} }`);
  assert.equal(run.code, 0, run.err);
  assert.match(run.out, /^tick\n[^]*\d+ callbacks$/);
  assert.ok(run.out.split('\n').filter((line) => line === 'tick').length >= 4, run.out);
});

test('the README\'s echo', async () => {
  const text = snippets(pages[0])[1];
  const run = await program('fd', `{ ${text.replace("'asyncguest'", JSON.stringify(root))} }`);
  assert.deepEqual([run.code, run.out], [0, 'said and heard\nGUEST_ECLOSED'], run.err);
});

test('the program of docs/hosts/node.md', async () => {
  const [text] = snippets(pages[1]);
  const body = text.replace("'asyncguest'", JSON.stringify(root)).replace("require('./my_addon.node').run(", '((native) => typeof native)(');
  const run = await program('fd', `{ ${body}; guest.setTimer(() => process.kill(process.pid, 'SIGINT'), 1); }`);
  assert.equal(run.code, 0, run.err);
  assert.match(run.out, /^(tick\n)+the last drop function has run$/);
});

test('links', () => {
  for (const page of pages) {
    for (const [, link] of fs.readFileSync(page, 'utf8').matchAll(/\]\(([^)#:\s]+)[)#]/g)) {
      assert.ok(fs.existsSync(path.join(path.dirname(page), link)), `${page}: no file ${link}`);
    }
  }
});
