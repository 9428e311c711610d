'use strict';
// Streams over the guest: whole data, back-pressure, every way to end.
const crypto = require('node:crypto');
const fs = require('node:fs');
const net = require('node:net');
const { constants } = require('node:os');
const { asyncguest, assert, each, noHandles, nothingLives, openFds, until } = require('./common.js');
const native = require('../lib/native.js');

async function pair(guest) {
  const server = await guest.listen();
  const [near, far] = await Promise.all([guest.connect(server.port), server.accept()]);
  server.close();
  return [near, far];
}

each('five megabytes arrive whole, against back-pressure, and Node\'s sockets are the other end', async (drive) => {
  const guest = asyncguest.start({ drive });
  const data = crypto.randomBytes(5 << 20);
  const echo = net.createServer((socket) => socket.pipe(socket));
  await new Promise((resolve) => echo.listen(0, '127.0.0.1', resolve));
  const socket = await guest.connect(echo.address().port, '127.0.0.1');
  const written = socket.write(data).then(() => socket.end());
  const parts = [];
  for await (const part of socket) parts.push(part);
  await written;
  assert.ok(Buffer.concat(parts).equals(data));
  echo.close();
  await guest.cancel();
  await nothingLives();
});

each('writes keep their order without being awaited', async (drive) => {
  const guest = asyncguest.start({ drive });
  const [near, far] = await pair(guest);
  const big = Buffer.alloc(2 << 20, 'b');
  const all = Promise.all([near.write('a'), near.write(big), near.write('c'), near.end()]);
  let length = 0;
  let first;
  let last;
  for await (const part of far) {
    first ??= part[0];
    last = part[part.length - 1];
    length += part.length;
  }
  await all;
  assert.deepEqual([length, first, last], [big.length + 2, 97, 99]);
  await guest.cancel();
});

each('a socket whose guest has ended does not touch its fd, which may be another file by now', async (drive) => {
  const guest = asyncguest.start({ drive });
  const [near, far] = await pair(guest);
  await guest.shutdown();
  const next = asyncguest.start({ drive });
  const others = await Promise.all([pair(next), pair(next), pair(next)]); // have the same numbers
  for (const socket of [near, far]) {
    await assert.rejects(socket.write('x'), { code: 'GUEST_ECLOSED' });
    await assert.rejects(socket.end(), { code: 'GUEST_ECLOSED' });
    await assert.rejects(socket.read(), { code: 'GUEST_ECLOSED' });
    assert.equal(socket.close(), false);
  }
  for (const [one, other] of others) {
    await one.write('own');
    assert.equal(String(await other.read()), 'own');
  }
  await next.cancel();
});

each('an address that is refused at once is not the last', async (drive) => {
  const guest = asyncguest.start({ drive });
  const server = await guest.listen();
  const { open } = native.sockets;
  const { resolve } = native.NativeGuest.prototype;
  native.NativeGuest.prototype.resolve = function (host, port, family, passive, callback) {
    return resolve.call(this, host, port, family, passive, (problem, found) => callback(problem, [found[0], ...found]));
  };
  let refused = 0;
  native.sockets.open = (...args) => (refused++ === 0 ? -constants.errno.ENETUNREACH : open(...args));
  try {
    const [near] = await Promise.all([guest.connect(server.port), server.accept()]);
    near.close();
  } finally {
    native.sockets.open = open;
    native.NativeGuest.prototype.resolve = resolve;
  }
  assert.equal(refused, 2);
  await guest.cancel();
});

each('only bytes and text are written, and a read asks for some', async (drive) => {
  const guest = asyncguest.start({ drive });
  const [near] = await pair(guest);
  for (const data of [undefined, null, 1, {}, [1], new ArrayBuffer(4), new DataView(new ArrayBuffer(4)), new Uint16Array(2)])
    await assert.rejects(near.write(data), { code: 'ERR_INVALID_ARG_TYPE' });
  for (const most of [0, -1, 1.5, '1', null]) await assert.rejects(near.read(most), { code: 'ERR_OUT_OF_RANGE' });
  await guest.cancel();
});

