'use strict';
// The tests again in Bun and Deno, whose binaries npm ships: test/runtimes/package.json. Both run node:test in part.
const fs = require('node:fs');
const path = require('node:path');
const { execFile } = require('node:child_process');
const { assert, root, test } = require('./common.js');

const modules = path.join(__dirname, 'runtimes', 'node_modules');
const runtimes = {
  bun: { program: path.join(modules, '@oven', 'bun-linux-x64', 'bin', 'bun'), test: ['test', '--timeout', '60000'], run: [], passed: /^ *0 fail$/m },
  deno: { program: path.join(modules, '@deno', 'linux-x64-glibc', 'deno'), test: ['test', '-A', '--no-check'], run: ['run', '-A'], passed: /^ok \| [1-9]\d* passed/m },
};
const files = fs.readdirSync(__dirname)
  .filter((name) => name.endsWith('.test.js') && !/^(embed|package|runtimes)\./.test(name)); // those are of Node and npm alone

function call(program, args) {
  const options = { cwd: root, timeout: 120000, env: { ...process.env, NO_COLOR: '1', NODE_TEST_CONTEXT: '' } };
  return new Promise((resolve) => {
    execFile(program, args, options, (error, out, err) => resolve({ code: error ? error.code : 0, signal: error ? error.signal : null, text: out + err }));
  });
}

for (const [name, runtime] of Object.entries(runtimes)) {
  const skip = !fs.existsSync(runtime.program) && `${runtime.program} is not installed: npm ci in test/runtimes`;

  for (const file of files) {
    test(`${name}: ${file}`, { skip, timeout: 150000 }, async () => {
      const result = await call(runtime.program, [...runtime.test, `./test/${file}`]);
      assert.deepEqual([result.code, result.signal], [0, null], result.text);
      assert.match(result.text, runtime.passed);
    });
  }

  test(`${name}: drive 'fd' is refused by name, and 'thread' is the default`, { skip }, async (t) => {
    const script = path.join(fs.mkdtempSync(path.join(require('node:os').tmpdir(), 'asyncguest-')), 'script.cjs');
    t.after(() => fs.rmSync(path.dirname(script), { recursive: true }));
    fs.writeFileSync(script, `const { start } = require(${JSON.stringify(root)});
      try { start({ drive: 'fd' }); } catch (error) { console.log(error.code, error.message); }
      const guest = start();
      process.once('SIGTERM', () => guest.cancel().then(() => console.log('ended', guest.stats().tokens > 0)));
      guest.setTimer(() => process.kill(process.pid, 'SIGTERM'), 1);`);
    const result = await call(runtime.program, [...runtime.run, script]);
    assert.equal(result.code, 0, result.text);
    assert.match(result.text, /^GUEST_ENOTSUP drive: 'fd' cannot be had: (Bun|Deno) \S+ has no loop .*use drive: 'thread'.*\nended true$/m);
  });
}
