'use strict';
// Where the add-on is, in a checkout and in a package; build.js and lib/native.js agree on it here.
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const above = path.join(root, '..', '..');
const checkout = fs.existsSync(path.join(above, 'include', 'asyncguest.h')) ? above : null;
const platform = `${process.platform}-${process.arch}`;

module.exports = {
  root,
  checkout,
  /** Where build.js builds. */
  build: path.resolve(process.env.ASYNCGUEST_NODE_BUILD || (checkout ? path.join(checkout, 'build', 'node') : path.join(root, 'build'))),
  /** What a package brings for this platform. */
  prebuilt: path.join(root, 'prebuilds', platform, 'asyncguest.node'),
  platform,
  /** Why there is no library for this system, or an empty string. Its build.rs refuses the same. */
  unsupported: process.platform === 'linux' && /64|s390x/.test(process.arch) ? '' : `libasyncguest runs on 64-bit Linux alone so far, and this is ${platform}`,
  /** The platforms for which the package brings an add-on. */
  platforms() {
    const folder = path.join(root, 'prebuilds');
    return fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  },
};
