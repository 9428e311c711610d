'use strict';
// Finds and loads the add-on: the one that was built last in a checkout, or the one that the package brings.
const fs = require('node:fs');
const path = require('node:path');

const places = [
  process.env.ASYNCGUEST_NODE_ADDON,
  path.join(__dirname, '..', 'prebuilds', `${process.platform}-${process.arch}`, 'asyncguest.node'),
  path.join(__dirname, '..', '..', '..', 'build', 'node', 'asyncguest.node'),
].filter(Boolean);
const found = places.find((place) => fs.existsSync(place));
if (!found) {
  throw Object.assign(
    new Error(`asyncguest.node was not found: build it with "npm run build". Looked at:\n  ${places.join('\n  ')}`),
    { code: 'ERR_ASYNCGUEST_NOT_BUILT' },
  );
}
module.exports = require(found);
