//! What the tests share: a host in miniature, probes for callbacks, children and pipes.
//!
//! [`Loop`] is one thread's main loop: a queue that any thread may fill, an eventfd that wakes it, and
//! poll(2), which also watches the guests in drive FD. [`Toy`] is one guest on a loop, with the
//! faults that its host is told to commit. Everything that must happen on the host thread is
//! checked by thread: a callback, a drop or `done` on another one ends the test program.

// Each test program uses its part of this.
#![allow(dead_code, unused_imports)]

mod probe;
mod system;

pub use asyncguest::clock::{Clock, FOREVER, MILLISECOND};
pub use asyncguest::error::{Error, Result, Status};
pub use asyncguest::ffi::types::{GUEST_HANGUP, GUEST_PRIORITY, GUEST_READABLE, GUEST_WRITABLE};
pub use asyncguest::id::Id;
pub use asyncguest::*;
pub use probe::*;
pub use std::cell::{Cell, RefCell};
pub use std::rc::Rc;
pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
pub use std::sync::{Arc, Mutex};
pub use system::*;

use std::collections::VecDeque;
use std::rc::Weak;
use std::thread::ThreadId;

/// What `post` and `post_local` do with a token instead of queueing it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Fault {
    Drop,
    Double,
    /// Queue it for 20 ms later.
    Delay,
    /// Queue it in front of everything else.
    Reorder,
    /// Deliver it here and now, inside the call. On the I/O thread the compiler forbids that: it is lost there.
    Inline,
    Fail,
    Gone,
    /// Hang until `unblock` is opened.
    Block,
    /// Any of the first five, by a fixed sequence.
    Chaos,
}

struct Item {
    due: u64,
    what: What,
}

enum What {
    Token(u64, u64),
    Call(Box<dyn FnOnce() + Send>),
}

/// The half of a loop that any thread may fill.
pub struct Inbox {
    items: Mutex<VecDeque<Item>>,
    wake: Wakeup,
}

impl Inbox {
    fn push(&self, due: u64, what: What, in_front: bool) {
        let item = Item { due, what };
        let mut items = self.items.lock().unwrap();
        match in_front {
            true => items.push_front(item),
            false => items.push_back(item),
        }
        drop(items);
        self.wake.set();
    }

    /// Runs `f` on the loop's thread, in its turn.
    pub fn call(&self, f: impl FnOnce() + Send + 'static) {
        self.push(0, What::Call(Box::new(f)), false);
    }

    /// The first item that is due, or when the next one will be.
    fn pop(&self) -> std::result::Result<What, u64> {
        let now = monotonic_ns();
        let mut items = self.items.lock().unwrap();
        match items.iter().position(|item| item.due <= now) {
            Some(index) => Ok(items.remove(index).unwrap().what),
            None => Err(items.iter().map(|item| item.due).min().unwrap_or(FOREVER)),
        }
    }
}

/// One thread's main loop.
pub struct Loop {
    pub inbox: Arc<Inbox>,
    toys: RefCell<Vec<Weak<Toy>>>,
}

impl Loop {
    pub fn open() -> Rc<Loop> {
        let inbox = Inbox { items: Mutex::default(), wake: Wakeup::new() };
        Rc::new(Loop { inbox: Arc::new(inbox), toys: RefCell::default() })
    }

    /// Runs one item and the guests that are due, waiting until `until` at most.
    pub fn step(&self, until: u64) {
        self.inbox.wake.clear();
        let popped = self.inbox.pop();
        let watched = |toy: &Rc<Toy>| toy.drive == Drive::Fd && toy.guest.borrow().is_some();
        let toys: Vec<_> = self.toys().into_iter().filter(watched).collect();
        let fds =
            std::iter::once(self.inbox.wake.fd()).chain(toys.iter().map(|toy| toy.guest().fd().unwrap()));
        let now = monotonic_ns();
        let wait = popped.as_ref().map_or_else(|next| until.min(*next).saturating_sub(now), |_| 0);
        let ready = poll_fds(&fds.collect::<Vec<_>>(), wait);
        match popped {
            Ok(What::Call(f)) => f(),
            Ok(What::Token(serial, token)) => {
                if let Some(toy) = self.toys().into_iter().find(|toy| toy.host.serial == serial) {
                    toy.deliver(token);
                }
            }
            Err(_) => {}
        }
        for (toy, _) in toys.iter().zip(&ready[1..]).filter(|(_, ready)| **ready) {
            toy.deliver(0);
        }
    }

    pub fn run_for(&self, nanoseconds: u64) {
        let until = monotonic_ns() + nanoseconds;
        while monotonic_ns() < until {
            self.step(until);
        }
    }

    #[track_caller]
    pub fn run_until(&self, holds: impl Fn() -> bool) {
        let until = monotonic_ns() + 10 * SECOND;
        while !holds() {
            assert!(monotonic_ns() < until, "ran in vain for ten seconds");
            self.step(until);
        }
    }

    fn toys(&self) -> Vec<Rc<Toy>> {
        self.toys.borrow().iter().filter_map(Weak::upgrade).collect()
    }
}

