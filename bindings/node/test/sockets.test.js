'use strict';
// Sockets over the guest: whole data, back-pressure, every way to end.
const crypto = require('node:crypto');
const net = require('node:net');
const { once } = require('node:events');
const { Transform } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const { AsyncLocalStorage } = require('node:async_hooks');
const { asyncguest, assert, collect, each, noHandles, nothingLives, openFds, turn, until } = require('./common.js');

async function pair(guest, options) {
  const server = await guest.listen(0, '127.0.0.1', options);
  const [near, far] = await Promise.all([guest.connect(server.port, '127.0.0.1', options), server.accept()]);
  server.close();
  return [near, far];
}

/** All that comes; unlike for await, it leaves the socket open. */
function all(socket) {
  const parts = [];
  return new Promise((resolve, reject) => {
    socket.on('data', (bytes) => parts.push(bytes)).on('end', () => resolve(Buffer.concat(parts))).on('error', reject);
    socket.on('close', () => reject(Object.assign(new Error('closed before its end'), { code: 'closed early' })));
  });
}

const closed = (socket) => new Promise((resolve) => (socket.closed ? resolve() : socket.once('close', resolve)));

each('16 MiB in both directions arrive whole', async (drive) => {
  const guest = asyncguest.start({ drive });
  const [near, far] = await pair(guest);
  const bytes = crypto.randomBytes(16 << 20);
  far.pipe(far);
  near.end(bytes);
  assert.ok(bytes.equals(await all(near)));
  await guest.cancel();
  await nothingLives();
});

each('talks to node:net, and pipes into it', async (drive) => {
  const guest = asyncguest.start({ drive });
  const server = net.createServer((socket) => socket.pipe(socket));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = await guest.connect(server.address().port, '127.0.0.1');
  assert.deepEqual([socket.remoteAddress, socket.remotePort], ['127.0.0.1', server.address().port]);
  assert.equal(socket.localAddress, '127.0.0.1');
  socket.write('grüße ');
  socket.end(new Uint8Array([33]));
  assert.equal(String(await all(socket)), 'grüße !');
  assert.equal(socket.remotePort, undefined);
  server.close();
  await guest.cancel();
});

each('write says when the peer takes less, and drain when it takes more', async (drive) => {
  const guest = asyncguest.start({ drive });
  const [near, far] = await pair(guest);
  const part = Buffer.alloc(1 << 20, 'p');
  let written = 0;
  let told = 0;
  while (near.write(part, () => told++)) written++;
  for (let i = 0; i < 15; i++) near.write(part, () => told++);
  written += 16;
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(told < written, 'a peer that reads nothing takes nothing');
  assert.equal(far.bytesRead, 0); // nobody reads: nothing is taken from the system
  let received = 0;
  far.on('data', (bytes) => (received += bytes.length));
  await once(near, 'drain');
  await until(() => received === written * part.length, 'all has come');
  await until(() => told === written, 'each write is told');
  far.pause();
  near.write(Buffer.alloc(8 << 20));
  await until(() => far.readableLength > 0, 'some is read ahead');
  const [ahead, read] = [far.readableLength, far.bytesRead];
  await guest.sleep(5);
  assert.deepEqual([far.readableLength, far.bytesRead], [ahead, read], 'a paused socket reads on');
  assert.ok(ahead <= far.readableHighWaterMark + (1 << 16), `${ahead} bytes were read ahead`);
  await guest.cancel();
});

each('what was written may be changed at once', async (drive) => {
  const guest = asyncguest.start({ drive });
  const [near, far] = await pair(guest);
  const bytes = Buffer.alloc(8 << 20, 'a'); // more than the system takes
  near.end(bytes);
  bytes.fill('b');
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  assert.ok((await all(far)).equals(Buffer.alloc(8 << 20, 'a')));
  await guest.cancel();
});

each('half-open: one side may end and read on', async (drive) => {
  const guest = asyncguest.start({ drive });
  const [near, far] = await pair(guest, { allowHalfOpen: true });
  near.end('question');
  assert.equal(String(await all(far)), 'question');
  assert.deepEqual([far.writable, near.readable], [true, true]);
  far.end('answer');
  assert.equal(String(await all(near)), 'answer');
  const [one, other] = await pair(guest); // and by default the other follows
  const ends = [closed(one), closed(other)];
  one.resume().end('x');
  other.resume();
  await Promise.all(ends);
  await guest.cancel();
});

each('destroyed inside its own data, and with all in flight', async (drive) => {
  const guest = asyncguest.start({ drive });
  const [near, far] = await pair(guest);
  let calls = 0;
  near.on('data', () => {
    calls++;
    near.destroy();
  });
  far.resume().on('error', () => {}); // a reset, as near has not read all
  far.write(Buffer.alloc(1 << 20));
  await closed(near);
  assert.equal(calls, 1);
  await closed(far);

  const [one, other] = await pair(guest);
  const writes = [];
  for (let i = 0; i < 3; i++) one.write(Buffer.alloc(4 << 20), (error) => writes.push(error?.code));
  one.on('error', assert.fail);
  one.destroy();
  assert.equal(one.destroyed, true);
  await closed(one);
  await turn();
  assert.equal(writes.length, 3);
  assert.ok(writes.every((code) => ['GUEST_ECLOSED', 'ERR_STREAM_DESTROYED'].includes(code)), writes.join()); // the last two are Node's to tell
  other.resume().on('error', () => {});
  await closed(other);

  const [third] = await pair(guest);
  third.destroy(new Error('mine'));
  assert.equal((await once(third, 'error'))[0].message, 'mine');
  await guest.cancel();
  await nothingLives();
});

