//! L5. The structs, callback types and flags of the C header.
//!
//! Owns: their layout, which is the ABI. Fields are only ever added at the end, and `struct_size`
//! tells which of them the caller has. `guest_address_t` is [`Address`] itself. Nothing here runs.

use std::ffi::c_void;

use super::boundary::ForeignGuest;
use crate::guest::Address;

/// Status code: `GUEST_OK` (0) or one of the negative `GUEST_E...` codes.
pub type GuestStatus = i32;
/// Names one registered source of one guest: slot and generation. 0 names none; an id that was
/// closed is refused with `GUEST_ESTALE`, it never hits another source.
pub type GuestId = u64;
/// Names one posted batch. It is a name and not a baton: delivering it twice, late or never loses
/// nothing.
pub type GuestToken = u64;

/// Return this from `post` when the host is gone for good; the run then ends.
pub const GUEST_HOST_GONE: i32 = -1000;
/// A duration or deadline that never comes; a timer with this delay is registered but not armed.
pub const GUEST_FOREVER: u64 = 0xFFFF_FFFF_FFFF_FFFF;

/// The guest waits on an I/O thread of its own and posts tokens to the host.
pub const GUEST_DRIVE_THREAD: u32 = 0;
/// No thread: the host watches `guest_fd` for readability and then delivers token 0.
pub const GUEST_DRIVE_FD: u32 = 1;
/// No host loop at all: `guest_run` waits on the caller's thread. For tests and tools.
pub const GUEST_DRIVE_RUN: u32 = 2;

/// Option flag: batches are taken as arrays of events (`guest_batch_begin`, `guest_batch_next`,
/// `guest_batch_end`) instead of by callbacks; callbacks may then be NULL and are never called.
pub const GUEST_FLAG_PULL: u32 = 1;
/// Option flag: in GUEST_DRIVE_FD the host watches the fd level-triggered, as poll, select and most toolkits do, so that
/// a delivery or batch that leaves something ready needs no look at its end, which would tell one that waits for an edge.
pub const GUEST_FLAG_LEVEL: u32 = 2;

/// fd: reading will not block, or reports the end of the stream.
pub const GUEST_READABLE: u32 = 1;
/// fd: writing will not block.
pub const GUEST_WRITABLE: u32 = 2;
/// fd: there is urgent data (TCP out-of-band, a sysfs attribute that changed).
pub const GUEST_PRIORITY: u32 = 4;
/// fd, reported only: an error is pending; read it with SO_ERROR or from the next read or write.
pub const GUEST_ERROR: u32 = 8;
/// fd, reported only: the other end has hung up; what it sent before can still be read.
pub const GUEST_HANGUP: u32 = 16;

/// State: not waiting; between two deliveries of a drive without a thread, or just started.
pub const GUEST_STATE_IDLE: u32 = 0;
/// State: the I/O thread waits for something to become ready.
pub const GUEST_STATE_POLLING: u32 = 1;
/// State: a token is on its way to the host thread.
pub const GUEST_STATE_POSTED: u32 = 2;
/// State: the host thread is inside a delivery.
pub const GUEST_STATE_DELIVERING: u32 = 3;
/// State: `done` has been called; only `guest_free` is left.
pub const GUEST_STATE_ENDED: u32 = 4;

/// Kind of an event in the pull form: an fd is ready. `flags`: the readiness bits.
pub const GUEST_EVENT_FD: u32 = 1;
/// A timer expired. `value`: how many periods have passed, 1 or more.
pub const GUEST_EVENT_TIMER: u32 = 2;
/// A post arrived. `id` is 0; `user_data` is the post's.
pub const GUEST_EVENT_POST: u32 = 3;
/// A signal arrived. `value`: how often since the last event; `flags`: the signal's number.
pub const GUEST_EVENT_SIGNAL: u32 = 4;
/// A child process ended. `value`: its exit code, -1 if a signal killed it, or GUEST_EXIT_UNKNOWN;
/// `flags`: the signal that killed it, or 0.
pub const GUEST_EVENT_CHILD: u32 = 5;
/// A piece of work is finished.
pub const GUEST_EVENT_WORK: u32 = 6;
/// A name was resolved. `value`: the number of addresses at `data`, or the negated getaddrinfo error.
pub const GUEST_EVENT_RESOLVE: u32 = 7;

/// on_stall: a token has not been delivered, or the fd has not been served, for that long; the host's
/// loop does not run.
pub const GUEST_STALL_UNDELIVERED: u32 = 1;
/// on_stall: one delivery has lasted, or one batch has been open, for that long; a callback does not
/// return. Time in `guest_batch_wait` does not count.
pub const GUEST_STALL_DELIVERING: u32 = 2;

/// The exit code of a child that somebody else has reaped first.
pub const GUEST_EXIT_UNKNOWN: i32 = -2;

