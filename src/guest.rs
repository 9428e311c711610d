//! L4. The safe Rust API: three rights, three types (the division is calloop's).
//!
//! | type | right | threads |
//! |---|---|---|
//! | [`Guest`] | owns the guest: deliver, run, shut down, drop | host |
//! | [`Handle`] | register, change and close sources | host |
//! | [`Poster`] | post, wake, cancel, look at the state | any |
//!
//! Callbacks get a `&Handle`, so none of them needs to hold the guest, and no cycle keeps it alive.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::clock::{deadline_after, Clock, FOREVER, MILLISECOND};
use crate::core::batch::Pauses;
use crate::core::deliver::{Call, Delivery, Item};
use crate::core::reactor::{Reactor, Settings};
use crate::core::shared::Shared;
use crate::error::{Error, Result, Status};
use crate::id::Id;
use crate::sync::{lock, Mutex};

pub use crate::core::host::{Host, Posted, Stall};
pub use crate::core::shared::{Drive, Job, State};
pub use crate::core::source::{Event, Kind};
pub use crate::core::stats::{Stats, BUCKETS};
pub use crate::sources::{ChildExit, Resolved};
pub use crate::sys::{monotonic_ns, Address, OsFd, Query};

/// What the C ABI builds on.
pub(crate) use crate::core::{live, reactor::Reactor as Core, source::Callback};

/// How a guest shall behave; `Options::default()` is what most want.
#[derive(Clone)]
pub struct Options {
    /// How the guest waits.
    pub drive: Drive,
    /// Batches are taken as events instead of by callbacks.
    pub pull: bool,
    /// Nanoseconds that one delivery may last.
    pub batch_budget: u64,
    /// Nanoseconds after which a delivery counts as a nested host loop.
    pub nested_after: u64,
    /// Nanoseconds after which an undelivered token is posted again, at first.
    pub repost_after: u64,
    /// Nanoseconds after which a stuck host is reported; 0: never.
    pub stall_after: u64,
    /// Most threads for work and name resolution.
    pub work_threads: u32,
    /// Where the time comes from.
    pub clock: Clock,
}

/// More threads than this are a mistake in the unit, not a wish.
pub const WORK_THREADS_MAX: u32 = 1024;

impl Default for Options {
    fn default() -> Options {
        Options {
            drive: Drive::Thread,
            pull: false,
            batch_budget: 4 * MILLISECOND,
            nested_after: 10 * MILLISECOND,
            repost_after: 250 * MILLISECOND,
            stall_after: 0,
            work_threads: 4,
            clock: Clock::System(monotonic_ns),
        }
    }
}

impl Options {
    fn check(&self) -> Result<()> {
        if self.work_threads == 0 || self.work_threads > WORK_THREADS_MAX {
            let text = format!("work_threads is {}: use 1 to {WORK_THREADS_MAX}", self.work_threads);
            return Err(Error::new(Status::INVAL, text));
        }
        if self.stall_after != 0 && self.drive != Drive::Thread {
            return Err(Error::new(
                Status::DRIVE,
                "stall_after needs the I/O thread as its watchdog: use drive THREAD, or leave it 0",
            ));
        }
        Ok(())
    }
}

/// A guest: one reactor attached to the thread that started it. Dropping it ends it.
pub struct Guest {
    reactor: Rc<Reactor>,
    pull: bool,
    /// Open batches of the pull form, the innermost last.
    batches: RefCell<Vec<Batch>>,
}

struct Batch {
    // Dropped in this order: what was told is forgotten inside the delivery.
    held: Vec<Item>,
    delivery: Delivery,
}

/// The right to register, change and close sources, on the host thread.
#[derive(Clone)]
pub struct Handle(Rc<Reactor>);

/// The right to post, wake and cancel, from any thread, also when the guest is gone.
#[derive(Clone)]
pub struct Poster(Arc<Shared>);

impl Guest {
    /// Starts a guest on this thread.
    ///
    /// # Errors
    /// `INVAL` and `DRIVE` for options out of range, `OS` when fds or threads are lacking.
    pub fn start(host: Arc<dyn Host>, options: Options) -> Result<Guest> {
        options.check()?;
        let Options { drive, pull, batch_budget, work_threads, clock, .. } = options;
        let Options { nested_after, repost_after, stall_after, .. } = options;
        let pauses = Pauses { nested_after, repost_after, stall_after };
        let settings = Settings { drive, budget: batch_budget, pauses, work_threads, clock };
        Ok(Guest { reactor: Reactor::start(host, settings)?, pull, batches: RefCell::default() })
    }