each('a connection that breaks: the code and the call', async (drive) => {
  const guest = asyncguest.start({ drive });
  const [near, far] = await pair(guest);
  far.write('unread');
  await until(() => far.bytesWritten === 6, 'it is sent');
  far.destroy();
  near.destroy(); // with bytes that nobody has read: a reset
  const [one, other] = await pair(guest);
  other.destroy();
  const failed = once(one, 'error');
  (function more(problem) {
    if (!problem) one.write(Buffer.alloc(65536), more);
  })();
  const [error] = await failed;
  assert.ok(['EPIPE', 'ECONNRESET'].includes(error.code), error.code);
  assert.equal(error.syscall, 'write');
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
  const door = await guest.listen();
  const abort = new AbortController();
  const waiting = door.accept({ signal: abort.signal });
  await assert.rejects(door.accept(), /another accept/);
  setImmediate(() => abort.abort());
  await assert.rejects(waiting, { name: 'AbortError' });
  const [late, socket] = await Promise.all([guest.connect(door.port), door.accept()]); // it goes on
  late.end();
  await all(socket);
  assert.deepEqual([door.close(), door.close()], [true, false]);
  await assert.rejects(door.accept(), { code: 'GUEST_ECLOSED' });
  await guest.cancel();
  await nothingLives();
});

each('an abort while it connects closes it', async (drive) => {
  const guest = asyncguest.start({ drive });
  const door = await guest.listen(0, '127.0.0.1');
  const abort = new AbortController();
  const { prototype } = require('../lib/native.js').NativeGuest;
  const { connectStream } = prototype;
  prototype.connectStream = function (...args) {
    queueMicrotask(() => abort.abort()); // before it can stand
    return connectStream.apply(this, args);
  };
  try {
    await assert.rejects(guest.connect(door.port, '127.0.0.1', { signal: abort.signal }), { name: 'AbortError' });
  } finally {
    prototype.connectStream = connectStream;
  }
  door.close();
  await until(() => guest.stats().liveSources === 0, 'nothing is open');
  await guest.cancel();
});

each('of connections that nobody asks for one is kept, the others stay in the system, all end with the server', async (drive) => {
  const guest = asyncguest.start({ drive });
  const server = await guest.listen(0, '127.0.0.1');
  const clients = [];
  for (let i = 0; i < 6; i++) clients.push(await guest.connect(server.port, '127.0.0.1'));
  const offered = () => guest.stats().liveSources - clients.length - 1;
  const offers = async (count) => {
    await until(() => offered() >= count, `${count} are offered`);
    for (let i = 0; i < 3; i++) await guest.sleep(0);
    await turn();
    assert.equal(offered(), count);
  };
  await offers(1);
  const taken = [await server.accept()]; // the one that was kept
  await offers(1);
  taken.push(await server.accept());
  await offers(3);
  for await (const socket of server) {
    if (taken.push(socket) === 4) break;
  }
  await offers(5);
  clients.forEach((socket, i) => socket.resume().on('error', () => {}).end(`${i}`)); // the last two are reset
  const ends = clients.map(closed);
  assert.deepEqual((await Promise.all(taken.map(all))).map(String), ['0', '1', '2', '3']);
  server.close();
  await Promise.all(ends);
  await assert.rejects(server.accept(), { code: 'GUEST_ECLOSED' });
  await guest.cancel();
  await nothingLives();
});

each('a host that is away while somebody reads: the thread reads ahead', async (drive) => {
  const guest = asyncguest.start({ drive });
  const [near, far] = await pair(guest, { readAhead: 1000 });
  const bytes = crypto.randomBytes(5000);
  const [there, here] = [all(far), all(near)];
  await turn(); // both are read
  near.end(bytes);
  far.end(bytes);
  const stop = Date.now() + 10000;
  while (drive === 'thread' && guest.stats().readAhead < 2000) assert.ok(Date.now() < stop, 'nothing is read ahead');
  assert.equal(guest.stats().readAhead, drive === 'thread' ? 2000 : 0);
  assert.deepEqual([bytes.equals(await there), bytes.equals(await here)], [true, true]);
  for (const [readAhead, code] of [[-1, 'ERR_OUT_OF_RANGE'], [2 ** 33, 'ERR_OUT_OF_RANGE'], ['1', 'ERR_INVALID_ARG_TYPE']]) {
    await assert.rejects(guest.listen(0, '127.0.0.1', { readAhead }), { code });
    await assert.rejects(guest.connect(1, '127.0.0.1', { readAhead }), { code });
  }
  await guest.cancel();
  await nothingLives();
});

