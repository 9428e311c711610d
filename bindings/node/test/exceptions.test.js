'use strict';
// What a callback throws is 'uncaughtException', as everywhere in Node; the guest goes on.
const { asyncguest, assert, each, program, test } = require('./common.js');
const hazards = require('./hazards.js');

each('an exception goes to uncaughtException, once, and the other callbacks still run', async (drive) => {
  const run = await program(drive, `
    const guest = start();
    process.on('uncaughtException', (error, origin) => console.log(error.message, origin));
    guest.setTimer(() => { throw new Error('one'); }, 1);
    guest.setTimer(() => { Promise.resolve().then(() => console.log('microtask')); throw new Error('two'); }, 1);
    guest.setTimer(() => console.log('three'), 1);
    guest.setTimer(() => guest.cancel(), 5);
    const end = Date.now() + 3; while (Date.now() < end);`);
  assert.equal(run.code, 0, run.err);
  assert.deepEqual(run.out.split('\n'), ['one uncaughtException', 'two uncaughtException', 'microtask', 'three']);
});

each('without a listener the process ends with status 1 and tells where', async (drive) => {
  const run = await program(drive, 'const guest = start(); guest.setTimer(function theCulprit() { null.x; }, 1);');
  assert.equal(run.code, 1);
  assert.match(run.err, /TypeError[^]*theCulprit/);
});

each('a rejection that nobody handles is told as usual', async (drive) => {
  const run = await program(drive, `
    const guest = start();
    process.on('unhandledRejection', (error) => { console.log(error.message); guest.cancel(); });
    guest.setTimer(async () => { throw new Error('lost'); }, 1);`);
  assert.deepEqual([run.code, run.out], [0, 'lost'], run.err);
});

each('a C++ exception of another add-on becomes uncaughtException, and the guest goes on', async (drive) => {
  const run = await program(drive, `
    const hazards = require(${JSON.stringify(hazards.path)});
    const guest = start();
    process.on('uncaughtException', (error) => console.log(error.code, error.message));
    hazards.throwLater(guest.native);
    guest.setTimer(() => { console.log('alive'); guest.cancel(); }, 10);`);
  assert.deepEqual([run.code, run.out], [0, 'ERR_ASYNCGUEST_NATIVE thrown by a native callback\nalive'], run.err);
});

test('an error has the library\'s code, its number and the remedy', async () => {
  const guest = asyncguest.start();
  assert.throws(() => guest.watch(987654, asyncguest.READABLE, () => {}), { code: 'GUEST_EOS', status: -11, errno: -9 });
  await guest.cancel();
});

each('one of a socket, and the socket goes on', async (drive) => {
  const run = await program(drive, `
    const guest = start();
    process.on('uncaughtException', (error) => console.log('uncaught', error.message));
    (async () => {
      const server = await guest.listen();
      const [near, far] = await Promise.all([guest.connect(server.port), server.accept()]);
      near.on('data', (bytes) => {
        console.log(String(bytes));
        if (String(bytes) === 'second') return guest.cancel();
        far.write('second');
        throw new Error('mine');
      });
      far.write('first');
    })();`);
  assert.deepEqual([run.code, run.out], [0, 'first\nuncaught mine\nsecond'], run.err);
});