/// The host of one guest.
pub struct ToyHost {
    serial: u64,
    thread: ThreadId,
    inbox: Arc<Inbox>,
    local: bool,
    fault: Mutex<(Fault, u32)>,
    random: Mutex<Random>,
    pub posts: AtomicU32,
    pub locals: AtomicU32,
    pub refused: AtomicU32,
    pub last_token: AtomicU64,
    /// What inlined deliveries returned.
    pub inlined: Mutex<Vec<Result<()>>>,
    /// The status of each `done`, and when it came in the order of [`next_in_order`].
    pub done: Mutex<Vec<(Status, u64)>>,
    pub entered: Gate,
    pub unblock: Gate,
    pub stalls: Mutex<Vec<(Stall, u64)>>,
    pub stalled: Gate,
}

thread_local! {
    /// The toys of this thread, for a host that delivers inline.
    static HERE: RefCell<Vec<Weak<Toy>>> = const { RefCell::new(Vec::new()) };
}

impl ToyHost {
    fn take(&self, token: u64) -> Posted {
        self.last_token.store(token, Ordering::SeqCst);
        let fault = {
            let mut fault = self.fault.lock().unwrap();
            let active = fault.1 > 0;
            fault.1 = if fault.1 == u32::MAX { u32::MAX } else { fault.1.saturating_sub(1) };
            active.then_some(fault.0)
        };
        let mut due = 0;
        let what = || What::Token(self.serial, token);
        match fault {
            Some(Fault::Drop) => return Posted::Queued,
            Some(Fault::Double) => self.inbox.push(0, what(), false),
            Some(Fault::Delay) => due = monotonic_ns() + 20 * MS,
            Some(Fault::Inline) => return self.inline(token),
            Some(Fault::Fail) => {
                self.refused.fetch_add(1, Ordering::SeqCst);
                return Posted::Later;
            }
            Some(Fault::Gone) => return Posted::Gone,
            Some(Fault::Block) => {
                self.entered.open();
                self.unblock.wait(1);
                self.entered.open();
                return Posted::Queued;
            }
            Some(Fault::Chaos) => match self.random.lock().unwrap().below(100) {
                0..=9 => return Posted::Queued,
                10..=19 => self.inbox.push(0, what(), false),
                20..=29 => return self.inline(token),
                n => due = monotonic_ns() + n * MS / 500,
            },
            Some(Fault::Reorder) | None => {}
        }
        self.inbox.push(due, what(), fault == Some(Fault::Reorder));
        Posted::Queued
    }

    fn inline(&self, token: u64) -> Posted {
        let here = HERE.with_borrow(|toys| toys.iter().filter_map(Weak::upgrade).collect::<Vec<_>>());
        if let Some(toy) = here.into_iter().find(|toy| toy.host.serial == self.serial) {
            let result = toy.guest().deliver(token);
            self.inlined.lock().unwrap().push(result);
        }
        Posted::Queued
    }
}

impl Host for ToyHost {
    fn post(&self, token: u64) -> Posted {
        self.posts.fetch_add(1, Ordering::SeqCst);
        self.take(token)
    }

    fn post_local(&self, token: u64) -> Posted {
        on_thread(self.thread, "post_local");
        if !self.local {
            return self.post(token);
        }
        self.locals.fetch_add(1, Ordering::SeqCst);
        self.take(token)
    }

    fn done(&self, status: Status) {
        on_thread(self.thread, "done");
        self.done.lock().unwrap().push((status, next_in_order()));
    }

    fn on_stall(&self, kind: Stall, nanoseconds: u64) {
        if std::thread::current().id() == self.thread {
            wrong_thread("on_stall");
        }
        self.stalls.lock().unwrap().push((kind, nanoseconds));
        self.stalled.open();
    }
}

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
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let host = Arc::new(ToyHost {
            serial: SERIAL.fetch_add(1, Ordering::SeqCst),
            thread: std::thread::current().id(),
            inbox: lp.inbox.clone(),
            local,
            fault: Mutex::new((Fault::Drop, 0)),
            random: Mutex::new(Random(7)),
            posts: AtomicU32::default(),
            locals: AtomicU32::default(),
            refused: AtomicU32::default(),
            last_token: AtomicU64::default(),
            inlined: Mutex::default(),
            done: Mutex::default(),
            entered: Gate::default(),
            unblock: Gate::default(),
            stalls: Mutex::default(),
            stalled: Gate::default(),
        });
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
        lp.toys.borrow_mut().push(Rc::downgrade(&toy));
        HERE.with_borrow_mut(|here| here.push(Rc::downgrade(&toy)));
        toy
    }

    /// Sets `fault` for the next `count` posts, `u32::MAX` for all.
    pub fn fault(&self, fault: Fault, count: u32) {
        *self.host.fault.lock().unwrap() = (fault, count);
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

    #[track_caller]
    pub fn run_until(&self, holds: impl Fn() -> bool) {
        self.lp.run_until(holds);
    }

    pub fn run_for(&self, nanoseconds: u64) {
        self.lp.run_for(nanoseconds);
    }

    pub fn done(&self) -> usize {
        self.host.done.lock().unwrap().len()
    }

    /// The status of `done`, which must have come exactly once.
    #[track_caller]
    pub fn done_status(&self) -> Status {
        let done = self.host.done.lock().unwrap();
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
