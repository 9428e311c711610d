//! L2. The half of a guest that the host thread owns: what it finds to do, and in what order.
//!
//! Owns: the registry, the drive's thread, and the iteration under way: what the last look at the poller, the posts and the
//! signals has found. Host thread only.
//!
//! The order is that of CPython's `_run_once`: fds, then due timers, then the posts that were
//! queued, then signals and children. Timers stay in their heap until their turn comes: an iteration
//! remembers the moment and the arming that it reaches up to, so that a timer which one of its
//! callbacks starts waits for the next one, however soon it is due. A burst costs nothing up
//! front, whatever its size.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use crate::clock::FOREVER;
use crate::core::host::Host;
use crate::core::live;
use crate::core::message::{Job, Message};
use crate::core::options::{Drive, Options};
use crate::core::registered::registry::{Deferred, Registry};
use crate::core::registered::timers::Timers;
use crate::core::waiting::fd::Fd;
use crate::core::waiting::handoff::Pauses;
use crate::core::waiting::io_thread::IoThread;
use crate::core::waiting::posts;
use crate::core::waiting::run::Run;
use crate::core::waiting::shared::{Shared, Waits};
use crate::core::waiting::thread::Thread;
use crate::error::{Error, Result, Status};
use crate::id::Id;
use crate::sys::{Listener, Poller, Readiness, Seen};

pub(crate) struct Reactor {
    pub(crate) shared: Arc<Shared>,
    pub(crate) registry: Rc<Registry>,
    pub(crate) budget: u64,
    pub(super) io_thread: RefCell<Option<IoThread>>,
    iteration: RefCell<Iteration>,
    /// The `own_posts` of the next iteration.
    own_posts: RefCell<VecDeque<Job>>,
    /// Posts whose turn has come since the counters were told.
    finished: Cell<u64>,
    /// At the end of the last delivery something was still due.
    pub(super) more: Cell<bool>,
    /// The sources that the end has still to detach, the next one last.
    pub(super) to_detach: RefCell<Vec<Id>>,
    /// This is a forked child, which has closed its copies of the fds.
    pub(super) left: Cell<bool>,
}

/// Something ready, not told yet.
pub(super) enum Ready {
    /// An fd; polling again would find it again.
    Fd(Id, Readiness),
    /// Anything else that is registered, with a hint of its kind.
    Source(Id, u64),
    Post(Job),
}

#[derive(Default)]
struct Iteration {
    fds: VecDeque<(Id, Readiness)>,
    /// Timers count if they were due at this moment ...
    now: u64,
    /// ... and had been armed by then.
    arming: u64,
    /// What the host thread has posted, which comes before the posts of all: it was accepted while there were none.
    own_posts: VecDeque<Job>,
    posts: VecDeque<Message>,
    last: VecDeque<(Id, u64)>,
}

impl Iteration {
    /// Whether all has been told.
    #[inline(always)]
    fn is_over(&self, timers: &Timers) -> bool {
        self.fds.is_empty() && !self.has_unpolled(timers)
    }

    /// Whether something is left that polling again would not find.
    #[inline(always)]
    fn has_unpolled(&self, timers: &Timers) -> bool {
        // Added up: one branch instead of three, at every event.
        self.own_posts.len() + self.posts.len() + self.last.len() > 0 || timers.is_due(self.now, self.arming)
    }

    /// The messages that have not been told, in order.
    fn into_messages(self) -> impl Iterator<Item = Message> {
        self.own_posts.into_iter().map(Message::Post).chain(self.posts)
    }
}

/// What a look has come to.
pub(super) struct Look {
    /// Something is ready.
    pub(super) found: bool,
    /// Somebody has asked for this delivery, or a deadline of the caller's has come.
    pub(super) woken: bool,
}

impl Reactor {
    pub(crate) fn start(host: Arc<dyn Host>, options: Options) -> Result<Rc<Reactor>> {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let Options { drive, pull, level_triggered, batch_budget: budget, work_threads, clock, .. } = options;
        let Options { nested_after, repost_after, stall_after, .. } = options;
        let pauses = Pauses { nested_after, repost_after, stall_after };
        let refused = |e: std::io::Error| {
            Error::os(
                "starting a guest needs a few fds and, in drive THREAD or for stall_after, a thread",
                &e,
            )
        };
        let (poller, waker, alarm) = Poller::new().map_err(refused)?;
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let drive: Box<dyn Waits> = match drive {
            Drive::Thread => Box::new(Thread::new(&poller, pauses, serial).map_err(refused)?),
            Drive::Fd => Box::new(Fd::new(&poller, pauses, level_triggered).map_err(refused)?),
            Drive::Run => Box::new(Run),
        };
        let shared = Shared::new(host, drive, pull, clock, pauses, waker, alarm).map_err(refused)?;
        let shared = Arc::new(shared);
        let io_thread = IoThread::start(shared.clone()).map_err(refused)?;
        Ok(Rc::new(Reactor {
            registry: Registry::new(shared.clone(), poller, work_threads),
            shared,
            budget,
            io_thread: RefCell::new(io_thread),
            iteration: RefCell::default(),
            own_posts: RefCell::default(),
            finished: Cell::new(0),
            more: Cell::new(false),
            to_detach: RefCell::default(),
            left: Cell::new(false),
        }))
    }

