'use strict';
// For embed: a guest in each drive, alone, in a dialog that GLib's code opens, and in one that a callback of its own
// opens. A line for each; every wait is for an event, with ten seconds as the limit.
const { start } = require('../..');

const LIMIT = 10000;
const soon = (f) => new Promise((resolve, reject) => host.soon(() => { try { resolve(f()); } catch (error) { reject(error); } }));

function check(good, what) {
  console.log(`${good ? 'ok' : 'FAILED'}: ${what}`);
  if (!good) host.end(1);
}

async function scenario(drive) {
  const guest = start({ drive });
  let ticks = 0;
  let onTick = () => {};
  guest.setTimer(() => { ticks++; onTick(); }, 1, { repeat: 1 });
  const after = (count, f) => {
    const goal = ticks + count;
    onTick = () => { if (ticks >= goal) { onTick = () => {}; f(); } };
  };

  await new Promise((resolve) => after(5, resolve));
  check(true, `${drive}: ticks in GLib's loop`);

  const closed = await soon(() => { after(5, host.close); return host.dialog(LIMIT); });
  check(closed, `${drive}: ticks during a dialog that GLib's code opens`);

  // Inside uv_run, which cannot run again: in Electron as well, Node and its guests rest until the callback returns.
  let during = -1;
  await new Promise((resolve) => after(1, () => {
    const before = ticks;
    host.soon(host.close);
    host.dialog(LIMIT);
    during = ticks - before;
    resolve();
  }));
  await new Promise((resolve) => after(5, resolve));
  check(during === 0, `${drive}: rests during a dialog that its own callback opens, and goes on after it`);

  const server = await guest.listen(0, '127.0.0.1');
  const [near, far] = await Promise.all([guest.connect(server.port, '127.0.0.1'), server.accept()]);
  await near.write('data');
  check(String(await far.read()) === 'data', `${drive}: sockets`);
  await guest.cancel();
  check(guest.ended, `${drive}: the end`);
}

(async () => {
  console.log(`Node ${process.version}`);
  await scenario('fd');
  await scenario('thread');
  start(); // one that lives at the end of the program
  host.end(0);
})().catch((error) => {
  console.error(error);
  host.end(1);
});