/// Releases `user_data`. Runs exactly once for each registration that succeeded, on the host thread
/// inside `guest_deliver_batch`, `guest_batch_next`, `guest_batch_wait`, `guest_batch_end`, `guest_run`,
/// `guest_shutdown` or `guest_free`, never while the callback itself is running. It must not throw.
pub type GuestDropFn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;
/// An fd is ready. `events`: GUEST_READABLE and its sisters.
pub type GuestFdFn = Option<
    unsafe extern "C-unwind" fn(g: *mut ForeignGuest, id: GuestId, events: u32, user_data: *mut c_void),
>;
/// A timer expired. `expirations`: how many periods have passed, 1 for a timer that is on time.
pub type GuestTimerFn = Option<
    unsafe extern "C-unwind" fn(g: *mut ForeignGuest, id: GuestId, expirations: u64, user_data: *mut c_void),
>;
/// A post arrived on the host thread.
pub type GuestPostFn = Option<unsafe extern "C-unwind" fn(g: *mut ForeignGuest, user_data: *mut c_void)>;
/// A signal arrived. `count`: how often since the last call; the system merges equal signals that
/// are pending.
pub type GuestSignalFn = Option<
    unsafe extern "C-unwind" fn(
        g: *mut ForeignGuest,
        id: GuestId,
        signum: i32,
        count: u32,
        user_data: *mut c_void,
    ),
>;
/// A child ended. `exit_code`: 0 to 255, -1 if a signal killed it, GUEST_EXIT_UNKNOWN if somebody
/// else reaped it; `term_signal`: that signal, else 0.
pub type GuestChildFn = Option<
    unsafe extern "C-unwind" fn(
        g: *mut ForeignGuest,
        id: GuestId,
        exit_code: i32,
        term_signal: i32,
        user_data: *mut c_void,
    ),
>;
/// The work itself. Runs on a thread of the pool: the only callback that does. It must not throw.
pub type GuestWorkFn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;
/// The work is finished; runs on the host thread.
pub type GuestWorkDoneFn =
    Option<unsafe extern "C-unwind" fn(g: *mut ForeignGuest, id: GuestId, user_data: *mut c_void)>;
/// A name was resolved. `status`: GUEST_OK, or GUEST_ERESOLVE and `gai_error` holds getaddrinfo's
/// code (EAI_NONAME, ...). `addresses`: `count` of them, valid during the call.
pub type GuestResolveFn = Option<
    unsafe extern "C-unwind" fn(
        g: *mut ForeignGuest,
        id: GuestId,
        status: GuestStatus,
        gai_error: i32,
        addresses: *const Address,
        count: usize,
        user_data: *mut c_void,
    ),
>;

/// The host: how the guest reaches the program's main loop. The struct is copied by `guest_start`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GuestHost {
    /// Set to `sizeof(guest_host_t)`.
    pub struct_size: usize,
    /// Handed to each function below; must stay valid until `guest_free` returns, and until a `post`
    /// that `guest_free` had to leave behind returns.
    pub data: *mut c_void,
    /// Make the host thread call `guest_deliver_batch(g, token)` soon. Called from the I/O thread and
    /// sometimes from the host thread: it must be thread-safe, must not block and must not call
    /// the guest. Return 0; negative to be asked again later; GUEST_HOST_GONE if the host is gone.
    /// Required in GUEST_DRIVE_THREAD, unused in the other drives.
    pub post: Option<unsafe extern "C" fn(data: *mut c_void, token: GuestToken) -> i32>,
    /// The same, called on the host thread only, where the host has a cheaper way. May be NULL.
    pub post_local: Option<unsafe extern "C" fn(data: *mut c_void, token: GuestToken) -> i32>,
    /// The guest has ended: nothing of it runs after this. Called once, on the host thread, after
    /// the last drop function. It may call `guest_free`. May be NULL.
    pub done: Option<unsafe extern "C" fn(data: *mut c_void, status: GuestStatus)>,
    /// The host is stuck, and has been for `nanoseconds`. Called *on the thread that watches* (see
    /// `stall_after`), once for each stall, while it lasts. May be NULL.
    pub on_stall: Option<unsafe extern "C" fn(data: *mut c_void, kind: u32, nanoseconds: u64)>,
}

