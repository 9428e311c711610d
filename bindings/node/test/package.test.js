'use strict';
// The package as a user gets it: packed, installed into an empty directory, loaded from there.
const { execFile, execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { promisify } = require('node:util');
const { assert, root, test } = require('./common.js');
const { build, platform } = require('../lib/places.js');

const run = promisify(execFile);


/** The package of this platform, packed and installed into an empty directory: [that directory, the names of its files]. */
async function installed(t) {
  const place = fs.mkdtempSync(path.join(os.tmpdir(), 'asyncguest-'));
  t.after(() => fs.rmSync(place, { recursive: true, force: true }));
  execFileSync(process.execPath, [path.join(root, 'build.js'), '--package-only'], { stdio: 'pipe' });
  const [packed] = JSON.parse((await run('npm', ['pack', '--json', path.join(build, 'package')], { cwd: place })).stdout);
  fs.writeFileSync(path.join(place, 'package.json'), '{ "name": "user", "private": true }');
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${packed.filename}`], { cwd: place });
  return [fs.realpathSync(place), packed.files.map((file) => file.path)];
}

test('npm pack, npm install in an empty directory, require and import', { timeout: 60000 }, async (t) => {
  const [place, files] = await installed(t);
  const sources = (folder) => fs.readdirSync(path.join(root, folder)).map((name) => `${folder}/${name}`);
  assert.deepEqual(files.sort(), [
    'CMakeLists.txt', 'LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'build.js', 'include/asyncguest.h', 'index.d.ts', 'index.js',
    'index.mjs', 'package.json', `prebuilds/${platform}/asyncguest.node`, ...sources('include'), ...sources('lib'), ...sources('src'),
  ].sort());

  const env = { ...process.env, ASYNCGUEST_NODE_ADDON: '' };
  const cjs = `const { start, includeDir } = require('asyncguest');
    const guest = start(); guest.sleep(1).then(() => guest.cancel());
    const fs = require('fs'); console.log(require.resolve('asyncguest'), fs.readdirSync(includeDir).sort().join());`;
  const esm = `import { start } from 'asyncguest'; import all from 'asyncguest';
    const guest = start({ drive: 'thread' }); await guest.sleep(1); await guest.cancel(); console.log(guest.ended, all.start === start);`;
  const required = await run(process.execPath, ['-e', cjs], { cwd: place, env });
  const imported = await run(process.execPath, ['--input-type=module', '-e', esm], { cwd: place, env });
  assert.match(required.stdout, /node_modules\/asyncguest\/index\.js asyncguest\.h,asyncguest_node\.h\n$/);
  assert.ok(required.stdout.startsWith(place), required.stdout);
  assert.equal(imported.stdout, 'true true\n');
});

test('a package without an add-on for this platform says how to build it, and that works', { timeout: 120000 }, async (t) => {
  const [place] = await installed(t);
  const own = path.join(place, 'node_modules', 'asyncguest');
  const { ASYNCGUEST_NODE_ADDON, ASYNCGUEST_NODE_BUILD, ...clean } = process.env;
  const load = (env = {}) => run(process.execPath, ['-e', "console.log(require('asyncguest').version)"], { cwd: place, env: { ...clean, ...env } })
    .then(({ stdout }) => stdout, ({ stderr }) => stderr);
  const addon = path.join(own, 'prebuilds', platform, 'asyncguest.node');

  fs.writeFileSync(addon, 'of another processor');
  assert.match(await load(), /asyncguest\.node cannot be loaded here: [^]*ERR_ASYNCGUEST_NOT_LOADED/);
  fs.renameSync(path.dirname(addon), path.join(own, 'prebuilds', 'beos-m68k'));
  const told = await load();
  assert.match(told, /has an add-on for: beos-m68k\. [^]*cargo build --release[^]*ERR_ASYNCGUEST_NOT_BUILT/);
  assert.ok(told.includes(`node ${path.join(own, 'build.js')}`), told);
  assert.match(await load({ ASYNCGUEST_NODE_ADDON: 'nowhere.node' }), /ASYNCGUEST_NODE_ADDON names .*nowhere\.node, which does not exist/);

  const again = (env) => run(process.execPath, [path.join(own, 'build.js')], { cwd: place, env: { ...clean, ASYNCGUEST_STATICLIB: '', ...env } });
  await assert.rejects(again({}), /set ASYNCGUEST_STATICLIB to/);
  await assert.rejects(again({ ASYNCGUEST_STATICLIB: 'nowhere.a' }), /names nowhere\.a, which does not exist/);
  const [library] = [process.env.ASYNCGUEST_STATICLIB, path.join(root, '../../target/release/libasyncguest.a')].filter(Boolean);
  await again({ ASYNCGUEST_STATICLIB: path.resolve(library) });
  assert.match(await load(), /^\d+\.\d+\.\d+\n$/);
});

for (const [key, value, name] of [['platform', 'sunos', 'sunos'], ['arch', 'ia32', 'linux-ia32']]) {
  test(`on ${name} neither the build nor the load sends anybody to build`, async () => {
    const elsewhere = (script) => run(process.execPath, ['-e', `Object.defineProperty(process, '${key}', { value: '${value}' }); ${script}`]);
    const said = new RegExp(`libasyncguest runs on 64-bit Linux alone so far, and this is ${name}`);
    await assert.rejects(elsewhere(`require(${JSON.stringify(path.join(root, 'build.js'))})`), said);
    const loading = `process.env.ASYNCGUEST_NODE_BUILD = 'nowhere'; delete process.env.ASYNCGUEST_NODE_ADDON; require(${JSON.stringify(root)})`;
    await assert.rejects(elsewhere(loading), (error) => said.test(error.stderr) && !error.stderr.includes('npm run build'));
  });
}

test('npm pack of the sources is refused with the way to do it', async () => {
  await assert.rejects(run('npm', ['pack', '--dry-run'], { cwd: root }), /npm run package/);
});

test('a Node that is too old is told so', async () => {
  const old = `Object.defineProperty(process, 'versions', { value: { ...process.versions, napi: '7' } }); require(${JSON.stringify(root)})`;
  await assert.rejects(run(process.execPath, ['-e', old]), /Node v\S+ has Node-API 7, and asyncguest needs Node-API 8: use Node 18 or newer/);
});
