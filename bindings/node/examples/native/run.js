'use strict';
// Runs the native example: native I/O callbacks on Node's main thread, beside JavaScript's own timers.
//
//   npm run build && node examples/native/run.js
const path = require('node:path');
const { start } = require('../..');
const build = process.env.ASYNCGUEST_NODE_BUILD || path.join(__dirname, '../../../../build/node');
const { measure } = require(path.join(build, 'roundtrip.node'));

const guest = start();
let ticks = 0;
const ticking = setInterval(() => ticks++, 10);
measure(guest.native, 50, 4, ({ rounds, median, worst }) => {
  clearInterval(ticking);
  console.log(`${rounds} datagrams: median ${median.toFixed(0)} us, worst ${worst.toFixed(0)} us; JavaScript ticked ${ticks} times meanwhile`);
  guest.cancel();
});
