//! L2. The half of a guest that the host thread owns.
//!
//! Owns: the poller, the table of sources, the timers, and what is ready but not delivered. Host
//! thread only. No borrow of any cell is held while user code runs, so that user code may call
//! everything: take out, end the borrow, then call.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::ffi::c_void;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;

use once_cell::unsync::OnceCell;

use super::batch::Pauses;
use super::host::Host;
use super::io_thread::IoThread;
use super::live;
use super::message::{Job, Message};
use super::pass::{Pass, Ready, Step};
use super::pool::Pool;
use super::shared::{Drive, Shared};
use super::source::{Detached, Source};
use super::table::Table;
use super::timers::Timers;
use crate::clock::{Clock, FOREVER};
use crate::error::{Error, Result, Status};
use crate::id::Id;
use crate::sys::{Listener, OsFd, Poller, Seen};

/// How a guest shall behave; see [`crate::guest::Options`], which fills this in.
pub(crate) struct Settings {
    pub(crate) drive: Drive,
    pub(crate) budget: u64,
    pub(crate) pauses: Pauses,
    pub(crate) work_threads: u32,
    pub(crate) clock: Clock,
}

/// What user code may have to run for at its end: dropped in the next delivery.
pub(crate) enum Buried {
    Source { _source: Rc<dyn Source> },
    Post { _job: Job },
}

/// The signals that are watched.
#[derive(Default)]
pub(crate) struct Signals {
    pub(crate) listener: OnceCell<Listener>,
    pub(crate) ids: RefCell<Vec<(i32, Id)>>,
}

/// See the file's head.
pub struct Reactor {
    pub(crate) shared: Arc<Shared>,
    pub(crate) budget: u64,
    pub(crate) work_threads: u32,
    pub(crate) pool: OnceCell<Pool>,
    pub(crate) signals: Signals,
    /// The children that are watched, by pid, and their pidfds.
    pub(crate) children: RefCell<HashMap<i32, (Id, Option<OsFd>)>>,
    pub(crate) io_thread: RefCell<Option<IoThread>>,
    poller: RefCell<Poller>,
    table: RefCell<Table>,
    timers: RefCell<Timers>,
    pass: RefCell<Pass>,
    graveyard: RefCell<VecDeque<Buried>>,
    /// Events of sources whose callbacks are on the stack.
    deferred: RefCell<Vec<(Id, u64)>>,
    /// Closed, but a thread of the library still works for them.
    pub(crate) lingering: RefCell<HashMap<Id, Rc<dyn Source>>>,
    /// Posts ever taken up.
    taken_up: Cell<u64>,
    /// Posts whose turn has come since the counters were told.
    finished: Cell<u64>,
    /// At the end of the last delivery something was still due.
    pub(crate) more: Cell<bool>,
    /// No callback is called any more; what is left is to detach, to run drop functions, and `done`.
    pub(crate) closing: Cell<bool>,
    /// The sources that the end has still to detach, the next one last.
    pub(crate) to_detach: RefCell<Vec<Id>>,
    /// What foreign callbacks get as their guest: the address of the C object.
    pub(crate) foreign: Cell<*mut c_void>,
}

impl Reactor {
    pub(crate) fn start(host: Arc<dyn Host>, settings: Settings) -> Result<Rc<Reactor>> {
        let Settings { drive, budget, pauses, work_threads, clock } = settings;
        let refused = |e: std::io::Error| {
            Error::os(
                "starting a guest needs a few fds and, in drive THREAD or for stall_after, a thread",
                &e,
            )
        };
        let (poller, waker) = Poller::new().map_err(refused)?;
        let shared = Arc::new(Shared::new(host, drive, clock, pauses, &poller, waker).map_err(refused)?);
        let io_thread = IoThread::start(shared.clone()).map_err(refused)?;
        Ok(Rc::new(Reactor {
            shared,
            budget,
            work_threads,
            pool: OnceCell::new(),
            signals: Signals::default(),
            children: RefCell::default(),
            io_thread: RefCell::new(io_thread),
            poller: RefCell::new(poller),
            table: RefCell::new(Table::new()),
            timers: RefCell::default(),
            pass: RefCell::default(),
            graveyard: RefCell::default(),
            deferred: RefCell::default(),
            more: Cell::new(false),
            lingering: RefCell::default(),
            taken_up: Cell::new(0),
            finished: Cell::new(0),
            closing: Cell::new(false),
            to_detach: RefCell::default(),
            foreign: Cell::new(std::ptr::null_mut()),
        }))
    }

