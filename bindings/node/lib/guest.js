'use strict';
// The guest as JavaScript sees it: promises over the native callbacks, and what is pending when it ends.
const { AsyncResource } = require('node:async_hooks');
const { NativeGuest } = require('./native.js');
const errors = require('./errors.js');
const exit = require('./exit.js');
const runtime = require('./runtime.js');
const { Socket, Server } = require('./socket.js');

const DRIVES = { thread: 0, fd: 1 };
const ENDED = 'the guest has ended';

class Guest {
  #native;
  #done;
  #ended = false;
  #pending = new Set(); // what to reject when the guest ends
  #open = new Set(); // sockets and servers, which end with it

  constructor(options) {
    const { drive = runtime.drives[0], budget = 0, stallAfter = 0, workThreads = 0 } = options;
    if (!Object.hasOwn(DRIVES, drive)) {
      throw Object.assign(new TypeError(`drive must be 'fd' or 'thread', not ${String(drive)}`), { code: 'ERR_INVALID_ARG_VALUE' });
    }
    if (!runtime.drives.includes(drive)) {
      throw Object.assign(new Error(`drive: 'fd' cannot be had: ${runtime.withoutFd}; use drive: 'thread', the default here`), { code: 'GUEST_ENOTSUP' });
    }
    let resolveDone;
    let rejectDone;
    this.#done = new Promise((resolve, reject) => {
      resolveDone = resolve;
      rejectDone = reject;
    });
    const onDone = (status) => {
      this.#ended = true;
      exit.ended(this.#native);
      this.#closeAll();
      for (const reject of [...this.#pending]) reject(errors.closed(ENDED));
      if (status === 0) resolveDone();
      else rejectDone(Object.assign(new Error(`the guest has failed with status ${status}`), { status }));
    };
    this.#native = new NativeGuest({ drive: DRIVES[drive], budget, stallAfter, workThreads, setImmediate }, onDone);
    exit.began(this.#native);
  }

  get done() {
    return this.#done;
  }

  get ended() {
    return this.#ended;
  }

  get native() {
    return this.#native.native();
  }

  setTimer(callback, delay, { repeat = 0 } = {}) {
    return new Timer(this.#native, callback, delay, repeat);
  }

  sleep(delay, { signal } = {}) {
    return this.#promise(signal, (resolve) => this.#native.addTimer(delay, 0, () => resolve()));
  }

  watch(fd, events, callback) {
    return new Watch(this.#native, fd, events, callback);
  }

  resolve(host, port, { family = 0, signal } = {}) {
    return this.#lookup(host, port, family, 0, signal);
  }

  async connect(port, host = 'localhost', { family = 0, signal, readAhead = 0, ...options } = {}) {
    const addresses = await this.#lookup(host, port, family, 0, signal);
    try {
      return await this.#waiter(signal, (resolve, reject) => {
        const begin = (callback) => this.#native.connectStream(addresses.map(({ sockaddr }) => sockaddr), readAhead, callback);
        const socket = new Socket(this.#native, this.#open, begin, options);
        socket.connects({ resolve, reject });
        return () => socket.connects(null).destroy();
      });
    } catch (error) {
      throw signal?.aborted || error.code === 'GUEST_ECLOSED' ? error : Object.assign(error, { address: host, port: Number(port) });
    }
  }

  async listen(port = 0, host = 'localhost', { family = 0, ...options } = {}) {
    const [{ address }] = await this.#lookup(host, port, family, 1);
    return new Server(this.#native, this.#open, this.#waiter, address, port, options);
  }

  cancel() {
    this.#closeAll();
    this.#native.cancel();
    return this.#done;
  }

  shutdown(timeout = 1000) {
    this.#closeAll();
    this.#native.shutdown(timeout);
    return this.#done;
  }

  ref() {
    this.#native.keepAlive(true);
    return this;
  }

  unref() {
    this.#native.keepAlive(false);
    return this;
  }

  stats() {
    return this.#native.stats();
  }

  #closeAll() {
    for (const one of [...this.#open]) one.destroy();
  }

  async #lookup(host, port, family, passive, signal) {
    const service = port === undefined || port === null ? null : String(port);
    const addresses = await this.#promise(signal, (resolve, reject) =>
      this.#native.resolve(host ?? null, service, family, passive, (problem, found) => {
        if (problem === null) resolve(found);
        else reject(Object.assign(new Error(`resolve ${host}: ${problem}`), { code: 'GUEST_ERESOLVE', hostname: host }));
      }),
    );
    return addresses.map(tidy);
  }

  // A promise that is kept by a source, which `begin` registers and whose id it returns. It is rejected when the
  // guest ends and when `signal` aborts, which also closes the source.
  #promise(signal, begin) {
    return this.#waiter(signal, (resolve, reject) => {
      const id = begin(resolve, reject);
      return () => this.#native.closeSource(id);
    });
  }

  // The same for anything: `begin` returns how to take it back.
  #waiter = (signal, begin) =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      let undo;
      const fail = (error) => {
        end();
        reject(error);
      };
      const abort = () => {
        undo();
        fail(signal.reason);
      };
      const end = () => {
        this.#pending.delete(fail);
        signal?.removeEventListener('abort', abort);
      };
      undo = begin((value) => {
        end();
        resolve(value);
      }, fail);
      this.#pending.add(fail);
      signal?.addEventListener('abort', abort, { once: true });
    });
}

class Timer {
  #native;
  #id;

  constructor(native, callback, delay, repeat) {
    this.#native = native;
    this.#id = native.addTimer(delay, repeat, bound(callback, 'asyncguest.Timer'));
  }

  restart(delay, { repeat = 0 } = {}) {
    this.#native.modifyTimer(this.#id, delay, repeat);
  }

  close() {
    return this.#native.closeSource(this.#id);
  }
}

class Watch {
  #native;
  #id;

  constructor(native, fd, events, callback) {
    this.#native = native;
    this.#id = native.addFd(fd, events, bound(callback, 'asyncguest.Watch'));
  }

  modify(events) {
    this.#native.modifyFd(this.#id, events);
  }

  close() {
    return this.#native.closeSource(this.#id);
  }
}

// A callback runs in the async context that it was given in (AsyncLocalStorage). Anything else is passed on:
// the native part says what is wrong with it.
function bound(callback, type) {
  return typeof callback === 'function' ? AsyncResource.bind(callback, type) : callback;
}

// What only connectStream needs is kept, out of sight of console.log and comparisons.
function tidy({ address, port, family, ...rest }) {
  const visible = { address, port, family };
  for (const [name, value] of Object.entries(rest)) Object.defineProperty(visible, name, { value });
  return visible;
}

module.exports = { Guest, Timer, Watch };
