'use strict';
// Several environments in one process: each worker has guests of its own, and may be terminated at any instant.
const { Worker } = require('node:worker_threads');
const { asyncguest, assert, each, nothingLives, openFds, root, until } = require('./common.js');

function worker(drive, body) {
  const head = `const asyncguest = require(${JSON.stringify(root)});
    const { parentPort } = require('node:worker_threads');
    const start = () => asyncguest.start({ drive: ${JSON.stringify(drive)} });\n`;
  const thread = new Worker(head + body, { eval: true });
  thread.result = new Promise((resolve, reject) => {
    thread.once('error', reject);
    thread.once('exit', resolve);
  });
  return thread;
}

const busy = `
  const guest = start();
  guest.setTimer(() => {}, 0, { repeat: 0.05 });
  guest.resolve('localhost', 80).catch(() => {});
  guest.sleep(60000).catch(() => {});
  guest.listen().then(async (server) => {
    await guest.connect(server.port);
    parentPort.postMessage('ready');
  }).catch(() => {});
`;

each('workers with guests run side by side and end by themselves', async (drive) => {
  const sums = await Promise.all([1, 2, 3].map(async (n) => {
    const thread = worker(drive, `
      const guest = start();
      let n = 0;
      const timer = guest.setTimer(() => { if (++n === 50) { timer.close(); parentPort.postMessage(n); guest.cancel(); } }, 0, { repeat: 0.2 });`);
    const message = new Promise((resolve) => thread.once('message', resolve));
    assert.equal(await thread.result, 0);
    return (await message) * n;
  }));
  assert.deepEqual(sums, [50, 100, 150]);
  await nothingLives();
});

each('worker.terminate at random instants leaves nothing behind', async (drive) => {
  const own = asyncguest.start({ drive }); // keeps the add-on of this thread busy meanwhile
  const ticking = own.setTimer(() => {}, 0, { repeat: 1 });
  await worker(drive, 'start().cancel();').result; // what the first worker of a process allocates for good
  const before = openFds();
  for (let i = 0; i < 12; i++) {
    const thread = worker(drive, busy);
    if (i % 3 > 0) await new Promise((resolve) => thread.once('message', resolve));
    else await new Promise((resolve) => thread.once('online', resolve));
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
    await thread.terminate();
  }
  await until(() => asyncguest.live().guests === 1, 'all guests but this thread\'s are freed');
  await until(() => openFds() <= before, `${openFds()} fds are open, ${before} were before`);
  ticking.close();
  await own.cancel();
  await nothingLives();
});

const threadStays = process.versions.deno && 'Deno ends such a worker without calling its clean-up hooks: its guest lives on';

each('terminate inside a callback that never returns', { skip: threadStays }, async (drive) => {
  const thread = worker(drive, `
    const guest = start();
    guest.setTimer(() => { parentPort.postMessage('stuck'); for (;;); }, 0);
    guest.setTimer(() => {}, 0, { repeat: 0.1 });`);
  await new Promise((resolve) => thread.once('message', resolve));
  assert.equal(await thread.terminate(), 1);
  await nothingLives();
});

each('process.exit inside a callback ends the worker alone', { skip: threadStays }, async (drive) => {
  const thread = worker(drive, `${busy} guest.setTimer(() => process.exit(5), 3);`);
  assert.equal(await thread.result, 5);
  await nothingLives();
});

each('an exception in a worker\'s callback reaches its parent', { skip: threadStays }, async (drive) => {
  const thread = worker(drive, `${busy} guest.setTimer(() => { throw new RangeError('from the guest'); }, 1);`);
  await assert.rejects(thread.result, { name: 'RangeError', message: 'from the guest' });
  await nothingLives();
});

each('a worker ends while names are being resolved', async (drive) => {
  for (let i = 0; i < 4; i++) {
    const thread = worker(drive, `
      const guest = start();
      for (let i = 0; i < 20; i++) guest.resolve('name-' + i + '.invalid', 80).catch(() => {});
      parentPort.postMessage('asked');`);
    await new Promise((resolve) => thread.once('message', resolve));
    await thread.terminate(); // without waiting for getaddrinfo, which has its time when there is no name server
  }
});