    /// The right to register sources.
    pub fn handle(&self) -> Handle {
        Handle(self.reactor.clone())
    }

    /// The right to post from any thread.
    pub fn poster(&self) -> Poster {
        Poster(self.reactor.shared.clone())
    }

    /// Runs what is due within the guest's budget. `token`: what `Host::post` was called with, or 0.
    ///
    /// # Errors
    /// `STALE`, `INLINE` (both harmless), `CLOSED`, `DRIVE` (a pull guest), `FORKED`.
    pub fn deliver(&self, token: u64) -> Result<()> {
        self.deliver_for(token, None)
    }

    /// The same with a budget of its own, in nanoseconds.
    pub fn deliver_for(&self, token: u64, budget: Option<u64>) -> Result<()> {
        let mut turn = self.turn(token, budget)?;
        while let Some(mut call) = turn.next()? {
            call.run();
        }
        Ok(())
    }

    /// Waits on this thread and delivers, until the guest has ended or `timeout` nanoseconds have passed.
    ///
    /// # Errors
    /// `TIMEDOUT`, and those of [`Guest::deliver`].
    pub fn run(&self, timeout: u64) -> Result<()> {
        let mut run = self.running(timeout, false)?;
        while run.wait()? {
            self.deliver(0)?;
        }
        Ok(())
    }

    /// Ends the guest without its host: cancels, and drives what is left until `done` or the timeout.
    ///
    /// # Errors
    /// `TIMEDOUT` while work is still running, `ORDER` inside a callback.
    pub fn shutdown(&self, timeout: u64) -> Result<()> {
        let mut run = self.running(timeout, true)?;
        while run.wait()? {
            self.deliver(0)?;
        }
        Ok(())
    }

    /// The fd that a host in drive FD watches.
    ///
    /// # Errors
    /// `DRIVE` in drive THREAD.
    pub fn fd(&self) -> Result<OsFd> {
        match self.reactor.shared.drive {
            Drive::Thread => Err(Error::new(
                Status::DRIVE,
                "a guest in drive THREAD watches by itself and posts tokens: start it with GUEST_DRIVE_FD for an fd",
            )),
            Drive::Fd | Drive::Run => Ok(self.reactor.poller_fd()),
        }
    }

    // ---- for the C ABI, which has to be between the steps

    pub(crate) fn reactor(&self) -> &Rc<Reactor> {
        &self.reactor
    }

    /// Opens a delivery whose calls the caller runs.
    pub(crate) fn turn(&self, token: u64, budget: Option<u64>) -> Result<Turn> {
        // A cancelled guest has no events left, so that any form will do for its end.
        if !self.reactor.shared.is_cancelled() {
            self.check_form(false)?;
        }
        Ok(Turn(Delivery::begin(&self.reactor, token, budget)?))
    }

    /// Waits between deliveries; see [`Run::wait`].
    pub(crate) fn running(&self, timeout: u64, shutdown: bool) -> Result<Run> {
        if shutdown {
            if self.reactor.depth.get() > 0 {
                return Err(Error::new(
                    Status::ORDER,
                    "guest_shutdown inside a callback would wait for itself: use guest_cancel there",
                ));
            }
            self.reactor.shared.cancel();
        }
        let until = deadline_after(monotonic_ns(), timeout);
        Ok(Run { reactor: self.reactor.clone(), until, started: false })
    }

    /// Opens a batch of the pull form.
    ///
    /// # Errors
    /// Those of [`Guest::deliver`]; `DRIVE` if the guest was not started for it.
    pub fn batch_begin(&self, token: u64) -> Result<()> {
        self.check_form(true)?;
        let delivery = Delivery::begin(&self.reactor, token, None)?;
        self.batches.borrow_mut().push(Batch { held: Vec::new(), delivery });
        Ok(())
    }

    /// Takes up to `capacity` events; none means that the batch is over.
    ///
    /// # Errors
    /// `ORDER` if no batch is open, `INVAL` for no capacity.
    pub fn batch_next(&self, capacity: usize, tell: impl FnMut(Event)) -> Result<()> {
        if capacity == 0 {
            return Err(Error::new(Status::INVAL, "capacity is 0: give room for at least one event"));
        }
        // Out of the cell while drop functions run: they may come back here.
        let mut batch = self.innermost()?;
        batch.held.clear();
        let taken = batch.delivery.take(capacity, &mut batch.held, tell);
        self.batches.borrow_mut().push(batch);
        taken
    }

