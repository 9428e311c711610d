//! What the tests share: a host in miniature, probes for callbacks, children and pipes.
//!
//! [`Loop`] is one thread's main loop: a queue that any thread may fill, an eventfd that wakes it, and
//! poll(2), which also watches the guests in drive FD. [`Toy`] is one guest on a loop, with the
//! faults that its host is told to commit. Everything that must happen on the host thread is
//! checked by thread: a callback, a drop or `done` on another one ends the test program.

// Each test program uses its part of this.
#![allow(dead_code, unused_imports)]

mod channel;
mod host;
mod probe;
mod queue;
mod sync;
mod system;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

pub use asyncguest::clock::{Clock, FOREVER, MILLISECOND};
pub use asyncguest::error::{Error, Result, Status};
pub use asyncguest::ffi::types::{GUEST_HANGUP, GUEST_PRIORITY, GUEST_READABLE, GUEST_WRITABLE};
pub use asyncguest::id::Id;
pub use asyncguest::*;
pub use channel::*;
pub use host::*;
pub use probe::*;
pub use queue::*;
pub use std::cell::{Cell, RefCell};
pub use std::rc::Rc;
pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
pub use std::sync::Arc;
pub use sync::{Condvar, Mutex, MutexGuard};
pub use system::*;
#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;

use std::rc::Weak;
use std::thread::ThreadId;

/// Replaces `Guest::deliver`.
type Deliver = Rc<dyn Fn(&Guest, u64) -> Result<()>>;

/// One guest on a loop.
pub struct Toy {
    pub host: Arc<ToyHost>,
    pub lp: Rc<Loop>,
    pub drive: Drive,
    pub poster: Poster,
    guest: RefCell<Option<Rc<Guest>>>,
    pub instead: RefCell<Option<Deliver>>,
    pub deliveries: Cell<u32>,
    pub stale: Cell<u32>,
}

pub fn options(drive: Drive) -> Options {
    Options { drive, ..Options::default() }
}

/// Options with which nothing is ever taken for slow: for tests that count deliveries or tokens, of which a machine
/// that is busy with other things would earn further ones (a nested turn, a repetition, a second turn when the budget
/// is spent).
pub fn patient(drive: Drive) -> Options {
    Options { batch_budget: FOREVER, nested_after: FOREVER, repost_after: FOREVER, ..options(drive) }
}

/// Options of the pull form, whose batches end when nothing is due any more: a machine that is busy with other things
/// would use a budget up between two calls of a test.
pub fn pull(drive: Drive) -> Options {
    Options { pull: true, batch_budget: FOREVER, ..options(drive) }
}

/// Options with a clock that the test moves.
pub fn manual(drive: Drive) -> (Options, Clock) {
    let clock = Clock::manual(1_000 * SECOND);
    (Options { drive, clock: clock.clone(), ..Options::default() }, clock)
}

impl Toy {
    pub fn start(drive: Drive) -> Rc<Toy> {
        Toy::with(options(drive))
    }

    pub fn with(options: Options) -> Rc<Toy> {
        Toy::on(&Loop::open(), options, false)
    }

    /// `local`: the host has a `post_local` of its own.
    pub fn on(lp: &Rc<Loop>, options: Options, local: bool) -> Rc<Toy> {
        let host = Arc::new(ToyHost::new(lp, local));
        let drive = options.drive;
        let guest = Guest::start(host.clone(), options).unwrap();
        let toy = Rc::new(Toy {
            host,
            lp: lp.clone(),
            drive,
            poster: guest.poster(),
            guest: RefCell::new(Some(Rc::new(guest))),
            instead: RefCell::default(),
            deliveries: Cell::default(),
            stale: Cell::default(),
        });
        lp.add(&toy);
        add_here(&toy);
        toy
    }

    /// Sets `fault` for the next `count` posts, `u32::MAX` for all.
    pub fn fault(&self, fault: Fault, count: u32) {
        self.host.set_fault(fault, count);
    }

    #[track_caller]
    pub fn guest(&self) -> Rc<Guest> {
        self.guest.borrow().clone().expect("the guest is gone")
    }

    #[track_caller]
    pub fn handle(&self) -> Handle {
        self.guest().handle()
    }

    /// What a turn of the main loop does. A guest that is gone is not reached by tokens still queued.
    #[track_caller]
    pub fn deliver(&self, token: u64) {
        let Some(guest) = self.guest.borrow().clone() else { return };
        self.deliveries.set(self.deliveries.get() + 1);
        let instead = self.instead.borrow().clone();
        let result = instead.map_or_else(|| guest.deliver(token), |instead| instead(&guest, token));
        match result {
            Err(e) if e.status == Status::STALE => self.stale.set(self.stale.get() + 1),
            Err(e) if e.status == Status::CLOSED => {}
            result => result.unwrap(),
        }
    }

    /// Lets go of the guest: it ends now, or when the delivery that is on the stack returns.
    pub fn free(&self) {
        let guest = self.guest.borrow_mut().take();
        drop(guest);
    }

    /// Cancels, runs the loop until `done`, and drops the guest.
    #[track_caller]
    pub fn end(&self) {
        self.poster.cancel();
        match self.drive {
            Drive::Run => self.guest().run(10 * SECOND).unwrap(),
            _ => self.run_until(|| self.done() > 0),
        }
        assert_eq!(self.done_status(), Status::OK);
        self.free();
    }

    /// The same without the loop: for tokens that nobody delivers, and batches that nobody takes.
    #[track_caller]
    pub fn shut_down(&self) {
        self.guest().shutdown(10 * SECOND).unwrap();
        assert_eq!(self.done_status(), Status::OK);
        self.free();
    }

    #[track_caller]
    pub fn run_until(&self, holds: impl Fn() -> bool) {
        self.lp.run_until(holds);
    }

    pub fn run_for(&self, nanoseconds: u64) {
        self.lp.run_for(nanoseconds);
    }

    /// Runs the loop until these figures stay, and nothing of the library would wake up by itself, by what the kernel tells:
    /// one that does so once in a minute is found as one that does all the time.
    #[track_caller]
    pub fn rests<T: PartialEq>(&self, figures: impl Fn(&Stats) -> T) {
        eventually(|| {
            let before = figures(&self.stats());
            self.run_for(if cfg!(target_os = "linux") { MS } else { 100 * MS });
            !wakes_by_itself() && figures(&self.stats()) == before
        });
    }

    pub fn done(&self) -> usize {
        self.host.done.lock().unwrap().len()
    }

    /// The status of `done`, which must have come exactly once.
    #[track_caller]
    pub fn done_status(&self) -> Status {
        let done = self.host.done.lock().unwrap().clone();
        assert_eq!(done.len(), 1, "done comes once");
        done[0].0
    }

    pub fn posts(&self) -> u32 {
        self.host.posts.load(Ordering::SeqCst)
    }

    pub fn last_token(&self) -> u64 {
        self.host.last_token.load(Ordering::SeqCst)
    }

    pub fn stats(&self) -> Stats {
        self.poster.stats()
    }

    pub fn state(&self) -> State {
        self.poster.state()
    }

    /// Waits until the I/O thread waits.
    #[track_caller]
    pub fn await_polling(&self) {
        eventually(|| self.state() == State::Polling);
    }
}
