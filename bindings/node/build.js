'use strict';
// Configures and builds the add-on with CMake; no node-gyp, and no headers from the network.
//
//   node build.js               to <checkout>/build/node/asyncguest.node, or in an installed package to its own build/,
//                               where lib/native.js finds it
//   node build.js --package     the same, then the package for this platform, in <checkout>/build/node/package:
//                               "npm pack" or "npm install" that directory
//   node build.js --package-only   just that, of what is built
//
// CARGO_TARGET_DIR: where cargo builds; the checkout's target/ if not set. ASYNCGUEST_STATICLIB: a
// libasyncguest.a of the same version that is ready; a package needs it. ASYNCGUEST_NODE_BUILD: another build
// directory. ASYNCGUEST_NODE_SANITIZE=1: with AddressSanitizer.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { checkout, build: out, platform, unsupported } = require('./lib/places.js');

const staticlib = process.env.ASYNCGUEST_STATICLIB || '';
const bundling = process.argv.some((word) => word.startsWith('--package'));

function stop(why) {
  console.error(`build.js: ${why}`);
  process.exit(1);
}

function run(...args) {
  const result = spawnSync('cmake', args, { stdio: 'inherit' });
  if (result.error) stop(`cmake cannot be run (${result.error.code}): install CMake 3.20 or newer`);
  if (result.status !== 0) process.exit(1);
}

if (process.argv.includes('--prepack')) stop('this directory has no add-on to pack: npm run package, then npm pack build/node/package of the checkout');
if (bundling && !checkout) stop('--package works in a checkout of libasyncguest only');
if (!process.argv.includes('--package-only')) build();
if (bundling) bundle();

// node_api.h: npm's package of it, or the one that comes with this Node.
function headers() {
  try {
    return require('node-api-headers').include_dir;
  } catch {
    const own = path.join(path.dirname(process.execPath), '..', 'include', 'node');
    return fs.existsSync(path.join(own, 'node_api.h')) ? own : stop('node_api.h was not found: npm install node-api-headers');
  }
}

function build() {
  if (unsupported) stop(unsupported);
  if (!checkout && !staticlib) stop('set ASYNCGUEST_STATICLIB to the libasyncguest.a that "cargo build --release" makes in a checkout of libasyncguest');
  if (staticlib && !fs.existsSync(staticlib)) stop(`ASYNCGUEST_STATICLIB names ${staticlib}, which does not exist`);
  run('-S', __dirname, '-B', out,
    `-DNODE_API_HEADERS=${headers()}`,
    `-DASYNCGUEST_INCLUDE_DIR=${path.join(checkout ?? __dirname, 'include')}`,
    `-DASYNCGUEST_CARGO_TARGET_DIR=${process.env.CARGO_TARGET_DIR || path.join(checkout ?? __dirname, 'target')}`,
    `-DASYNCGUEST_STATICLIB=${staticlib && path.resolve(staticlib)}`,
    `-DASYNCGUEST_NODE_SANITIZE=${process.env.ASYNCGUEST_NODE_SANITIZE ? 'ON' : 'OFF'}`);
  run('--build', out, '--config', 'Release', '-j', '2');
}

function bundle() {
  const target = path.join(out, 'package');
  const prebuilt = path.join(target, 'prebuilds', platform);
  const { scripts, devDependencies, ...manifest } = require('./package.json');
  fs.rmSync(target, { recursive: true, force: true });
  fs.mkdirSync(prebuilt, { recursive: true });
  for (const name of [...manifest.files, 'README.md'].filter((name) => name !== 'prebuilds')) {
    fs.cpSync(path.join(__dirname, name), path.join(target, name), { recursive: true });
  }
  fs.writeFileSync(path.join(target, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  fs.copyFileSync(path.join(out, 'asyncguest.node'), path.join(prebuilt, 'asyncguest.node'));
  fs.copyFileSync(path.join(checkout, 'include', 'asyncguest.h'), path.join(target, 'include', 'asyncguest.h'));
}