each('the end of the guest destroys its sockets, and closes their fds', async (drive) => {
  await asyncguest.start({ drive }).cancel();
  const fds = openFds();
  for (const end of ['cancel', 'shutdown']) {
    const guest = asyncguest.start({ drive });
    const [near, far] = await pair(guest);
    const [full] = await pair(guest);
    const server = await guest.listen(0, '127.0.0.1');
    const unasked = await guest.connect(server.port, '127.0.0.1');
    await server.accept();
    const waiting = [
      server.accept().catch((error) => error.code),
      all(near).catch((error) => error.code),
      far[Symbol.asyncIterator]().next().catch((error) => error.code),
      new Promise((resolve) => full.write(Buffer.alloc(8 << 20), (error) => resolve(error.code))),
    ];
    const ends = [near, far, full, unasked].map(closed);
    await guest[end]();
    assert.deepEqual(await Promise.all(waiting), ['GUEST_ECLOSED', 'closed early', 'ERR_STREAM_PREMATURE_CLOSE', 'GUEST_ECLOSED']);
    await Promise.all(ends);
    await assert.rejects(server.accept(), { code: 'GUEST_ECLOSED' });
    assert.equal(server.close(), false);
    near.destroy();
    near.write('x', (error) => assert.equal(error.code, 'ERR_STREAM_DESTROYED'));
    await assert.rejects(guest.connect(1, '127.0.0.1'), { code: 'GUEST_ECLOSED' });
  }
  await nothingLives();
  assert.equal(openFds(), fds);
});

each('the end of the guest inside data', async (drive) => {
  const guest = asyncguest.start({ drive });
  const [near, far] = await pair(guest);
  let calls = 0;
  near.on('data', () => {
    calls++;
    guest.shutdown();
  });
  far.write(Buffer.alloc(1 << 20), () => {});
  await guest.done;
  assert.equal(calls, 1);
  await nothingLives();
});

each('another add-on ends the guest: its sockets go with it', async (drive) => {
  const guest = asyncguest.start({ drive });
  const [near] = await pair(guest);
  const end = closed(near);
  const server = await guest.listen(0, '127.0.0.1');
  require('../lib/exit.js').living().forEach((native) => native.cancel()); // past lib/guest.js
  await assert.rejects(server.accept(), { code: 'GUEST_ECLOSED' });
  await Promise.all([guest.done, end]);
  await nothingLives();
});

each('sockets stay while they are open, and can be collected after that', async (drive) => {
  const guest = asyncguest.start({ drive });
  const refs = [];
  await (async () => {
    for (let i = 0; i < 10; i++) {
      const [near, far] = await pair(guest);
      const received = new Promise((resolve) => near.on('data', (bytes) => near.end() && resolve(String(bytes))));
      refs.push(new WeakRef(near));
      setImmediate(() => {
        collect(); // near is held by nobody
        far.resume().end(`${i}`);
      });
      assert.equal(await received, `${i}`);
      await closed(far);
    }
  })();
  for (let i = 0; i < 20 && refs.some((ref) => ref.deref()); i++) {
    await turn();
    collect();
  }
  assert.ok(refs.filter((ref) => ref.deref()).length <= 2, 'sockets stay in memory');
  await guest.cancel();
});

each('events come in the context that the socket was made in', async (drive) => {
  const guest = asyncguest.start({ drive });
  const storage = new AsyncLocalStorage();
  const [near, far] = await storage.run('made', () => pair(guest));
  const seen = [];
  near.once('data', () => seen.push(storage.getStore()));
  far.on('end', () => seen.push(storage.getStore()));
  storage.run('written', () => far.write('x', () => seen.push(storage.getStore())));
  await until(() => seen.length === 2, 'both are told');
  far.resume();
  near.end();
  await closed(far);
  assert.deepEqual(seen.sort(), ['made', 'made', 'written']);
  await guest.cancel();
});

each('a socket that is always ready leaves the loop its turn', async (drive) => {
  const guest = asyncguest.start({ drive });
  const [near, far] = await pair(guest);
  let rounds = 0;
  far.on('data', (bytes) => far.write(bytes));
  near.on('data', () => rounds++ >= 0 && near.write('x'));
  near.write('x');
  await until(() => rounds > 50, 'timers of Node run beside 50 rounds');
  await guest.cancel();
});

each('pipeline carries an error to both ends', async (drive) => {
  const guest = asyncguest.start({ drive });
  const [near, far] = await pair(guest);
  const upper = new Transform({ transform: (bytes, encoding, done) => done(null, String(bytes).toUpperCase()) });
  near.end('shout');
  await pipeline(far, upper, far);
  assert.equal(String(await all(near)), 'SHOUT');
  const [one, other] = await pair(guest);
  const broken = new Transform({ transform: (bytes, encoding, done) => done(new Error(`no ${bytes}`)) });
  one.write('more');
  const gone = closed(one.resume().on('error', () => {}));
  await assert.rejects(pipeline(other, broken, other), /no more/);
  await gone;
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
