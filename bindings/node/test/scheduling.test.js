'use strict';
// When callbacks run: microtasks between them, contexts, blocked threads, many wakes, saturation, idleness.
const { AsyncLocalStorage } = require('node:async_hooks');
const { asyncguest, assert, each, nothingLives, until } = require('./common.js');

function spin(ms) {
  const end = process.hrtime.bigint() + BigInt(ms * 1e6);
  while (process.hrtime.bigint() < end);
}

const ticksLate = process.versions.deno && 'Deno runs ticks and microtasks after the calls of a thread-safe function, not after each';

each('ticks and microtasks run after each callback of a batch', { skip: ticksLate }, async (drive) => {
  const guest = asyncguest.start({ drive });
  const seen = [];
  for (const name of ['a', 'b', 'c']) {
    guest.setTimer(() => {
      seen.push(name);
      Promise.resolve().then(() => seen.push(`${name} microtask`));
      process.nextTick(() => seen.push(`${name} tick`));
    }, 1);
  }
  spin(5); // so that the three are due together
  await until(() => seen.length === 9, 'nine steps');
  assert.deepEqual(seen, ['a', 'b', 'c'].flatMap((n) => [n, `${n} tick`, `${n} microtask`]));
  await guest.cancel();
});

each('a callback runs in the async context that it was given in', async (drive) => {
  const guest = asyncguest.start({ drive });
  const storage = new AsyncLocalStorage();
  const seen = [];
  storage.run('timer', () => guest.setTimer(() => seen.push(storage.getStore()), 1));
  await storage.run('promise', () => guest.sleep(2).then(() => seen.push(storage.getStore())));
  assert.deepEqual(seen, ['timer', 'promise']);
  assert.equal(storage.getStore(), undefined);
  await guest.cancel();
});

each('a callback that blocks in Atomics.wait delays the rest and loses nothing', async (drive) => {
  const guest = asyncguest.start({ drive });
  const flag = new Int32Array(new SharedArrayBuffer(4));
  let ticks = 0;
  const begin = performance.now();
  guest.setTimer((expirations) => (ticks += expirations), 5, { repeat: 5 });
  guest.setTimer(() => Atomics.wait(flag, 0, 0, 100), 10);
  await guest.sleep(150);
  const periods = (performance.now() - begin) / 5; // others may have had the processor meanwhile
  assert.ok(ticks >= 28 && ticks <= periods, `${ticks} of ${periods} periods`);
  await guest.cancel();
});

each('a thousand wakes of a sleeping loop', async (drive) => {
  const guest = asyncguest.start({ drive });
  let wakes = 0;
  let early = 0;
  for (let i = 0; i < 1000; i++) {
    const begin = process.hrtime.bigint();
    await guest.sleep(0.3);
    const took = Number(process.hrtime.bigint() - begin) / 1e6;
    wakes++;
    early += took < 0.3;
  }
  assert.deepEqual([wakes, early], [1000, 0]);
  await guest.cancel();
  await nothingLives();
});

each('two guests on one thread, one cancelled in mid-run', async (drive) => {
  const first = asyncguest.start({ drive });
  const second = asyncguest.start({ drive });
  let n = 0;
  first.setTimer(() => n++, 0, { repeat: 1 });
  const ticks = second.setTimer(() => {
    if (n > 5) first.cancel();
  }, 0, { repeat: 1 });
  await first.done;
  assert.ok(n > 5);
  await second.sleep(2);
  ticks.close();
  await second.cancel();
  await nothingLives();
});

each('a saturating guest leaves Node its turn', async (drive) => {
  const guest = asyncguest.start({ drive });
  for (let i = 0; i < 200; i++) guest.setTimer(() => spin(0.2), 0, { repeat: 0.01 }); // 40 ms in each round
  await guest.sleep(1);
  const before = guest.stats().events;
  for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve));
  const perTurn = (guest.stats().events - before) / 30;
  // 4 ms of them are 20; counted and not timed, because other processes take their share of the time.
  assert.ok(perTurn >= 1 && perTurn < 45, `${perTurn} callbacks in a turn of Node's loop`);
  await guest.cancel();
});

each('Node\'s own callbacks may use the guest at any time while it sleeps', async (drive) => {
  const guest = asyncguest.start({ drive });
  const slow = guest.setTimer(() => assert.fail('it was closed'), 60000);
  await new Promise((resolve) => setTimeout(resolve, 5));
  for (let i = 0; i < 20; i++) {
    await new Promise((resolve) => setImmediate(resolve)); // outside the guest's callbacks
    await new Promise((resolve) => guest.setTimer(resolve, 0)); // or the minute of the other one is waited for, and it fails
  }
  assert.equal(slow.close(), true);
  assert.equal(slow.close(), false);
  await guest.cancel();
});

each('an idle guest costs nothing', async (drive) => {
  const guest = asyncguest.start({ drive });
  guest.setTimer(() => {}, 60000);
  const figures = () => {
    const { batches, polls, ioWakeups } = guest.stats();
    return [batches, polls, ioWakeups];
  };
  let before, after, used;
  // A thread that stood still goes to sleep late; one that wakes up for nothing never stays asleep.
  for (let spans = 0; spans < 20 && !(spans && used < 250000 && `${after}` === `${before}`); spans++) {
    before = figures();
    const cpu = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { user, system } = process.cpuUsage(cpu);
    used = user + system;
    after = figures();
  }
  assert.deepEqual(after, before);
  assert.ok(used < 250000, `${used} us of CPU in 0.5 s: something spins`);
  await guest.cancel();
});

each('a stuck loop is counted as a stall', async (drive) => {
  const guest = asyncguest.start({ drive, stallAfter: 20 });
  guest.setTimer(() => spin(80), 1);
  await guest.sleep(20);
  await until(() => guest.stats().stalls > 0, 'a stall was counted');
  await guest.cancel();
});
