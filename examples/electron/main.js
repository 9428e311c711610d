'use strict';
// Electron's main process: a window, and the engine whose native I/O runs on this very thread. The renderer gets
// figures and may ask for one measurement; it has no Node and no native code.
const path = require('node:path');
const { app, BrowserWindow, ipcMain } = require('electron');
const asyncguest = require('asyncguest');
const { Engine } = require('./engine.js');

// The native example of bindings/node; an application ships its own add-on here.
const addon = process.env.ROUNDTRIP_ADDON || path.join(__dirname, '../../build/node/roundtrip.node');

let engine = null;

app.whenReady().then(() => {
  const window = new BrowserWindow({
    width: 520,
    height: 360,
    webPreferences: {
      preload: path.join(__dirname, 'preload.js'),
      contextIsolation: true,
      nodeIntegration: false,
      sandbox: true,
    },
  });
  engine = new Engine(asyncguest, require(addon).measure, (figures) => {
    if (!window.isDestroyed()) window.webContents.send('figures', figures);
  });
  ipcMain.handle('measure', (event, rounds) => engine.measure(rounds));
  return window.loadFile(path.join(__dirname, 'index.html'));
});

app.on('window-all-closed', () => app.quit());

// The guest ends before the process does: drop functions of native code run while everything still stands.
app.on('will-quit', (event) => {
  if (!engine || engine.ended) return;
  event.preventDefault();
  engine.stop().finally(() => app.quit());
});
