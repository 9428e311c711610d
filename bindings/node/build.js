'use strict';
// Configures and builds the add-on with CMake; no node-gyp, and no headers from the network.
//
//   node build.js               to <checkout>/build/node/asyncguest.node, where lib/native.js finds it
//   node build.js --package     the same, then the package for this platform, in <checkout>/build/node/package:
//                               "npm pack" or "npm install" that directory
//   node build.js --package-only   just that, of what is built
//
// CARGO_TARGET_DIR: where cargo builds; the checkout's target/ if not set. ASYNCGUEST_STATICLIB: a
// libasyncguest.a of the same version that is ready. ASYNCGUEST_NODE_BUILD: another build directory.
// ASYNCGUEST_NODE_SANITIZE=1: with AddressSanitizer.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const checkout = path.join(__dirname, '..', '..');
const out = path.resolve(process.env.ASYNCGUEST_NODE_BUILD || path.join(checkout, 'build', 'node'));

function run(...args) {
  const result = spawnSync('cmake', args, { stdio: 'inherit' });
  if (result.error) {
    console.error(`build.js: cmake cannot be run (${result.error.code}): install CMake 3.20 or newer`);
    process.exit(1);
  }
  if (result.status !== 0) process.exit(1);
}

if (!process.argv.includes('--package-only')) build();
if (process.argv.some((word) => word.startsWith('--package'))) bundle();

function build() {
  run('-S', __dirname, '-B', out,
    `-DNODE_API_HEADERS=${require('node-api-headers').include_dir}`,
    `-DASYNCGUEST_CARGO_TARGET_DIR=${process.env.CARGO_TARGET_DIR || path.join(checkout, 'target')}`,
    `-DASYNCGUEST_STATICLIB=${process.env.ASYNCGUEST_STATICLIB || ''}`,
    `-DASYNCGUEST_NODE_SANITIZE=${process.env.ASYNCGUEST_NODE_SANITIZE ? 'ON' : 'OFF'}`);
  run('--build', out, '--config', 'Release', '-j', '2');
}

function bundle() {
  const target = path.join(out, 'package');
  const prebuilt = path.join(target, 'prebuilds', `${process.platform}-${process.arch}`);
  const { scripts, devDependencies, ...manifest } = require('./package.json');
  fs.rmSync(target, { recursive: true, force: true });
  fs.mkdirSync(prebuilt, { recursive: true });
  for (const name of ['index.js', 'index.mjs', 'index.d.ts', 'README.md', 'LICENSE-APACHE', 'LICENSE-MIT', 'lib', 'include']) {
    fs.cpSync(path.join(__dirname, name), path.join(target, name), { recursive: true });
  }
  fs.writeFileSync(path.join(target, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  fs.copyFileSync(path.join(out, 'asyncguest.node'), path.join(prebuilt, 'asyncguest.node'));
  fs.copyFileSync(path.join(checkout, 'include', 'asyncguest.h'), path.join(target, 'include', 'asyncguest.h'));
}
