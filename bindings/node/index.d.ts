// asyncguest: a guest in Node's own loop. Times are milliseconds, fractions allowed, of the monotonic clock;
// nothing happens early. Everything is called on the thread that started the guest, and calls back there.
// Errors have a `code`: the library's ("GUEST_ECLOSED", ...), Node's ("ERR_INVALID_ARG_TYPE"), or the system's
// ("ECONNREFUSED").

/// <reference types="node" />
import type { Duplex } from 'node:stream';

export interface StartOptions {
  /**
   * How the guest gets its turns. 'fd' (default but on Windows, in Bun and in Deno): libuv watches one fd of the guest's, no thread.
   * 'thread': an I/O thread of the guest's calls a thread-safe function; nothing but Node-API is used.
   */
  drive?: 'fd' | 'thread';
  /** With drive 'fd', how long callbacks run before Node's loop has its turn. Default 4. */
  budget?: number;
  /** Counts in `stats().stalls` each time that the loop does not serve the guest for so long. Default: never. */
  stallAfter?: number;
  /** Threads for `resolve` and for native code's work, started as needed. Default 4. */
  workThreads?: number;
}

export interface Abortable {
  /** Rejects the promise with the signal's reason when it aborts, and takes back what was registered. */
  signal?: AbortSignal;
}

export interface Address {
  address: string;
  port: number;
  family: 4 | 6;
}

/** A timer. It need not be held: it goes on until it is closed or its guest ends. */
export interface Timer {
  /** Arms it anew, whether it has fired or not yet. `repeat` as in setTimer. */
  restart(delay: number, options?: { repeat?: number }): void;
  /** Whether it was open. From here on its callback does not run. */
  close(): boolean;
}

/** A watched fd. */
export interface Watch {
  /** What to watch it for from now on; 0 pauses it. */
  modify(events: number): void;
  /** Whether it was open. Close it before the fd. */
  close(): boolean;
}

export interface SocketOptions {
  /** As in node:net: false (default) ends the writing side when the other one has ended; true leaves that to end(). */
  allowHalfOpen?: boolean;
  /**
   * Bytes that may be read, with drive 'thread', while somebody reads and JavaScript is busy, so that the peer can go on.
   * Default 0, at most 4294967295.
   */
  readAhead?: number;
}

/**
 * A connection, as node:stream has them: write and end, 'data' and 'end', pipe, for await, destroy. It reads while
 * somebody does, and write() says false when the peer takes less than is written. An 'error' has the system's `code`
 * (ECONNRESET, EPIPE, ...). The end of its guest destroys it, without an 'error'.
 */
export interface Socket extends Duplex {
  /** The names of both ends, and what has passed; undefined when it has ended. */
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly bytesRead: number | undefined;
  readonly bytesWritten: number | undefined;
}

/**
 * A listening socket. Of the connections that come while nobody waits for one, the first is kept, unread, and the next ones
 * stay in the system, up to the `backlog`.
 */
export interface Server extends AsyncIterable<Socket> {
  readonly address: string;
  readonly port: number;
  /** The next connection. An error (EMFILE, ...) says that none can be accepted just now: it goes on when one can. */
  accept(options?: Abortable): Promise<Socket>;
  close(): boolean;
}

export interface Stats {
  batches: number;
  events: number;
  tokens: number;
  reposts: number;
  postFailures: number;
  staleTokens: number;
  inlinedTokens: number;
  budgetSpent: number;
  nested: number;
  polls: number;
  stalls: number;
  ioWakeups: number;
  liveSources: number;
  livePosts: number;
  /** Bytes that were read ahead: see SocketOptions. */
  readAhead: number;
  /** Bucket i counts durations from 2^i up to 2^(i+1) - 1 ns. */
  deliveryLatency: number[];
  deliveryDuration: number[];
}

export interface Guest {
  /** Resolves when the guest has ended: nothing of it runs after that. */
  readonly done: Promise<void>;
  readonly ended: boolean;
  /** For another native add-on: asyncguest_node_get of include/asyncguest_node.h takes it. */
  readonly native: object;

  /**
   * Calls back after `delay`, then every `repeat` if that is given. A late repeating timer keeps its grid:
   * `expirations` tells how many periods have passed.
   */
  setTimer(callback: (expirations: number) => void, delay: number, options?: { repeat?: number }): Timer;
  /** Resolves after `delay`; rejected with GUEST_ECLOSED if the guest ends first. */
  sleep(delay: number, options?: Abortable): Promise<void>;
  /**
   * Calls back as long as `fd` is ready for `events` (READABLE | WRITABLE | PRIORITY; 0 for later). The callback
   * gets the bits, ERROR and HANGUP among them. The fd is borrowed, and should be non-blocking.
   */
  watch(fd: number, events: number, callback: (events: number) => void): Watch;
  /** Looks a name up on the guest's pool. `port`: a number or a name such as 'http'. */
  resolve(host: string | null, port?: number | string | null,
    options?: { family?: 0 | 4 | 6 } & Abortable): Promise<Address[]>;
  /** Connects to the first address of `host` (default 'localhost') that answers: each has 250 ms before the next is tried, too. */
  connect(port: number | string, host?: string, options?: { family?: 0 | 4 | 6 } & SocketOptions & Abortable): Promise<Socket>;
  /** Listens on the first address of `host` (default 'localhost'); port 0 (default) takes a free one. */
  listen(port?: number | string, host?: string, options?: { family?: 0 | 4 | 6; backlog?: number } & SocketOptions): Promise<Server>;

  /** Asks the guest to end, with whatever it has open. May be repeated. Returns `done`. */
  cancel(): Promise<void>;
  /**
   * Ends it inside this call (inside a callback: when that has returned). Waits at most `timeout` (default 1000)
   * for native work that is running, and throws GUEST_ETIMEDOUT if that goes on. Returns `done`.
   */
  shutdown(timeout?: number): Promise<void>;
  /** The process lives as long as the guest (the state at the start), */
  ref(): this;
  /** or does not wait for it: then the guest is ended at 'exit'. */
  unref(): this;
  /** Counters and histograms; after the end, the last ones. */
  stats(): Stats;
}

/** What of the native library is alive in the process, all environments together; all 0 when all is freed. */
export interface Live {
  guests: number;
  sources: number;
  posts: number;
  threads: number;
  posters: number;
}

/** Starts a guest in the loop of the calling thread: the main one, or a worker's. Several may live there. */
export function start(options?: StartOptions): Guest;
export function live(): Live;
/** The version of the native library. */
export const version: string;
/** The directory of asyncguest_node.h and asyncguest.h. */
export const includeDir: string;
export const READABLE: 1;
export const WRITABLE: 2;
export const PRIORITY: 4;
export const ERROR: 8;
export const HANGUP: 16;
