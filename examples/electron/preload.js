'use strict';
// The only bridge between the window and the main process.
const { contextBridge, ipcRenderer } = require('electron');

contextBridge.exposeInMainWorld('guest', {
  onFigures: (show) => ipcRenderer.on('figures', (event, figures) => show(figures)),
  measure: (rounds) => ipcRenderer.invoke('measure', rounds),
});
