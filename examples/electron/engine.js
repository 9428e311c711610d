'use strict';
// What the application does, without Electron: a guest in this process's loop, a timer and native I/O on it.
class Engine {
  #guest;
  #measure;
  #ticks = 0;

  /** `asyncguest`: the package. `measure`: of the native add-on. `publish(figures)`: called ten times a second. */
  constructor(asyncguest, measure, publish) {
    this.#guest = asyncguest.start();
    this.#measure = measure;
    this.#guest.setTimer((expirations) => {
      this.#ticks += expirations;
      const { events, batches } = this.#guest.stats();
      publish({ ticks: this.#ticks, events, batches });
    }, 0, { repeat: 100 });
  }

  get ended() {
    return this.#guest.ended;
  }

  /** Sends `rounds` datagrams, natively, and tells how long they took. `rounds` comes from the renderer. */
  measure(rounds) {
    if (!Number.isInteger(rounds) || rounds < 1 || rounds > 1000) {
      return Promise.reject(new RangeError('rounds must be an integer from 1 to 1000'));
    }
    return new Promise((resolve, reject) => {
      // If the guest ends first, the add-on forgets the callback.
      this.#guest.done.then(() => reject(new Error('the application is closing')));
      this.#measure(this.#guest.native, rounds, 2, resolve);
    });
  }

  stop() {
    return this.#guest.cancel();
  }
}

module.exports = { Engine };
