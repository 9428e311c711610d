'use strict';
// The application in Node: the engine with the real guest and the real native add-on, main.js with stand-ins for
// the parts of Electron that it uses.
const assert = require('node:assert');
const { EventEmitter } = require('node:events');
const Module = require('node:module');
const path = require('node:path');
const test = require('node:test');

const asyncguest = require('../../../bindings/node');
const build = path.resolve(process.env.ASYNCGUEST_NODE_BUILD || path.join(__dirname, '../../../build/node'));
process.env.ROUNDTRIP_ADDON = path.join(build, 'roundtrip.node');
const { measure } = require(process.env.ROUNDTRIP_ADDON);
const { Engine } = require('../engine.js');

const nothing = { guests: 0, sources: 0, posts: 0, threads: 0, posters: 0 };

test('the engine publishes, measures and ends', async () => {
  let published;
  const first = new Promise((resolve) => (published = resolve));
  const engine = new Engine(asyncguest, measure, published);
  assert.ok((await first).ticks >= 1); // more, where the machine has stood still meanwhile
  const { rounds, median } = await engine.measure(10);
  assert.ok(rounds >= 10 && median > 0);
  for (const wrong of [0, 1.5, 1001, '10', null]) await assert.rejects(engine.measure(wrong), RangeError);
  const unfinished = assert.rejects(engine.measure(1000), /closing/);
  await engine.stop();
  await unfinished;
  assert.equal(engine.ended, true);
});

test('main.js: window, figures, IPC, and an end before the process quits', async () => {
  const sent = [];
  const handlers = {};
  let options;
  let loaded;
  const app = Object.assign(new EventEmitter(), {
    whenReady: () => Promise.resolve(),
    quits: 0,
    quit() {
      const event = { prevented: false, preventDefault: () => (event.prevented = true) };
      app.emit('will-quit', event);
      if (event.prevented) return;
      app.quits++;
      app.emit('quit');
    },
  });
  class BrowserWindow {
    webContents = { send: (channel, figures) => sent.push([channel, figures]) };
    constructor(given) { options = given; }
    isDestroyed() { return false; }
    async loadFile(file) { loaded = file; }
  }
  const electron = { app, BrowserWindow, ipcMain: { handle: (name, handler) => (handlers[name] = handler) } };
  const original = Module._load;
  Module._load = (request, ...rest) => {
    if (request === 'electron') return electron;
    return request === 'asyncguest' ? asyncguest : original(request, ...rest);
  };
  try {
    require('../main.js');
  } finally {
    Module._load = original;
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual([options.webPreferences.contextIsolation, options.webPreferences.nodeIntegration, options.webPreferences.sandbox],
    [true, false, true]);
  assert.match(loaded, /index\.html$/);
  assert.ok((await handlers.measure({}, 5)).rounds >= 5);
  assert.equal(sent[0][0], 'figures');
  const quit = new Promise((resolve) => app.once('quit', resolve));
  app.emit('window-all-closed');
  assert.equal(app.quits, 0, 'it waits for the guest');
  await quit;
  assert.equal(app.quits, 1);
  assert.deepEqual(asyncguest.live(), nothing);
});
