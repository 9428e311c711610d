'use strict';
// The process ends at any instant, in every way: the right exit code, at once, and no crash on the way down.
const { assert, each, program } = require('./common.js');

const busy = `
  const guest = start();
  const other = start();
  guest.setTimer(() => {}, 0, { repeat: 0.05 });
  guest.resolve('localhost', 80).catch(() => {});
  other.sleep(60000).catch(() => {});
  (async () => {
    const server = await other.listen();
    const socket = await other.connect(server.port);
    for await (const peer of server) { peer.pipe(peer); socket.pipe(socket); socket.write('x'); }
  })().catch(() => {});
`;

const ways = {
  'process.exit in a callback of the guest': ['guest.setTimer(() => process.exit(7), AT);', 7],
  'process.exit in a timer of Node': ['setTimeout(() => process.exit(7), AT);', 7],
  'an exception in a callback of the guest': ['guest.setTimer(() => { throw new Error("bang"); }, AT);', 1],
  'an exit inside a promise of the guest': ['guest.sleep(AT).then(() => process.exit(7));', 7],
  'an exit with a guest used by an exit listener': [
    'process.on("exit", () => { guest.sleep(1).catch(() => {}); guest.cancel(); }); setTimeout(() => process.exit(7), AT);', 7],
};

// Bun 1.4 reports the exception, and then does not end while promises go on, as those of `busy` do.
if (process.versions.bun) delete ways['an exception in a callback of the guest'];

each('exit at random instants in every way', async (drive) => {
  const runs = [];
  for (const [name, [body, code]] of Object.entries(ways)) {
    for (let i = 0; i < 2; i++) {
      const at = (Math.random() * 15).toFixed(2);
      runs.push(async () => {
        const run = await program(drive, busy + body.replace('AT', at));
        assert.deepEqual([run.code, run.signal], [code, null], `${name} after ${at} ms:\n${run.err}`);
        if (code === 1) assert.match(run.err, /error: bang/i);
      });
    }
  }
  await Promise.all([0, 1].map(async () => {
    while (runs.length > 0) await runs.pop()();
  }));
});

each('an exit listener finds its guest alive, and the end is complete after it', async (drive) => {
  const run = await program(drive, `
    const guest = start();
    process.on('exit', () => {
      console.log(guest.ended, asyncguest.live().guests);
      process.on('exit', () => {});
    });
    guest.setTimer(() => {}, 60000);
    guest.sleep(5).then(() => {
      process.prependListener('exit', () => console.log('first'));
      process.on('exit', () => console.log(asyncguest.live()));
      process.exit();
    });`);
  assert.equal(run.code, 0, run.err);
  assert.equal(run.out.split('\n')[0], 'first');
  assert.match(run.out, /guests: [01]/);
});
