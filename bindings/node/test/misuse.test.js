'use strict';
// Every mistake has an error that names it, and leaves the guest working.
const { asyncguest, assert, each, noHandles, nothingLives, test, turn } = require('./common.js');
const { NativeGuest } = require('../lib/native.js');

each('use after the end', async (drive) => {
  const guest = asyncguest.start({ drive });
  const timer = guest.setTimer(() => {}, 1000);
  const server = await guest.listen();
  await guest.cancel();
  const closed = { code: 'GUEST_ECLOSED' };
  assert.throws(() => guest.setTimer(() => {}, 1), { ...closed, message: /has ended: start a new one/ });
  assert.throws(() => guest.watch(0, 1, () => {}), closed);
  assert.throws(() => guest.native, closed);
  assert.throws(() => timer.restart(1), closed);
  await assert.rejects(guest.sleep(1), closed);
  await assert.rejects(guest.resolve('localhost', 1), closed);
  await assert.rejects(guest.connect(1), closed);
  await assert.rejects(server.accept(), /./);
  assert.equal(timer.close(), false);
  guest.ref().unref();
  assert.ok(guest.stats().batches > 0, 'the last figures stay');
  guest.shutdown();
  await guest.cancel();
});

each('what was closed stays closed', async (drive) => {
  const guest = asyncguest.start({ drive });
  const timer = guest.setTimer(() => assert.fail('it was closed'), 0);
  assert.deepEqual([timer.close(), timer.close()], [true, false]);
  assert.throws(() => timer.restart(1), { code: 'GUEST_ESTALE' });
  const once = await new Promise((resolve) => {
    const timer = guest.setTimer(() => setImmediate(resolve, timer), 0);
  });
  assert.equal(once.close(), false);
  await turn();
  await guest.cancel();
});

each('arguments of the wrong kind', async (drive) => {
  const guest = asyncguest.start({ drive });
  const type = { code: 'ERR_INVALID_ARG_TYPE' };
  const range = { code: 'ERR_OUT_OF_RANGE' };
  assert.throws(() => guest.setTimer('text', 1), { ...type, message: /callback must be a function/ });
  assert.throws(() => guest.setTimer(() => {}, '1'), { ...type, message: /delay must be a number of milliseconds/ });
  assert.throws(() => guest.setTimer(() => {}, -1), range);
  assert.throws(() => guest.setTimer(() => {}, NaN), range);
  assert.throws(() => guest.setTimer(() => {}, 1, { repeat: -1 }), range);
  assert.throws(() => guest.watch('0', 1, () => {}), type);
  assert.throws(() => guest.watch(0.5, 1, () => {}), range);
  assert.throws(() => guest.watch(0, 1 << 20, () => {}), { code: 'GUEST_EFLAGS' });
  assert.throws(() => guest.shutdown('soon'), type);
  await assert.rejects(guest.sleep(), type);
  await assert.rejects(guest.resolve('a\0b', 1), { ...type, message: /NUL/ });
  await assert.rejects(guest.resolve(null, null), { code: 'GUEST_EINVAL' });
  await assert.rejects(guest.resolve('localhost', 1, { family: 77 }), range);
  assert.throws(() => asyncguest.start({ drive: 'steam' }), { code: 'ERR_INVALID_ARG_VALUE', message: /'fd' or 'thread'/ });
  assert.throws(() => asyncguest.start({ drive, budget: -1 }), range);
  assert.throws(() => asyncguest.start({ drive, workThreads: 100000 }), range);
  await guest.sleep(Infinity, { signal: AbortSignal.timeout(5) }).catch((error) => assert.equal(error.name, 'TimeoutError'));
  await guest.sleep(1);
  await guest.cancel();
  await nothingLives();
});

test('methods on objects that are no guests', async () => {
  const guest = asyncguest.start();
  const mistaken = { name: 'TypeError', message: /this is not a guest|Illegal invocation/ };
  for (const name of ['addTimer', 'modifyTimer', 'closeSource', 'cancel', 'shutdown', 'keepAlive', 'leave', 'stats', 'native']) {
    for (const self of [{}, guest.native, Object.create(NativeGuest.prototype)]) {
      assert.throws(() => NativeGuest.prototype[name].call(self, 1, 1, () => {}), mistaken, name);
    }
  }
  assert.throws(() => new NativeGuest(), /./);
  assert.throws(() => new NativeGuest({ drive: 1, budget: 0, stallAfter: 0, workThreads: 0, setImmediate }, 'no function'), { name: 'TypeError', message: /onDone must be a function/ });
  await guest.cancel();
  await nothingLives();
});

each('an fd may be watched once, and again when it was closed', { skip: noHandles }, async (drive) => {
  const guest = asyncguest.start({ drive });
  const server = require('node:net').createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const fd = server._handle.fd;
  const watch = guest.watch(fd, 0, () => {});
  assert.throws(() => guest.watch(fd, 0, () => {}), { code: 'GUEST_EEXIST' });
  watch.close();
  guest.watch(fd, 0, () => {}).close();
  server.close();
  await guest.cancel();
});
