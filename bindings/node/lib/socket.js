'use strict';
// Connections of a guest as node:stream has them: a Duplex over a native stream, which is paused but while somebody reads.
const { AsyncResource } = require('node:async_hooks');
const { Duplex } = require('node:stream');
const errors = require('./errors.js');

const OPENED = 0; // as in src/streams.cpp
const DATA = 1;
const END = 2;
const CLOSED = 3;

/** How a native call ended: null or an error in Node's shape. */
function problem(status, errno, syscall) {
  return status === 0 ? null : errno > 0 ? errors.system(-errno, syscall) : errors.memory(syscall);
}

class Socket extends Duplex {
  #native;
  #open; // the guest's set of what is open
  #id;
  #reads = false; // whether the native stream is not paused
  #settle = null; // of the promise of the connection, until it stands or has failed
  #writing = null; // who waits for the end of a write

  /** `begin(callback)` makes the native stream, and returns its id. */
  constructor(native, open, begin, { allowHalfOpen = false } = {}) {
    super({ allowHalfOpen });
    this.#native = native;
    this.#open = open;
    this.#id = begin(AsyncResource.bind((kind, value, errno) => this.#tell(kind, value, errno), 'asyncguest.Socket'));
    open.add(this);
  }

  /** For Guest.connect alone: who is told whether it stands; or null, nobody any more. */
  connects(settle) {
    this.#settle = settle;
    return this;
  }

  get remoteAddress() {
    return this.#info().remoteAddress;
  }

  get remotePort() {
    return this.#info().remotePort;
  }

  get localAddress() {
    return this.#info().localAddress;
  }

  get localPort() {
    return this.#info().localPort;
  }

  get bytesRead() {
    return this.#info().bytesRead;
  }

  get bytesWritten() {
    return this.#info().bytesWritten;
  }

  _read() {
    this.#flow(true);
  }

  _write(chunk, encoding, callback) {
    this.#send([chunk], callback);
  }

  _writev(chunks, callback) {
    this.#send(chunks.map(({ chunk }) => chunk), callback);
  }

  _final(callback) {
    if (this.#id !== null) this.#native.shutdownStream(this.#id);
    callback();
  }

  _destroy(error, callback) {
    this.#open.delete(this);
    if (this.#id !== null) this.#native.closeSource(this.#id);
    this.#id = null;
    const [writing, settle] = [this.#writing, this.#settle];
    this.#writing = this.#settle = null;
    writing?.(error ?? errors.closed('the socket was destroyed'));
    settle?.reject(error ?? errors.closed('the socket was destroyed'));
    callback(settle ? null : error); // who waits for the connection has the error
  }

  #tell(kind, value, errno) {
    if (kind === OPENED) {
      const { resolve } = this.#settle;
      this.#settle = null;
      resolve(this);
    } else if (kind === DATA) {
      if (!this.push(value)) this.#flow(false);
    } else if (kind === END) {
      this.push(null);
    } else if (kind === CLOSED) {
      this.#id = null; // both ends have said that they are through, or it is broken
      const error = problem(value, errno, this.#settle ? 'connect' : 'read');
      if (error) this.destroy(error);
    }
  }

  #flow(on) {
    if (this.#id === null || this.#reads === on) return;
    this.#reads = on;
    this.#native.pauseStream(this.#id, !on);
  }

  #send(chunks, callback) {
    const done = AsyncResource.bind((error) => {
      this.#writing = null;
      callback(error);
    }, 'asyncguest.Write');
    try {
      if (this.#id === null) throw errors.closed('the connection has ended');
      this.#native.writeStream(this.#id, chunks, (status, errno) => this.#writing?.(problem(status, errno, 'write')));
      this.#writing = done;
    } catch (error) {
      callback(error);
    }
  }

  #info() {
    return this.#id === null ? {} : this.#native.streamInfo(this.#id);
  }
}

class Server {
  #native;
  #open;
  #wait;
  #readAhead;
  #options;
  #id;
  #kept = null; // a connection that nobody has asked for yet; the next ones stay in the system
  #accepting = null;

  constructor(native, open, wait, address, port, { backlog = 128, readAhead = 0, ...options }) {
    this.#native = native;
    this.#open = open;
    this.#wait = wait;
    this.#readAhead = readAhead;
    this.#options = options;
    const offered = AsyncResource.bind((status, errno) => this.#offered(status, errno), 'asyncguest.Server');
    this.#id = native.listenStream(address, String(port), backlog, readAhead, offered);
    const { localAddress, localPort } = native.listenerInfo(this.#id);
    this.address = localAddress;
    this.port = localPort;
    open.add(this);
  }

  accept({ signal } = {}) {
    return this.#wait(signal, (resolve, reject) => {
      if (this.#accepting) throw new Error('another accept waits already: await that first');
      if (this.#id === null) throw errors.closed('the server was closed');
      if (this.#kept) {
        resolve(this.#kept);
        this.#kept = null;
      } else {
        this.#native.pauseListener(this.#id, false);
        this.#accepting = { resolve, reject };
      }
      return () => {
        this.#accepting = null;
      };
    });
  }

  /** Whether it was open. */
  close() {
    if (this.#id === null) return false;
    const id = this.#id;
    this.#id = null;
    this.#open.delete(this);
    this.#kept?.destroy();
    this.#kept = null;
    this.#take()?.reject(errors.closed('the server was closed'));
    return this.#native.closeSource(id);
  }

  /** The end of the guest. */
  destroy() {
    this.close();
  }

  async *[Symbol.asyncIterator]() {
    for (;;) yield await this.accept();
  }

  #offered(status, errno) {
    const error = problem(status, errno, 'accept');
    if (error) return this.#take()?.reject(error); // it tries again by itself
    const begin = (callback) => this.#native.acceptStream(this.#id, this.#readAhead, callback);
    const socket = new Socket(this.#native, this.#open, begin, this.#options);
    if (this.#accepting) return this.#take().resolve(socket);
    this.#kept = socket;
    this.#native.pauseListener(this.#id, true);
  }

  #take() {
    const waits = this.#accepting;
    this.#accepting = null;
    return waits;
  }
}

module.exports = { Socket, Server };