    // ---- for sources

    /// Fails if nothing new is taken any more.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.shared.check_process()?;
        match self.shared.is_cancelled() {
            true => Err(Status::CLOSED.into()),
            false => Ok(()),
        }
    }

    /// Registers a source and lets `attach` connect it; undone if that fails.
    pub(crate) fn insert(&self, source: Rc<dyn Source>, attach: impl FnOnce(Id) -> Result<()>) -> Result<Id> {
        if let Err(refused) = self.check_open().and_then(|()| Ok(self.table.borrow_mut().make_room()?)) {
            source.disown();
            return Err(refused);
        }
        let id = self.table.borrow_mut().insert(source);
        match attach(id) {
            Ok(()) => {
                self.shared.counters.opened.add(1);
                Ok(id)
            }
            Err(error) => {
                let source = self.table.borrow_mut().remove(id);
                // The caller keeps its user data, so this end runs none of its code.
                if let Some(source) = source {
                    source.disown();
                }
                Err(error)
            }
        }
    }

    /// The open source with that id, if its state is an `S`.
    pub(crate) fn with<S: 'static, R>(&self, id: Id, f: impl FnOnce(&S) -> R) -> Result<R> {
        let source = self.table.borrow().get(id).cloned();
        match source.as_ref().and_then(|source| source.state().downcast_ref::<S>()) {
            Some(state) => Ok(f(state)),
            None => Err(Status::STALE.into()),
        }
    }

    pub(crate) fn poller(&self) -> std::cell::RefMut<'_, Poller> {
        self.poller.borrow_mut()
    }

    /// Makes room for one more timer.
    pub(crate) fn register_timer(&self, id: Id) -> Result<()> {
        Ok(self.timers.borrow_mut().register(id)?)
    }

    /// A timer is closed; it is not armed.
    pub(crate) fn forget_timer(&self) {
        self.timers.borrow_mut().forget();
    }

    /// Arms a timer and returns the name of this arming.
    pub(crate) fn arm_timer(&self, id: Id, deadline: u64) -> u64 {
        let name = self.timers.borrow_mut().arm(id, deadline);
        self.shared.alarm_changed(self.earliest());
        name
    }

    pub(crate) fn disarm_timer(&self, id: Id) {
        self.timers.borrow_mut().disarm(id);
        self.shared.alarm_changed(self.earliest());
    }

    /// Closes a source: detached now, dropped in the current or the next delivery.
    pub(crate) fn close(&self, id: Id) -> Result<()> {
        self.shared.check_process()?;
        let source = self.take_out(id).ok_or(Status::STALE)?;
        match source.detach(self, id) {
            Detached::Lingers => drop(self.lingering.borrow_mut().insert(id, source)),
            Detached::Now if source.drop_runs_user_code() => self.bury(Buried::Source { _source: source }),
            Detached::Now => {}
        }
        Ok(())
    }

    /// Closes a source whose last event has been told; the caller holds it and drops it when that
    /// is forgotten.
    pub(crate) fn retire(&self, id: Id) {
        // None: the user has closed it meanwhile.
        if let Some(source) = self.take_out(id) {
            source.detach(self, id);
        }
    }

    fn take_out(&self, id: Id) -> Option<Rc<dyn Source>> {
        let source = self.table.borrow_mut().remove(id)?;
        self.shared.counters.closed.add(1);
        self.deferred.borrow_mut().retain(|(deferred, _)| *deferred != id);
        Some(source)
    }

    pub(crate) fn is_open(&self, id: Id) -> bool {
        self.table.borrow().get(id).is_some()
    }

    /// Keeps something whose end runs user code until a delivery.
    pub(crate) fn bury(&self, buried: Buried) {
        let first = !self.has_dead();
        self.graveyard.borrow_mut().push_back(buried);
        // The first one's wake-up stands until a delivery has looked at all.
        if first {
            self.shared.wake();
        }
    }

    // ---- for deliveries

    pub(crate) fn now(&self) -> u64 {
        self.shared.clock.now()
    }

    /// The earliest deadline of all timers, or `FOREVER`.
    pub(crate) fn earliest(&self) -> u64 {
        self.timers.borrow().earliest().unwrap_or(FOREVER)
    }

    /// The next event of this pass.
    #[inline(always)]
    pub(crate) fn next_ready(&self) -> Option<Ready> {
        loop {
            let step = self.pass.borrow_mut().next(&mut self.timers.borrow_mut())?;
            match step {
                Step::Ready(ready) => {
                    if matches!(ready, Ready::Post(_)) {
                        self.finished.set(self.finished.get() + 1);
                    }
                    return Some(ready);
                }
                Step::Finished(id) => match self.lingering.borrow_mut().remove(&id) {
                    Some(source) => self.graveyard.borrow_mut().push_back(Buried::Source { _source: source }),
                    None if self.comes_last(id) => self.pass.borrow_mut().last.push_back((id, 0)),
                    None => return Some(Ready::Source(id, 0)),
                },
            }
        }
    }

    fn comes_last(&self, id: Id) -> bool {
        self.table.borrow().get(id).is_some_and(|source| source.comes_last())
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.pass.borrow().is_over(&self.timers.borrow())
    }

    /// Whether something is ready that polling again would not find: a nested loop has to be told.
    pub(crate) fn owes(&self) -> bool {
        self.pass.borrow().owes(&self.timers.borrow()) || self.has_dead()
    }

    /// The next thing whose end has come.
    pub(crate) fn next_dead(&self) -> Option<Buried> {
        self.graveyard.borrow_mut().pop_front()
    }

    pub(crate) fn has_dead(&self) -> bool {
        !self.graveyard.borrow().is_empty()
    }

    /// Begins the next pass: finds all that is due now. `false`: nothing is.
    #[inline(always)]
    pub(crate) fn collect(&self) -> Result<bool> {
        let mut pass = self.pass.borrow_mut();
        let rang = self.collect_fds(&mut pass)?;
        let (earliest, arming) = {
            let timers = self.timers.borrow();
            (timers.earliest().unwrap_or(FOREVER), timers.last_arming())
        };
        pass.now = self.shared.time_of_look(rang, earliest);
        pass.arming = arming;
        self.shared.alarm_passed(pass.now);
        self.drain(!self.shared.is_watched(), &mut pass.posts);
        self.collect_signals(&mut pass);
        Ok(!pass.is_over(&self.timers.borrow()))
    }

    #[inline(always)]
    fn drain(&self, armed: bool, into: &mut VecDeque<Message>) {
        let accepted = self.shared.posts.drain(armed, into);
        live::posts_taken_up(accepted - self.taken_up.replace(accepted));
    }

    /// `true`: the alarm has gone off.
    #[inline(always)]
    fn collect_fds(&self, pass: &mut Pass) -> Result<bool> {
        let table = self.table.borrow();
        self.shared.counters.polls.add(1);
        let mut rang = false;
        let polled = self.poller.borrow_mut().poll_now(|seen, readiness| {
            let Seen::Fd(bits) = seen else {
                rang |= seen == Seen::Alarm;
                return;
            };
            let Some(id) = Id::from_bits(bits) else { return };
            match table.expects(id) {
                Some(source) if source.comes_last() => pass.last.push_back((id, u64::from(readiness))),
                Some(_) => pass.fds.push_back((id, readiness)),
                // Its fd was closed before its source while a copy of it is open, so the system
                // reports it for ever and there is no way to make it stop. It must not keep this
                // delivery busy.
                None => {}
            }
        });
        polled.map(|()| rang).map_err(|e| Error::os("polling", &e))
    }

    /// Whether polling would find something.
    pub(crate) fn is_ready(&self) -> bool {
        self.poller.borrow().is_ready()
    }

    fn collect_signals(&self, pass: &mut Pass) {
        let Some(listener) = self.signals.listener.get().filter(|listener| listener.any_pending()) else {
            return;
        };
        // Cleared before the counts are read, so that what arrives meanwhile is looked for again.
        listener.begin_take();
        // Before the children, whose ends SIGCHLD may announce.
        let children = std::mem::take(&mut pass.last);
        for (signum, id) in self.signals.ids.borrow().iter() {
            let count = listener.take(*signum);
            if count > 0 {
                pass.last.push_back((*id, u64::from(count)));
            }
        }
        pass.last.extend(children);
    }

    /// Looks a ready source up, unless it was closed since. `None` also for one whose callback is
    /// on the stack: its turn comes when that has returned. Until then an fd is switched off, or it
    /// would keep the poller ready, and any other event is deferred.
    pub(crate) fn prepare(&self, ready: Ready) -> Option<(Id, Rc<dyn Source>)> {
        let (id, hint) = match ready {
            Ready::Fd(id, readiness) => (id, u64::from(readiness)),
            Ready::Source(id, hint) => (id, hint),
            Ready::Post(_) => return None,
        };
        let (source, running) = self.table.borrow_mut().begin_call(id)?;
        if running {
            if matches!(ready, Ready::Source(..)) {
                self.defer(id, hint, &source);
            }
            if self.table.borrow_mut().mute(id) {
                source.mute(self, id);
            }
            return None;
        }
        if source.prepare(self, id, hint) {
            return Some((id, source));
        }
        self.set_idle(id, &source);
        None
    }

    /// Keeps one event for when the callback has returned, however many come.
    fn defer(&self, id: Id, hint: u64, source: &Rc<dyn Source>) {
        let mut deferred = self.deferred.borrow_mut();
        match deferred.iter_mut().find(|(known, _)| *known == id) {
            Some((_, earlier)) => *earlier = source.merge(*earlier, hint),
            None => deferred.push((id, hint)),
        }
    }

    /// Its callback has returned: what it missed meanwhile is looked at again.
    pub(crate) fn set_idle(&self, id: Id, source: &Rc<dyn Source>) {
        let muted = self.table.borrow_mut().set_idle(id);
        if muted {
            source.unmute(self, id);
            let mut pass = self.pass.borrow_mut();
            self.deferred.borrow_mut().retain(|&(deferred, hint)| {
                if deferred == id {
                    pass.last.push_back((id, hint));
                }
                deferred != id
            });
        }
    }

    /// Tells the counters how many posts have had their turn; once per delivery, not once per post.
    pub(crate) fn count_posts(&self) {
        let finished = self.finished.take();
        if finished > 0 {
            self.shared.counters.run.add(finished);
            live::posts_finished(finished);
        }
    }

    // ---- for the end

    pub(crate) fn open_ids(&self) -> Vec<Id> {
        self.table.borrow().ids()
    }

    /// Gives up what is ready; accepted posts are buried, for their end runs user code.
    pub(crate) fn give_up_ready(&self) {
        self.deferred.take();
        let given_up = self.pass.borrow_mut().give_up();
        let mut queued = VecDeque::new();
        self.drain(true, &mut queued);
        for message in given_up.into_iter().chain(queued) {
            match message {
                Message::Post(job) => {
                    self.finished.set(self.finished.get() + 1);
                    self.bury(Buried::Post { _job: job });
                }
                Message::Ready(id) => {
                    let source = self.lingering.borrow_mut().remove(&id);
                    if let Some(source) = source {
                        self.bury(Buried::Source { _source: source });
                    }
                }
            }
        }
    }

    pub(crate) fn poller_fd(&self) -> OsFd {
        self.poller.borrow().as_raw_fd()
    }
}
