//! What the tests need of every system. Also the leak check.

use super::*;
use std::time::Duration;

pub const MS: u64 = MILLISECOND;
pub const SECOND: u64 = 1_000 * MS;
pub const READABLE: u32 = GUEST_READABLE;
pub const WRITABLE: u32 = GUEST_WRITABLE;

/// One test at a time in this process: signals and the counters of what is alive are shared. At the
/// end nothing of the library may be left alive.
pub struct Alone(#[allow(dead_code)] MutexGuard<'static, ()>);

pub fn alone() -> Alone {
    static ALONE: Mutex<()> = Mutex::new(());
    Alone(ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
}

impl Drop for Alone {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // Threads that wait for abandoned work or children find their way out by themselves.
            eventually_or(|| live() == [0; 5], || panic!("left alive: {:?}", live()));
        }
    }
}

/// Guests, sources, posts, threads and posters that are alive.
pub fn live() -> [u64; 5] {
    use asyncguest::ffi::types::GuestLive;
    let mut live = GuestLive {
        struct_size: std::mem::size_of::<GuestLive>(),
        guests: 0,
        sources: 0,
        posts: 0,
        threads: 0,
        posters: 0,
    };
    // SAFETY: a struct that begins with its size.
    assert_eq!(unsafe { asyncguest::ffi::version::guest_live(&mut live) }, 0);
    [live.guests, live.sources, live.posts, live.threads, live.posters]
}

/// For what gives no event to wait for: asks again every millisecond, for ten seconds at most.
#[track_caller]
pub fn eventually(holds: impl Fn() -> bool) {
    let caller = std::panic::Location::caller();
    eventually_or(holds, || panic!("waited in vain for ten seconds at {caller}"));
}

fn eventually_or(holds: impl Fn() -> bool, otherwise: impl Fn()) {
    let until = monotonic_ns() + 10 * SECOND;
    while !holds() {
        if monotonic_ns() > until {
            return otherwise();
        }
        pass(MS);
    }
}

/// For what a clock tells, on a machine that does other things too: of the tries of ten seconds one is late by less than
/// `limit`, which none is if something rounds. A try returns how late it was.
#[track_caller]
pub fn exact_within(limit: u64, mut late: impl FnMut() -> u64) {
    let (caller, until) = (std::panic::Location::caller(), monotonic_ns() + 10 * SECOND);
    let mut least = late();
    while least >= limit {
        assert!(monotonic_ns() < until, "each time {least} ns late or more, at {caller}");
        least = least.min(late());
    }
}

/// Lets time pass where the test's subject is that nothing happens meanwhile.
pub fn pass(nanoseconds: u64) {
    std::thread::sleep(Duration::from_nanos(nanoseconds));
}

/// Keeps this thread busy, as a callback does that computes.
pub fn spin(nanoseconds: u64) {
    let until = monotonic_ns() + nanoseconds;
    while monotonic_ns() < until {
        std::hint::spin_loop();
    }
}

/// The same numbers in every run (Knuth's MMIX generator).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % bound
    }
}

/// A count that a thread can wait for.
#[derive(Default)]
pub struct Latch {
    count: Mutex<u32>,
    changed: Condvar,
}

impl Latch {
    pub fn new() -> Arc<Latch> {
        Arc::default()
    }

    pub fn open(&self) {
        *self.count.lock().unwrap() += 1;
        self.changed.notify_all();
    }

    pub fn count(&self) -> u32 {
        *self.count.lock().unwrap()
    }

    pub fn wait(&self, count: u32) {
        let guard = self.count.lock().unwrap();
        let waited = self.changed.wait_timeout_while(guard, Duration::from_secs(10), |now| *now < count);
        assert!(!waited.unwrap().1.timed_out(), "a latch stayed shut");
    }
}

pub fn query(node: Option<&str>, service: Option<&str>) -> Query {
    let name = |name: Option<&str>| name.map(|name| std::ffi::CString::new(name).unwrap());
    Query { node: name(node), service: name(service), family: 0, socktype: SOCK_STREAM, flags: 0 }
}
