// Checked by tsc alone: what the types allow, and what they refuse.
import * as asyncguest from 'asyncguest';
import { start, type Guest, type Socket, type Stats } from 'asyncguest';

const guest: Guest = start({ drive: 'fd', budget: 4, stallAfter: 100, workThreads: 2 }).unref().ref();

export async function main(): Promise<number> {
  const timer = guest.setTimer((expirations: number) => console.log(expirations), 10, { repeat: 1.5 });
  timer.restart(5, { repeat: 2 });
  const closed: boolean = timer.close();
  await guest.sleep(1, { signal: AbortSignal.timeout(10) });
  const watch = guest.watch(0, asyncguest.READABLE | asyncguest.WRITABLE, (events) => watch.modify(events));
  const [first] = await guest.resolve('localhost', 'http', { family: 4 });
  const socket: Socket = await guest.connect(first!.port, first!.address, { readAhead: 65536 });
  const room: boolean = socket.write('text', (error) => console.log(error?.message));
  socket.on('data', (bytes: Buffer) => socket.end(bytes)).on('error', (error: Error) => console.log(error));
  for await (const peer of await guest.listen(0, 'localhost', { allowHalfOpen: true, backlog: 1, readAhead: 1 })) {
    peer.pipe(peer);
    break;
  }
  const stats: Stats = guest.stats();
  await guest.cancel();
  await guest.shutdown(10);
  await guest.done;

  // @ts-expect-error there is no such drive
  start({ drive: 'steam' });
  // @ts-expect-error a number of bytes
  guest.listen(0, 'localhost', { readAhead: true });
  // @ts-expect-error a callback is needed
  guest.setTimer(5);
  // @ts-expect-error the port is undefined when the connection has ended
  const port: number = socket.remotePort;
  // @ts-expect-error it is read-only
  guest.ended = true;
  return stats.events + port + Number(closed) + Number(room) + asyncguest.live().guests;
}