    /// Ends the innermost batch.
    ///
    /// # Errors
    /// `ORDER` if none is open.
    pub fn batch_end(&self) -> Result<()> {
        self.innermost().map(drop)
    }

    fn innermost(&self) -> Result<Batch> {
        let none = || Error::new(Status::ORDER, "no batch is open: guest_batch_begin comes first");
        self.batches.borrow_mut().pop().ok_or_else(none)
    }

    fn check_form(&self, pull: bool) -> Result<()> {
        self.reactor.shared.check_process()?;
        match (self.pull, pull) {
            (true, false) => Err(Error::new(
                Status::DRIVE,
                "this guest was started with GUEST_FLAG_PULL: take its batches with guest_batch_begin",
            )),
            (false, true) => Err(Error::new(
                Status::DRIVE,
                "batches are taken as events only from a guest that was started with GUEST_FLAG_PULL",
            )),
            _ => Ok(()),
        }
    }

    pub(crate) fn is_pull(&self) -> bool {
        self.pull
    }

    /// Ends the guest here and now, as dropping it does.
    pub(crate) fn end_now(&self) {
        self.batches.take();
        self.reactor.end_now();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if self.reactor.shared.mark.in_child() {
            std::mem::take(self.batches.get_mut()).into_iter().for_each(std::mem::forget);
            self.reactor.clone().leave_in_child();
            return;
        }
        self.end_now();
    }
}

/// A delivery of the push form, step by step.
pub(crate) struct Turn(Delivery);

impl Turn {
    /// The next callback to run.
    pub(crate) fn next(&mut self) -> Result<Option<Call>> {
        self.0.next()
    }
}

/// A loop on the calling thread.
pub(crate) struct Run {
    reactor: Rc<Reactor>,
    until: u64,
    started: bool,
}

impl Run {
    /// Sleeps until a delivery is due. `false`: the guest has ended.
    pub(crate) fn wait(&mut self) -> Result<bool> {
        if self.reactor.shared.is_ended() {
            return Ok(false);
        }
        if !std::mem::replace(&mut self.started, true) {
            // The first delivery catches up with what is due already.
            return Ok(true);
        }
        let now = monotonic_ns();
        if now >= self.until {
            return Err(Status::TIMEDOUT.into());
        }
        self.reactor.wait(if self.until == FOREVER { FOREVER } else { self.until - now });
        Ok(true)
    }
}

impl Handle {
    /// Watches `fd` for readiness; level-triggered. The bits are [`crate::ffi`]'s `GUEST_READABLE` and its sisters.
    ///
    /// # Errors
    /// `EXIST`, `INVAL`, `OS`, `CLOSED`.
    pub fn fd_add(&self, fd: OsFd, events: u32, f: impl FnMut(&Handle, Id, u32) + 'static) -> Result<Id> {
        self.0.fd_add(fd, events, Closure::new(f))
    }

    /// Changes what an fd is watched for; 0 pauses it.
    ///
    /// # Errors
    /// `STALE`, `OS`, `CLOSED`.
    pub fn fd_modify(&self, id: Id, events: u32) -> Result<()> {
        self.0.fd_modify(id, events)
    }

    /// Starts a timer; `period` 0 is one-shot. The callback gets the number of expirations.
    ///
    /// # Errors
    /// `CLOSED`.
    pub fn timer_add(
        &self,
        delay: u64,
        period: u64,
        f: impl FnMut(&Handle, Id, u64) + 'static,
    ) -> Result<Id> {
        self.0.timer_add(delay, period, Closure::new(f))
    }

    /// Arms a timer anew.
    ///
    /// # Errors
    /// `STALE`, `CLOSED`.
    pub fn timer_modify(&self, id: Id, delay: u64, period: u64) -> Result<()> {
        self.0.timer_modify(id, delay, period)
    }

    /// Watches a signal. The callback gets its number and how often it arrived.
    ///
    /// # Errors
    /// `INVAL`, `EXIST`, `OS`, `CLOSED`.
    pub fn signal_add(&self, signum: i32, f: impl FnMut(&Handle, Id, (i32, u32)) + 'static) -> Result<Id> {
        self.0.signal_add(signum, Closure::new(f))
    }

    /// Watches a child process and reaps it.
    ///
    /// # Errors
    /// `INVAL`, `OS`, `CLOSED`.
    pub fn child_add(&self, pid: i32, f: impl FnMut(&Handle, Id, ChildExit) + 'static) -> Result<Id> {
        self.0.child_add(pid, Closure::new(f))
    }

