'use strict';
// The package as a user gets it: packed, installed into an empty directory, loaded from there.
const { execFile, execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { promisify } = require('node:util');
const { assert, root, test } = require('./common.js');

const run = promisify(execFile);

test('npm pack, npm install in an empty directory, require and import', { timeout: 60000 }, async (t) => {
  const place = fs.mkdtempSync(path.join(os.tmpdir(), 'asyncguest-'));
  t.after(() => fs.rmSync(place, { recursive: true, force: true }));
  const built = path.resolve(process.env.ASYNCGUEST_NODE_BUILD || path.join(root, '../../build/node'));
  execFileSync(process.execPath, [path.join(root, 'build.js'), '--package-only'], { stdio: 'pipe' });
  const packed = await run('npm', ['pack', '--silent', path.join(built, 'package')], { cwd: place });
  fs.writeFileSync(path.join(place, 'package.json'), '{ "name": "user", "private": true }');
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${packed.stdout.trim()}`], { cwd: place });

  const env = { ...process.env, ASYNCGUEST_NODE_ADDON: '' };
  const cjs = `const { start, includeDir } = require('asyncguest');
    const guest = start(); guest.sleep(1).then(() => guest.cancel());
    const fs = require('fs'); console.log(require.resolve('asyncguest'), fs.readdirSync(includeDir).sort().join());`;
  const esm = `import { start } from 'asyncguest'; import all from 'asyncguest';
    const guest = start({ drive: 'thread' }); await guest.sleep(1); await guest.cancel(); console.log(guest.ended, all.start === start);`;
  const required = await run(process.execPath, ['-e', cjs], { cwd: place, env });
  const imported = await run(process.execPath, ['--input-type=module', '-e', esm], { cwd: place, env });
  assert.match(required.stdout, /node_modules\/asyncguest\/index\.js asyncguest\.h,asyncguest_node\.h\n$/);
  assert.ok(required.stdout.startsWith(fs.realpathSync(place)), required.stdout);
  assert.equal(imported.stdout, 'true true\n');
});