each('the ways in which a socket ends', async (drive) => {
  const guest = asyncguest.start({ drive });
  const [near, far] = await pair(guest);
  const waiting = near.read();
  await assert.rejects(near.read(), /another read/);
  near.close();
  await assert.rejects(waiting, { code: 'GUEST_ECLOSED', message: 'the socket was closed' });
  await assert.rejects(near.write('x'), { code: 'GUEST_ECLOSED' });
  await assert.rejects(near.end(), { code: 'GUEST_ECLOSED' });
  assert.equal(near.close(), false);
  assert.equal(await far.read(), null);
  await assert.rejects((async () => {
    for (;;) await far.write(Buffer.alloc(65536));
  })(), (error) => ['EPIPE', 'ECONNRESET'].includes(error.code) && error.syscall === 'transmit');
  await guest.cancel();
});

each('a refused connection, an unknown name, an abort', async (drive) => {
  const guest = asyncguest.start({ drive });
  const server = await guest.listen();
  server.close();
  await guest.sleep(0);
  await assert.rejects(guest.connect(server.port), { code: 'ECONNREFUSED', syscall: 'connect', port: server.port });
  await assert.rejects(guest.resolve('not a name', 1), { code: 'GUEST_ERESOLVE', hostname: 'not a name' });
  await assert.rejects(guest.connect(1, 'localhost', { signal: AbortSignal.abort() }), { name: 'AbortError' });
  const [near] = await pair(guest);
  const abort = new AbortController();
  const waiting = near.read(10, { signal: abort.signal });
  setImmediate(() => abort.abort());
  await assert.rejects(waiting, { name: 'AbortError' });
  await guest.cancel();
});

each('the end of the guest ends what waits on its sockets, and closes their fds', async (drive) => {
  await asyncguest.start({ drive }).cancel();
  const fds = openFds();
  const guest = asyncguest.start({ drive });
  const [near] = await pair(guest);
  const [full] = await pair(guest);
  const server = await guest.listen();
  const waiting = [near.read(), server.accept(), full.write(Buffer.alloc(8 << 20)), guest.sleep(10000)].map((promise) =>
    promise.catch((error) => error.code));
  await guest.sleep(5);
  await guest.cancel();
  assert.deepEqual(await Promise.all(waiting), Array(4).fill('GUEST_ECLOSED'));
  await nothingLives();
  assert.equal(openFds(), fds);
});

each('a socket that is always ready leaves the loop its turn', async (drive) => {
  const guest = asyncguest.start({ drive });
  const [near, far] = await pair(guest);
  let rounds = 0;
  let going = true;
  const loop = (async () => {
    for (; going; rounds++) {
      await near.write('x');
      await far.read();
    }
  })();
  await until(() => rounds > 50, 'timers of Node run beside 50 rounds');
  going = false;
  await loop;
  await guest.cancel();
});

each('resolve answers for numbers and names, and for one family', async (drive) => {
  const guest = asyncguest.start({ drive });
  assert.deepEqual(await guest.resolve('127.0.0.1', 80), [{ address: '127.0.0.1', port: 80, family: 4 }]);
  assert.deepEqual(await guest.resolve('::1', '80', { family: 6 }), [{ address: '::1', port: 80, family: 6 }]);
  assert.ok((await guest.resolve('localhost', 1)).length >= 1);
  await guest.cancel();
});

const services = fs.existsSync('/etc/services') ? fs.readFileSync('/etc/services', 'utf8') : '';
const noHttp = !/^http\s+80\/tcp/m.test(services) && 'the system has no entry for "http" in /etc/services (Debian: netbase)';

each('resolve answers for the name of a service', { skip: noHttp }, async (drive) => {
  const guest = asyncguest.start({ drive });
  assert.deepEqual(await guest.resolve('127.0.0.1', 'http'), [{ address: '127.0.0.1', port: 80, family: 4 }]);
  await guest.cancel();
});

each('watch is level-triggered, and modify and close take effect at once', { skip: noHandles }, async (drive) => {
  const guest = asyncguest.start({ drive });
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const listening = server._handle.fd;
  const raw = await guest.listen();
  raw.close();
  const calls = [];
  const epoll = guest.watch(listening, asyncguest.READABLE, (events) => {
    calls.push(events); // the connection is Node's to accept
    if (calls.length === 1) epoll.modify(0);
  });
  net.connect(server.address().port, '127.0.0.1').on('error', () => {}).unref();
  await new Promise((resolve) => server.once('connection', (socket) => socket.destroy() && resolve()));
  assert.ok(calls.length <= 1, 'a paused watch was called');
  assert.equal(epoll.close(), true);
  server.close();
  await guest.cancel();
});
