'use strict';
// Garbage collection at any moment, frees in any order, nothing that grows.
const { once } = require('node:events');
const { asyncguest, assert, each, collect, nothingLives, openFds, turn } = require('./common.js');

each('a storm of collections while callbacks run', async (drive) => {
  const guest = asyncguest.start({ drive });
  let ran = 0;
  const storm = guest.setTimer(() => collect(), 0, { repeat: 0.5 });
  for (let i = 0; i < 300; i++) guest.setTimer(() => ran++, Math.random() * 20); // nobody holds them
  for (let i = 0; i < 100; i++) guest.sleep(Math.random() * 20).then(() => ran++);
  await guest.sleep(40);
  assert.equal(ran, 400);
  storm.close();
  await guest.cancel();
  collect();
  await nothingLives();
});

each('a guest that nobody holds goes on until it is cancelled', async (drive) => {
  const ticks = await new Promise((resolve) => {
    let n = 0;
    asyncguest.start({ drive }).setTimer(function tick() {
      collect();
      if (++n === 3) resolve(n);
    }, 0, { repeat: 1 });
    const weak = asyncguest.start({ drive });
    weak.setTimer(() => weak.cancel(), 5);
  });
  assert.equal(ticks, 3);
  assert.equal(asyncguest.live().guests >= 1, true);
  require('../lib/exit.js').living().forEach((native) => native.cancel());
  await nothingLives();
});

each('an ended guest can be collected', async (drive) => {
  const refs = [];
  for (let i = 0; i < 20; i++) {
    const guest = asyncguest.start({ drive });
    guest.setTimer(() => {}, 1000);
    const native = guest.native;
    await guest.cancel();
    refs.push(new WeakRef(guest), new WeakRef(native));
  }
  for (let i = 0; i < 10 && refs.some((ref) => ref.deref()); i++) {
    await turn();
    collect();
  }
  assert.ok(refs.filter((ref) => ref.deref()).length <= 2, 'guests stay in memory');
});

each('starting and ending many guests leaks no fd, no thread and no memory', async (drive) => {
  const cycle = async () => {
    const guest = asyncguest.start({ drive });
    const server = await guest.listen();
    const [socket, peer] = await Promise.all([guest.connect(server.port), server.accept()]);
    socket.write('x');
    await once(peer.resume(), 'data');
    guest.sleep(1000).catch(() => {});
    await guest.cancel(); // with sockets, a server and a timer open
  };
  for (let i = 0; i < 5; i++) await cycle();
  collect();
  await nothingLives();
  const fds = openFds();
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 100; i++) await cycle();
  collect();
  await nothingLives();
  assert.equal(openFds(), fds);
  const grown = (process.memoryUsage().rss - before) / 1024;
  const most = process.env.ASYNCGUEST_NODE_SANITIZE ? 200000 : 20000; // AddressSanitizer keeps what was freed
  assert.ok(grown < most, `100 guests left ${grown.toFixed(0)} KiB`);
});

each('what is freed late is freed', async (drive) => {
  let guest = asyncguest.start({ drive });
  const timer = guest.setTimer(() => {}, 1000);
  const server = await guest.listen();
  const socket = await guest.connect(server.port);
  await guest.cancel();
  guest = null;
  collect();
  await turn();
  assert.deepEqual([timer.close(), server.close(), socket.destroyed], [false, false, true]);
  collect();
});
