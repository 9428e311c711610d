'use strict';
// The add-on of test/hazards.cpp: native code that misbehaves in the guest's callbacks.
const path = require('node:path');

const build = process.env.ASYNCGUEST_NODE_BUILD || path.join(__dirname, '../../../build/node');
exports.path = path.join(path.resolve(build), 'hazards.node');
exports.roundtrip = path.join(path.resolve(build), 'roundtrip.node');
