'use strict';
// The window: shows figures, asks for a measurement.
const figures = document.getElementById('figures');
const report = document.getElementById('report');
const button = document.getElementById('measure');

window.guest.onFigures(({ ticks, events, batches }) => {
  figures.textContent = `${ticks} ticks, ${events} callbacks in ${batches} batches`;
});

button.addEventListener('click', async () => {
  button.disabled = true;
  try {
    const { rounds, median, worst } = await window.guest.measure(100);
    report.textContent = `${rounds} datagrams: median ${median.toFixed(0)} µs, worst ${worst.toFixed(0)} µs`;
  } catch (error) {
    report.textContent = error.message;
  } finally {
    button.disabled = false;
  }
});
