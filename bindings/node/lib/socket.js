'use strict';
// Stream sockets over a guest: promises over non-blocking system calls. The native source owns the fd and closes
// it however the guest ends.
const native = require('./native.js');
const errors = require('./errors.js');
const exit = require('./exit.js');

const READABLE = 1;
const WRITABLE = 2;
const EAGAIN = -require('node:os').constants.errno.EAGAIN;
const ECONNABORTED = -require('node:os').constants.errno.ECONNABORTED;

/** The system call `name`, which throws instead of returning an error; EAGAIN excepted. */
function wanted(name) {
  const call = native.sockets?.[name];
  if (!call) {
    throw Object.assign(new Error('sockets of a guest are not available on this system; use node:net'), { code: 'GUEST_ENOTSUP' });
  }
  return (...args) => {
    const result = call(...args);
    if (result < 0 && result !== EAGAIN) throw errors.system(result, name);
    return result;
  };
}

// Calls that never have to wait would keep the loop from its turn for ever: promises alone do not go back to it.
// After 4 ms of them, as long as one batch may last, the next one lets the loop have its turn first.
const BUDGET = 4;
let began = 0; // when the present turn was first asked about
async function fairly(result) {
  if (began === 0) {
    began = performance.now();
    setImmediate(() => (began = 0));
  }
  if (performance.now() - began > BUDGET) await new Promise((resolve) => setImmediate(resolve));
  return result;
}

/** One owned fd; at most one waiter for each direction. */
class Descriptor {
  #guest;
  #wait;
  #id;
  #waiting = { [READABLE]: null, [WRITABLE]: null };
  #armed = 0;
  fd;

  constructor(guest, wait, fd) {
    this.#guest = guest;
    this.#wait = wait;
    this.#id = guest.addFd(fd, 0, (events) => this.#ready(events), true);
    this.fd = fd;
  }

  /** Until it is readable or writable. `signal` may be undefined. */
  until(direction, signal) {
    return this.#wait(signal, (resolve, reject) => {
      this.check();
      if (this.#waiting[direction]) throw new Error('another call waits for the same already: await that first');
      this.#waiting[direction] = { resolve, reject };
      this.#arm();
      return () => {
        this.#waiting[direction] = null;
        this.#arm();
      };
    });
  }

  check() {
    if (this.fd < 0) throw errors.closed('the socket was closed');
    if (!exit.lives(this.#guest)) throw errors.closed('the guest has ended'); // the number may be another file's by now
  }

  close() {
    if (this.fd < 0) return false;
    this.fd = -1;
    for (const direction of [READABLE, WRITABLE]) {
      this.#waiting[direction]?.reject(errors.closed('the socket was closed'));
      this.#waiting[direction] = null;
    }
    return this.#guest.closeSource(this.#id);
  }

  #ready(events) {
    for (const direction of [READABLE, WRITABLE]) {
      const other = READABLE + WRITABLE - direction;
      if (events & ~other) { // errors and hang-ups concern both
        this.#waiting[direction]?.resolve();
        this.#waiting[direction] = null;
      }
    }
    this.#arm();
  }

  #arm() {
    const events = (this.#waiting[READABLE] ? READABLE : 0) | (this.#waiting[WRITABLE] ? WRITABLE : 0);
    if (this.fd >= 0 && events !== this.#armed) this.#guest.modifyFd(this.#id, events);
    this.#armed = events;
  }
}

class Socket {
  #descriptor;
  #reading = false;
  #writes = Promise.resolve();

  constructor(guest, wait, fd) {
    this.#descriptor = new Descriptor(guest, wait, fd);
  }

  // For Guest.connect alone.
  async connected(signal) {
    await this.#descriptor.until(WRITABLE, signal);
    this.#descriptor.check();
    const error = wanted('pendingError')(this.#descriptor.fd);
    if (error !== 0) throw errors.system(-error, 'connect');
  }

  async read(most = 65536, { signal } = {}) {
    if (!Number.isInteger(most) || most < 1) {
      throw Object.assign(new RangeError('most must be an integer of 1 or more'), { code: 'ERR_OUT_OF_RANGE' });
    }
    if (this.#reading) throw new Error('another read waits already: await that first');
    this.#reading = true;
    try {
      const bytes = Buffer.allocUnsafe(most);
      for (;;) {
        this.#descriptor.check();
        const count = wanted('receive')(this.#descriptor.fd, bytes);
        if (count >= 0) return await fairly(count === 0 ? null : bytes.subarray(0, count));
        await this.#descriptor.until(READABLE, signal);
      }
    } finally {
      this.#reading = false;
    }
  }

  write(data) {
    if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
      const error = new TypeError('data must be a string, a Uint8Array or a Buffer');
      return Promise.reject(Object.assign(error, { code: 'ERR_INVALID_ARG_TYPE' }));
    }
    return this.#after(() => this.#writeAll(typeof data === 'string' ? Buffer.from(data) : data));
  }

  end() {
    return this.#after(() => {
      this.#descriptor.check();
      wanted('endWriting')(this.#descriptor.fd);
    });
  }

  close() {
    return this.#descriptor.close();
  }

  async *[Symbol.asyncIterator]() {
    for (let bytes; (bytes = await this.read()) !== null; ) yield bytes;
  }

  // One after the other; one that fails does not keep the next from telling why it fails, too.
  #after(step) {
    const result = this.#writes.then(step);
    this.#writes = result.catch(() => {});
    return result;
  }

  async #writeAll(bytes) {
    this.#descriptor.check();
    await fairly();
    for (let sent = 0; sent < bytes.length; ) {
      this.#descriptor.check();
      const count = wanted('transmit')(this.#descriptor.fd, sent === 0 ? bytes : bytes.subarray(sent));
      if (count >= 0) sent += count;
      else await this.#descriptor.until(WRITABLE);
    }
  }
}

class Server {
  #guest;
  #wait;
  #descriptor;

  constructor(guest, wait, fd, address) {
    this.#guest = guest;
    this.#wait = wait;
    this.#descriptor = new Descriptor(guest, wait, fd);
    this.address = address;
    this.port = wanted('localPort')(fd);
  }

  async accept({ signal } = {}) {
    for (;;) {
      this.#descriptor.check();
      const fd = native.sockets.accept(this.#descriptor.fd);
      if (fd >= 0) return await fairly(new Socket(this.#guest, this.#wait, fd));
      if (fd === EAGAIN) await this.#descriptor.until(READABLE, signal);
      else if (fd !== ECONNABORTED) throw errors.system(fd, 'accept');
    }
  }

  close() {
    return this.#descriptor.close();
  }

  async *[Symbol.asyncIterator]() {
    for (;;) yield await this.accept();
  }
}

module.exports = { Socket, Server, wanted };