    /// [`Shared::post`] without the lock. `None`: it has to go behind those there, which may be this thread's too.
    #[inline(always)]
    pub(crate) fn post(&self, make: impl FnOnce() -> Job) -> Option<Result<()>> {
        let shared = &self.shared;
        if !shared.posts.is_empty() {
            return None;
        }
        if shared.life.is_cancelled() {
            return Some(Err(Status::CLOSED.into()));
        }
        let mut own_posts = self.own_posts.borrow_mut();
        if let Err(error) = own_posts.try_reserve(1) {
            return Some(Err(error.into()));
        }
        // The first one's wake-up stands until a look has found them all.
        let wakes = own_posts.is_empty();
        // Made in its place: for `push_back` it would be made on the stack and copied, a fifth of all that a post costs.
        own_posts.extend(std::iter::once_with(make));
        shared.counters.posted_here.add(1);
        if wakes {
            shared.wake();
        }
        Some(Ok(()))
    }

    /// Asks to be woken by the next post. `false`: there is one already, go on.
    #[inline(always)]
    pub(super) fn arm_posts(&self) -> bool {
        self.own_posts.borrow().is_empty() && self.shared.posts.arm()
    }

    /// The next event of this iteration.
    #[inline(always)]
    pub(super) fn next_ready(&self) -> Option<Ready> {
        let mut iteration = self.iteration.borrow_mut();
        if let Some((id, readiness)) = iteration.fds.pop_front() {
            return Some(Ready::Fd(id, readiness));
        }
        let due = self.registry.connections.timers.borrow_mut().pop_due(iteration.now, iteration.arming);
        if let Some((id, arming)) = due {
            return Some(Ready::Source(id, arming));
        }
        if let Some(job) = iteration.own_posts.pop_front() {
            return Some(self.take_turn(job));
        }
        while let Some(message) = iteration.posts.pop_front() {
            match message {
                Message::Post(job) => return Some(self.take_turn(job)),
                Message::Finished(id) if self.registry.finish_in_flight(id) => {}
                Message::Finished(id) if self.registry.table.borrow().comes_last(id) => {
                    iteration.last.push_back((id, 0));
                }
                Message::Finished(id) => return Some(Ready::Source(id, 0)),
            }
        }
        iteration.last.pop_front().map(|(id, hint)| Ready::Source(id, hint))
    }

    #[inline(always)]
    fn take_turn(&self, job: Job) -> Ready {
        self.finished.set(self.finished.get() + 1);
        Ready::Post(job)
    }

    /// At the end of this iteration.
    pub(super) fn comes_again(&self, id: Id, hint: u64) {
        self.iteration.borrow_mut().last.push_back((id, hint));
    }

    /// Behind the fds of this iteration: polling would find it, too.
    pub(super) fn ask_again(&self, id: Id) {
        self.iteration.borrow_mut().fds.push_back((id, 0));
    }

    #[inline(always)]
    pub(super) fn has_ready(&self) -> bool {
        !self.iteration.borrow().is_over(&self.registry.connections.timers.borrow())
    }

    /// Whether a look could find no more than the poller knows of.
    pub(super) fn is_left_to_the_poller(&self) -> bool {
        let earliest = self.registry.connections.earliest();
        self.own_posts.borrow().is_empty()
            && self.shared.posts.is_empty()
            && (earliest == FOREVER || earliest > self.shared.clock.now())
    }

    /// Whether something is ready that polling again would not find: a nested loop has to be told.
    #[inline(always)]
    pub(super) fn has_unpolled(&self) -> bool {
        self.iteration.borrow().has_unpolled(&self.registry.connections.timers.borrow())
            || self.registry.has_deferred_drops()
            || Poller::REPORTS_ONCE && self.registry.connections.poller().has_unarmed()
    }

