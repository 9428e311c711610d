'use strict';
// Finds and loads the add-on: the one that ASYNCGUEST_NODE_ADDON names, or the one that the package brings, or the
// one that was built. What to do if there is none depends on what there is: see remedy().
const { withoutNodeApi } = require('./runtime.js');
if (withoutNodeApi) fail('ERR_ASYNCGUEST_NODE_API', withoutNodeApi); // before what an old Node does not know
const fs = require('node:fs');
const path = require('node:path');
const { root, checkout, build, prebuilt, platform, platforms, unsupported } = require('./places.js');

const named = process.env.ASYNCGUEST_NODE_ADDON;
const places = named ? [path.resolve(named)] : [prebuilt, path.join(build, 'asyncguest.node')];

function fail(code, message, cause) {
  throw Object.assign(new Error(message), { code }, cause && { cause });
}

function remedy() {
  if (unsupported) return `${unsupported}.`;
  if (checkout) return `Build it in ${root}: npm ci && npm run build`;
  return `The package has an add-on for: ${platforms().join(', ') || 'no platform'}. This is ${platform}.
Its sources are in ${root}. To build it (CMake 3.20, a C++17 compiler):
  1. the library, in a checkout of libasyncguest: cargo build --release
  2. ASYNCGUEST_STATICLIB=CHECKOUT/target/release/libasyncguest.a node ${path.join(root, 'build.js')}
Or set ASYNCGUEST_NODE_ADDON to an asyncguest.node that was built elsewhere.`;
}

const found = places.find((place) => fs.existsSync(place));
if (!found && named) fail('ERR_ASYNCGUEST_NOT_BUILT', `ASYNCGUEST_NODE_ADDON names ${places[0]}, which does not exist: correct it, or unset it`);
if (!found) fail('ERR_ASYNCGUEST_NOT_BUILT', `asyncguest.node was not found. Looked at:\n  ${places.join('\n  ')}\n${remedy()}`);
try {
  module.exports = require(found);
} catch (error) {
  fail('ERR_ASYNCGUEST_NOT_LOADED', `${found} cannot be loaded here: ${error.message}
It may be for another processor, another libc (musl), or an older or newer version of the library.\n${remedy()}`, error);
}