/// How the guest shall behave. Zero the struct, set `struct_size`, then the fields that you want;
/// a zero means the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GuestOptions {
    /// Set to `sizeof(guest_options_t)`.
    pub struct_size: usize,
    /// GUEST_DRIVE_THREAD (default), GUEST_DRIVE_FD or GUEST_DRIVE_RUN.
    pub drive: u32,
    /// GUEST_FLAG_ values.
    pub flags: u32,
    /// Nanoseconds that one delivery may last before the host gets its turn; default 4 ms.
    pub batch_budget: u64,
    /// Nanoseconds after which a delivery that has not returned is taken for a nested host loop
    /// (a modal dialog), which then gets deliveries of its own; default 10 ms.
    pub nested_after: u64,
    /// Nanoseconds after which an undelivered token is posted again, at first; default 250 ms.
    pub repost_after: u64,
    /// Nanoseconds after which `on_stall` reports a host that is stuck; default: never. In
    /// GUEST_DRIVE_THREAD the I/O thread watches, in GUEST_DRIVE_FD a thread "asyncguest-watch" that is
    /// started for this; GUEST_DRIVE_RUN has no host.
    pub stall_after: u64,
    /// Threads for `guest_work` and `guest_resolve`, started as needed; default 4, at most 1024.
    pub work_threads: u32,
    /// Must be 0.
    pub reserved: u32,
}

/// One event of the pull form.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GuestEvent {
    /// The source, or 0 for a post.
    pub id: GuestId,
    /// GUEST_EVENT_FD and its sisters.
    pub kind: u32,
    /// By kind: readiness bits, signal number, term signal.
    pub flags: u32,
    /// By kind: expirations, count, exit code, number of addresses.
    pub value: i64,
    /// By kind: `const guest_address_t *`, valid until the next `guest_batch_next` or
    /// `guest_batch_end`; else NULL.
    pub data: *const c_void,
    /// What was registered with the source.
    pub user_data: *mut c_void,
}

/// guest_stats_t: the library has no thread that waits, as in GUEST_DRIVE_RUN and mostly in GUEST_DRIVE_FD.
pub const GUEST_LATCH_NONE: u32 = 0;
/// It sleeps on the poller's own handle and takes nothing from it.
pub const GUEST_LATCH_HANDLE: u32 = 1;
/// On a Windows whose completion ports cannot be waited for: it takes what arrives, unread, for the host thread.
pub const GUEST_LATCH_INBOX: u32 = 2;

/// Number of buckets in a histogram: bucket i counts durations from 2^i up to 2^(i+1) - 1 ns; the
/// first also counts 0, the last everything longer.
pub const GUEST_HISTOGRAM_BUCKETS: usize = 40;

/// What a guest has done so far. Counters only grow; `live_` fields are the present number.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GuestStats {
    /// Set to `sizeof(guest_stats_t)` before the call.
    pub struct_size: usize,
    /// Deliveries that were let in, empty ones included.
    pub batches: u64,
    /// Events handed out, and deadlines of guest_deadline that have come.
    pub events: u64,
    /// Tokens posted to the host, without repetitions.
    pub tokens: u64,
    /// Tokens posted again because they were not delivered in time, or because `post` failed.
    pub reposts: u64,
    /// Calls of `post` that failed.
    pub post_failures: u64,
    /// Deliveries refused because their token was old, doubled or foreign.
    pub stale_tokens: u64,
    /// Deliveries refused because `post` or `post_local` ran them inline.
    pub inlined_tokens: u64,
    /// Deliveries that ended because their budget was spent.
    pub budget_spent: u64,
    /// Deliveries that began inside a callback of another one.
    pub nested: u64,
    /// Looks at the operating system on the host thread.
    pub polls: u64,
    /// Stalls reported or, without `on_stall`, noticed.
    pub stalls: u64,
    /// Wake-ups of the I/O thread, or of the thread that watches in drive FD.
    pub io_wakeups: u64,
    /// Registered sources.
    pub live_sources: u64,
    /// Posts accepted that have not run yet.
    pub live_posts: u64,
    /// Time from posting a token to its delivery.
    pub delivery_latency: [u64; GUEST_HISTOGRAM_BUCKETS],
    /// Time that one delivery lasted.
    pub delivery_duration: [u64; GUEST_HISTOGRAM_BUCKETS],
    /// What the library's thread sleeps on: GUEST_LATCH_NONE and its sisters.
    pub latch: u64,
    /// Bytes that were read ahead while the host was away: see `read_ahead` of guest_stream_options_t.
    pub read_ahead: u64,
}

/// Everything of this library that is alive in the process. All zero when every guest is freed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GuestLive {
    /// Set to `sizeof(guest_live_t)` before the call.
    pub struct_size: usize,
    /// Guests started and not freed.
    pub guests: u64,
    /// Registered sources of all guests, and those closed whose drop function has not run yet.
    pub sources: u64,
    /// Posts that a delivery has taken up and that have neither run nor been dropped. (Those that still
    /// wait belong to a guest that is alive: see `live_posts` of its statistics.)
    pub posts: u64,
    /// I/O threads, pool threads and child waiters.
    pub threads: u64,
    /// `guest_poster_t` not freed.
    pub posters: u64,
}