    /// Begins the next iteration: finds all that is due now.
    #[inline(always)]
    pub(super) fn look(&self) -> Result<Look> {
        let connections = &self.registry.connections;
        let mut iteration = self.iteration.borrow_mut();
        let rang = self.collect_fds(&mut iteration)?;
        let timers = connections.timers.borrow();
        let earliest = connections.earliest_of(&timers);
        iteration.arming = timers.last_arming();
        iteration.now = self.shared.time_of_look(rang, earliest);
        self.drain(!self.shared.is_watched(), &mut iteration);
        if let Some(listener) = connections.listener.get().filter(|listener| listener.any_pending()) {
            self.collect_signals(listener, &mut iteration);
        }
        let due = earliest <= iteration.now && connections.take_deadline(iteration.now);
        self.shared.counters.events.add(u64::from(due));
        Ok(Look {
            found: !iteration.is_over(&timers),
            // After the poll: what it has swallowed was asked for before.
            woken: self.shared.take_request() || due,
        })
    }

    /// Takes the posts of all threads. Those of the iteration before have been told.
    #[inline(always)]
    fn drain(&self, armed: bool, iteration: &mut Iteration) {
        let mut taken_up = self.shared.posts.drain(armed, &mut iteration.posts);
        let mut own_posts = self.own_posts.borrow_mut();
        if !own_posts.is_empty() {
            debug_assert!(iteration.own_posts.is_empty());
            taken_up += own_posts.len() as u64;
            posts::trim(&mut iteration.own_posts);
            std::mem::swap(&mut *own_posts, &mut iteration.own_posts);
        }
        if taken_up > 0 {
            live::posts_taken_up(taken_up);
        }
    }

    /// Whether the alarm has gone off.
    #[inline(always)]
    fn collect_fds(&self, iteration: &mut Iteration) -> Result<bool> {
        let table = self.registry.table.borrow();
        self.shared.counters.polls.add(1);
        let mut rang = false;
        let polled = self.registry.connections.poller().poll_now(|seen, readiness| {
            let Seen::Fd(bits) = seen else {
                rang |= seen == Seen::Alarm;
                return;
            };
            let Some(id) = Id::from_bits(bits) else { return };
            match table.expects(id) {
                Some(source) if source.comes_last() => iteration.last.push_back((id, u64::from(readiness))),
                Some(_) => iteration.fds.push_back((id, readiness)),
                // Its fd was closed before its source while a copy of it is open, so the system
                // reports it for ever and there is no way to make it stop. It must not keep this
                // delivery busy.
                None => {}
            }
        });
        polled.map(|()| rang).map_err(|e| Error::os("polling", &e))
    }

    /// Sleeps until something is due or `timeout` nanoseconds have passed.
    pub(crate) fn wait(&self, timeout: u64) -> Result<()> {
        if self.more.get() {
            return Ok(());
        }
        self.sleep(timeout).map(drop)
    }

    /// The same, whatever the last delivery has left. Says whether no signal has interrupted it.
    pub(super) fn sleep(&self, timeout: u64) -> Result<bool> {
        self.registry.connections.poller().wait(timeout).map_err(|e| Error::os("waiting", &e))
    }

    fn collect_signals(&self, listener: &Listener, iteration: &mut Iteration) {
        // Cleared before the counts are read, so that what arrives meanwhile is looked for again.
        listener.begin_take();
        // Before the children, whose ends SIGCHLD may announce.
        let children = std::mem::take(&mut iteration.last);
        for (signum, id) in self.registry.connections.signals.borrow().iter() {
            let count = listener.take(*signum);
            if count > 0 {
                iteration.last.push_back((*id, u64::from(count)));
            }
        }
        iteration.last.extend(children);
    }

    /// Tells the counters how many posts have had their turn; once per delivery, not once per post.
    pub(super) fn count_posts(&self) {
        let finished = self.finished.take();
        if finished > 0 {
            self.shared.counters.run.add(finished);
            live::posts_finished(finished);
        }
    }

    /// Gives up what is ready, and the caller's deadline, which would bring a delivery to a guest that has ended; accepted
    /// posts are dropped in this delivery, for their end runs user code.
    pub(super) fn give_up_ready(&self) {
        self.registry.connections.set_deadline(FOREVER);
        self.registry.table.borrow_mut().give_up_missed();
        let given_up = self.iteration.take();
        let mut next = Iteration::default();
        self.drain(true, &mut next);
        for message in given_up.into_messages().chain(next.into_messages()) {
            match message {
                Message::Post(job) => {
                    self.finished.set(self.finished.get() + 1);
                    self.registry.drop_later(Deferred::Post { _job: job });
                }
                Message::Finished(id) => drop(self.registry.finish_in_flight(id)),
            }
        }
    }
}
