'use strict';
// The process lives exactly as long as its guests, unless they are unref'ed.
const { asyncguest, assert, each, program, nothingLives, turn } = require('./common.js');

each('a guest keeps the process alive until it is cancelled', async (drive) => {
  const run = await program(drive, `
    const guest = start();
    guest.setTimer(() => { console.log('still here'); guest.cancel(); }, 60);
    process.on('exit', () => console.log('exit', guest.ended));`);
  assert.deepEqual([run.code, run.out], [0, 'still here\nexit true'], run.err);
});

each('a guest with nothing to do keeps the process alive, too', async (drive) => {
  const run = await program(drive, `
    const guest = start();
    setTimeout(() => { console.log('alive'); guest.cancel(); }, 60).unref();`);
  assert.deepEqual([run.code, run.out], [0, 'alive'], run.err);
});

each('an unref\'ed guest does not, and is ended at exit', async (drive) => {
  const run = await program(drive, `
    const guest = start().unref();
    guest.setTimer(() => console.log('never'), 60000);
    process.on('exit', () => setImmediate(() => {}));
    process.on('beforeExit', () => console.log('before exit', asyncguest.live().guests));`);
  assert.deepEqual([run.code, run.out], [0, 'before exit 1'], run.err);
});

each('ref after unref keeps it again', async (drive) => {
  const run = await program(drive, `
    const guest = start().unref().ref();
    setTimeout(() => { console.log('alive'); guest.cancel(); }, 60).unref();`);
  assert.deepEqual([run.code, run.out], [0, 'alive'], run.err);
});

each('an unref\'ed guest works while something else keeps the process', async (drive) => {
  const guest = asyncguest.start({ drive }).unref();
  const keep = setTimeout(() => {}, 10000);
  await guest.sleep(5);
  await guest.cancel();
  await nothingLives();
  clearTimeout(keep);
});

each('done comes once, after everything else, and cancel may be repeated', async (drive) => {
  const guest = asyncguest.start({ drive });
  const seen = [];
  guest.setTimer(() => seen.push('too late'), 20);
  guest.done.then(() => seen.push('done'));
  const pending = guest.sleep(1000).catch((error) => seen.push(error.code));
  const first = guest.cancel();
  assert.equal(guest.cancel(), first);
  guest.cancel();
  await first;
  await pending;
  guest.cancel();
  guest.shutdown();
  await guest.cancel();
  assert.deepEqual(seen.sort(), ['GUEST_ECLOSED', 'done']);
  assert.equal(guest.ended, true);
  await nothingLives();
});

each('shutdown ends it here and now', async (drive) => {
  const guest = asyncguest.start({ drive });
  guest.setTimer(() => assert.fail('a timer ran after the end'), 0);
  guest.shutdown();
  assert.equal(guest.ended, true);
  assert.equal(asyncguest.live().guests, 0);
  await guest.done;
});

each('shutdown inside a callback ends it when the callback has returned', async (drive) => {
  const guest = asyncguest.start({ drive });
  const seen = [];
  guest.setTimer(() => {
    guest.shutdown().then(() => seen.push('done'));
    seen.push(guest.ended);
  }, 1);
  guest.setTimer(() => seen.push('too late'), 1);
  await guest.done;
  await turn();
  assert.deepEqual(seen, [false, 'done']);
  const other = asyncguest.start({ drive });
  await other.sleep(1); // what follows runs inside the timer's callback
  await other.shutdown();
  await nothingLives();
});

each('a guest may be started and ended inside a callback of another', async (drive) => {
  const outer = asyncguest.start({ drive });
  await new Promise((resolve) => outer.setTimer(() => {
    const inner = asyncguest.start({ drive });
    inner.setTimer(() => assert.fail('it has ended'), 0);
    inner.shutdown();
    const other = asyncguest.start({ drive });
    other.setTimer(() => outer.cancel(), 1);
    outer.done.then(() => other.cancel()).then(resolve);
  }, 1));
  await nothingLives();
});
