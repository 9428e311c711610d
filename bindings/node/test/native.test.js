'use strict';
// Other native add-ons on the guest: how they get it, what they may do, how they learn of its end.
const fs = require('node:fs');
const path = require('node:path');
const { asyncguest, assert, each, nothingLives, root, test, until } = require('./common.js');
const paths = require('./hazards.js');

const hazards = require(paths.path);
const { measure } = require(paths.roundtrip);

each('native fd and timer callbacks run on this thread', async (drive) => {
  const guest = asyncguest.start({ drive });
  const report = await new Promise((resolve) => measure(guest.native, 20, 1, resolve));
  assert.ok(report.rounds >= 20);
  assert.ok(report.median > 0 && report.median < 20000, `median ${report.median} us`);
  await guest.cancel();
  await nothingLives();
});

each('an exception that JavaScript throws into native code', async (drive) => {
  const { program } = require('./common.js');
  const run = await program(drive, `
    const { measure } = require(${JSON.stringify(paths.roundtrip)});
    const guest = start();
    process.on('uncaughtException', (error) => { console.log(error.message); guest.cancel(); });
    measure(guest.native, 2, 1, () => { throw new Error('from the callback'); });`);
  assert.deepEqual([run.code, run.out], [0, 'from the callback'], run.err);
});

each('drop functions run once, however the guest ends', async (drive) => {
  for (const end of [(guest) => guest.cancel(), (guest) => guest.shutdown()]) {
    const guest = asyncguest.start({ drive });
    hazards.takeDrops();
    hazards.pending(guest.native);
    hazards.pending(guest.native);
    measure(guest.native, 1000000, 1, () => assert.fail('it cannot be finished'));
    await guest.sleep(3);
    await end(guest);
    assert.equal(hazards.takeDrops(), 2);
    await nothingLives();
  }
});

each('posts from a thread', async (drive) => {
  const guest = asyncguest.start({ drive });
  hazards.takeDrops();
  let drops = 0;
  hazards.postFromThread(guest.native);
  await until(() => (drops += hazards.takeDrops()) === 1000, 'a thousand posts have run');
  await guest.cancel();
});

each('guest.native of something else, or of a guest that has ended', async (drive) => {
  const guest = asyncguest.start({ drive });
  const native = guest.native;
  assert.equal(guest.native, native);
  for (const wrong of [undefined, null, 5, {}, guest, Object.create(native)]) {
    assert.throws(() => hazards.pending(wrong), { name: 'TypeError' });
  }
  await guest.cancel();
  assert.throws(() => hazards.pending(native), { code: 'GUEST_ECLOSED' });
});

test('the table has every function of asyncguest.h, once', () => {
  const all = fs.readFileSync(path.join(root, '..', '..', 'include', 'asyncguest.h'), 'utf8');
  const header = all.replace(/#if defined\(_WIN32\)\n[^]*?(?=#else|#endif)/g, ''); // those that each system has
  const table = fs.readFileSync(path.join(root, 'include', 'asyncguest_node.h'), 'utf8');
  const declared = [...header.matchAll(/^GUEST_API\n[^(]*?\b(guest_\w+)\(/gm)].map((m) => m[1]);
  const listed = [...table.matchAll(/X\((guest_\w+)\)/g)].map((m) => m[1]);
  assert.ok(declared.length > 30, `${declared.length} functions were found in the header`);
  assert.deepEqual(listed.sort(), declared.sort());
});