    /// Runs `work` on the pool, then `done` with its result on this thread. A `work` that panics has no result, and
    /// `done` is then dropped.
    ///
    /// # Errors
    /// `OS`, `CLOSED`.
    pub fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
        done: impl FnOnce(&Handle, T) + 'static,
    ) -> Result<Id> {
        let slot = Arc::new(Mutex::new(None));
        let result = slot.clone();
        let body = move || {
            let value = work();
            *lock(&result) = Some(value);
        };
        let done = Cell::new(Some(done));
        let finish = move |handle: &Handle, _: Id, ()| {
            let value = lock(&slot).take();
            if let (Some(done), Some(value)) = (done.take(), value) {
                done(handle, value);
            }
        };
        self.0.work_add(Box::new(body), Closure::new(finish))
    }

    /// Resolves a name on the pool.
    ///
    /// # Errors
    /// `INVAL`, `OS`, `CLOSED`. A name that is unknown comes to the callback.
    pub fn resolve(&self, query: Query, f: impl FnMut(&Handle, Id, &Resolved) + 'static) -> Result<Id> {
        self.0.resolve_add(query, Closure::new(f))
    }

    /// Closes a source of any kind.
    ///
    /// # Errors
    /// `STALE`.
    pub fn close(&self, id: Id) -> Result<()> {
        self.0.close(id)
    }

    /// Whether that source is open.
    pub fn is_open(&self, id: Id) -> bool {
        self.0.is_open(id)
    }

    /// The right to post from any thread.
    pub fn poster(&self) -> Poster {
        Poster(self.0.shared.clone())
    }

    /// For foreign callbacks: what `Guest::set_foreign` was given.
    pub(crate) fn from_reactor(reactor: &Rc<Reactor>) -> Handle {
        Handle(reactor.clone())
    }
}

impl Poster {
    /// Runs `f` on the host thread, soon.
    ///
    /// # Errors
    /// `CLOSED`; `f` is then dropped here.
    pub fn post(&self, f: impl FnOnce(&Handle) + Send + 'static) -> Result<()> {
        self.post_job(Box::new(Once(Some(f)))).map_err(|(error, _)| error)
    }

    /// The same for a job; on failure it comes back.
    pub(crate) fn post_job(&self, job: Box<dyn Job>) -> std::result::Result<(), (Error, Box<dyn Job>)> {
        self.0.post_job(job).map_err(|job| (Status::CLOSED.into(), job))
    }

    /// Asks for a delivery. Safe in signal handlers of any thread but one that is inside a delivery of this guest.
    pub fn wake(&self) {
        self.0.waker.wake();
    }

    /// Asks the guest to end.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// What the guest does at this moment.
    pub fn state(&self) -> State {
        self.0.state()
    }

    /// A copy of the counters.
    pub fn stats(&self) -> Stats {
        self.0.counters.snapshot()
    }

    /// Whether `done` has been called.
    pub fn is_ended(&self) -> bool {
        self.0.is_ended()
    }

    /// Whether this process is a fork of the one that started the guest.
    pub fn in_child(&self) -> bool {
        self.0.mark.in_child()
    }

    /// Whether this thread is the one that started the guest.
    pub fn on_host_thread(&self) -> bool {
        self.0.on_host_thread()
    }

    pub(crate) fn check_process(&self) -> Result<()> {
        self.0.check_process()
    }

    /// A delivery came on a wrong thread: if that is a thread inside the host's post, its post counts as failed.
    pub(crate) fn note_inlined(&self) {
        self.0.note_inlined();
    }
}

/// A Rust closure as a source's callback. While it runs its source is not delivered again, so the
/// borrow is never met by a second one.
struct Closure<F>(RefCell<F>);

impl<F> Closure<F> {
    fn new(f: F) -> Closure<F> {
        Closure(RefCell::new(f))
    }
}

impl<A, F: FnMut(&Handle, Id, A)> Callback<A> for Closure<F> {
    fn call(&self, reactor: &Rc<Reactor>, id: Id, args: A) {
        (self.0.borrow_mut())(&Handle::from_reactor(reactor), id, args);
    }

    fn drop_runs_user_code(&self) -> bool {
        std::mem::needs_drop::<F>()
    }
}

struct Once<F>(Option<F>);

impl<F: FnOnce(&Handle) + Send> Job for Once<F> {
    fn run(&mut self, reactor: &Rc<Reactor>) {
        if let Some(f) = self.0.take() {
            f(&Handle::from_reactor(reactor));
        }
    }
}
