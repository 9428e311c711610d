//! L2. The half of a guest that every thread may touch.
//!
//! Owns: the hand-off, the queue of posts, the waker, the gate and the alarm. The rules for waking
//! live here: who may be asleep, and what reaches them.
//!
//! A change made by the host thread *inside* a delivery needs no wake-up, since the delivery looks
//! again before it ends. But its callback may be about to run a nested host loop. That loop is
//! reached by the *cover*: in drive THREAD the I/O thread's watch over long deliveries, in drive FD the
//! alarm, set to `nested_after` from now. So a change costs a flag, and not a system call each.

use std::cell::Cell;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::ThreadId;

use super::batch::{End, HandOff, Pauses};
use super::host::{Host, Posted};
use super::live;
use super::posts::Posts;
use super::reactor::Reactor;
use super::stats::Counters;
use crate::clock::{Clock, FOREVER};
use crate::error::{Result, Status};
use crate::id::Id;
use crate::sys::{Alarm, ForkMark, Gate, OsFd, Poller, Waker};

/// How the guest waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Drive {
    /// On an I/O thread of its own, which posts tokens.
    Thread = 0,
    /// The host watches one fd.
    Fd = 1,
    /// On the calling thread, blocking.
    Run = 2,
}

/// What a guest does at this moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum State {
    /// Nothing waits: between two deliveries of a drive without a thread.
    Idle = 0,
    /// The I/O thread waits.
    Polling = 1,
    /// A token is on its way.
    Posted = 2,
    /// The host thread is inside a delivery.
    Delivering = 3,
    /// `done` has been called.
    Ended = 4,
}

/// Work for the host thread, sent by another.
pub(crate) enum Message {
    /// Run this.
    Post(Post),
    /// That source is ready; a thread of the library has finished with it.
    Ready(Id),
}

/// A post: user code that runs once, or is dropped.
pub trait Job: Send {
    /// The user's code and nothing else.
    fn run(&mut self, reactor: &std::rc::Rc<Reactor>);

    /// What the pull form shows.
    fn user_data(&self) -> *mut std::ffi::c_void {
        std::ptr::null_mut()
    }

    /// It was not accepted: foreign user data stays the caller's.
    fn disown(&self) {}
}

/// A job that was accepted.
pub(crate) struct Post {
    pub(crate) job: Box<dyn Job>,
    _alive: live::Alive<{ live::POSTS }>,
}

/// How many changes of the alarm between two deliveries are made at once. A longer burst asks for
/// one delivery instead, which sets the alarm for all of them.
const EXACT_CHANGES: u32 = 16;

/// See the file's head.
pub(crate) struct Shared {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) drive: Drive,
    pub(crate) clock: Clock,
    pub(crate) pauses: Pauses,
    pub(crate) hand_off: HandOff,
    pub(crate) posts: Posts<Message>,
    pub(crate) waker: Arc<Waker>,
    /// In drive THREAD.
    pub(crate) gate: Option<Gate>,
    pub(crate) mark: ForkMark,
    pub(crate) counters: Counters,
    pub(crate) host_thread: ThreadId,
    /// The guest shall end; once true, never false again.
    cancelled: AtomicBool,
    /// With which status; the first reason counts.
    gone: AtomicBool,
    /// `done` has been called.
    ended: AtomicBool,
    /// The I/O thread shall end.
    stopping: AtomicBool,
    /// Written by the host thread: it is inside a delivery, whose loop will look again.
    looking: AtomicBool,
    /// Written by the host thread: the cover of this delivery stands.
    covered: AtomicBool,
    alarm: Alarm,
    /// What the alarm is set to. Written by the host thread.
    alarm_at: AtomicU64,
    /// Changes of the alarm since the last delivery. Written by the host thread.
    alarm_changes: AtomicU32,
    _alive: live::Alive<{ live::GUESTS }>,
}

thread_local! {
    /// The host thread is inside `host.post` or `host.post_local` of the guest with this address.
    static POSTING: Cell<usize> = const { Cell::new(0) };
}

impl Shared {
    pub(crate) fn new(
        host: Arc<dyn Host>,
        drive: Drive,
        clock: Clock,
        pauses: Pauses,
        poller: &Poller,
        waker: Waker,
    ) -> io::Result<Shared> {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let alarm = Alarm::new()?;
        poller.add_alarm(&alarm)?;
        Ok(Shared {
            host,
            drive,
            clock,
            pauses,
            hand_off: HandOff::new(SERIAL.fetch_add(1, Ordering::Relaxed), pauses),
            posts: Posts::new(),
            waker: Arc::new(waker),
            gate: if drive == Drive::Thread { Some(Gate::new(poller)?) } else { None },
            mark: ForkMark::new()?,
            counters: Counters::default(),
            host_thread: std::thread::current().id(),
            cancelled: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            looking: AtomicBool::new(false),
            covered: AtomicBool::new(false),
            alarm,
            alarm_at: AtomicU64::new(FOREVER),
            alarm_changes: AtomicU32::new(0),
            _alive: live::Alive::new(),
        })
    }

    // ---- any thread

    /// Fails in a forked child, before anything shared with the parent is touched.
    pub(crate) fn check_process(&self) -> Result<()> {
        if self.mark.in_child() {
            return Err(Status::FORKED.into());
        }
        Ok(())
    }

    pub(crate) fn on_host_thread(&self) -> bool {
        std::thread::current().id() == self.host_thread
    }

    /// Hands a job to the host thread. `Err`: the guest takes nothing any more, the job is back.
    pub(crate) fn post_job(&self, job: Box<dyn Job>) -> std::result::Result<(), Box<dyn Job>> {
        match self.posts.push(Message::Post(Post { job, _alive: live::Alive::new() })) {
            Ok(wake) => {
                self.counters.posted.add_shared(1);
                if wake {
                    self.wake();
                }
                Ok(())
            }
            Err(Message::Post(post)) => Err(post.job),
            Err(Message::Ready(_)) => unreachable!("a queue gives back what it was given"),
        }
    }

    /// A thread of the library has finished with that source. Too late is as good: the guest has ended.
    pub(crate) fn source_ready(&self, id: Id) {
        if self.posts.push_awaited(Message::Ready(id)) {
            self.wake();
        }
    }

    /// Makes a delivery happen soon.
    pub(crate) fn wake(&self) {
        if self.looking.load(Ordering::Relaxed) && self.on_host_thread() {
            self.cover();
        } else {
            self.waker.wake();
        }
    }

    pub(crate) fn cancel(&self) {
        if !self.cancelled.swap(true, Ordering::SeqCst) {
            self.wake();
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// The host said that it is gone; the guest can only be ended by hand.
    pub(crate) fn host_gone(&self) {
        self.gone.store(true, Ordering::SeqCst);
        self.hand_off.host_gone();
        self.cancel();
    }

    pub(crate) fn is_host_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    pub(crate) fn set_ended(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }

    pub(crate) fn state(&self) -> State {
        let (posted, delivering) = self.hand_off.state();
        match (self.is_ended(), delivering, posted, self.drive) {
            (true, ..) => State::Ended,
            (_, true, ..) => State::Delivering,
            (_, _, true, _) => State::Posted,
            (_, _, _, Drive::Thread) => State::Polling,
            _ => State::Idle,
        }
    }

    /// Ends the I/O thread.
    pub(crate) fn stop_io_thread(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.kick();
    }

    fn kick(&self) {
        if let Some(gate) = &self.gate {
            gate.kick();
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Whether this thread is inside the host's post function.
    pub(crate) fn is_posting(&self) -> bool {
        POSTING.get() == self as *const Shared as usize
    }

    /// A delivery was refused; if this thread is inside the host's post, that is why.
    pub(crate) fn note_inlined(&self) {
        if self.is_posting() {
            self.counters.inlined_tokens.add_shared(1);
        }
    }

    /// Posts a token; failures are noted, and the I/O thread's watch tries again.
    pub(crate) fn post(&self, token: u64, local: bool) {
        let before = POSTING.replace(self as *const Shared as usize);
        let inlined = self.counters.inlined_tokens.get();
        let posted = if local { self.host.post_local(token) } else { self.host.post(token) };
        POSTING.set(before);
        match posted {
            Posted::Gone => self.host_gone(),
            Posted::Later => {
                self.counters.post_failures.add_shared(1);
                self.hand_off.post_failed(token, self.clock.now());
            }
            // The host ran the token instead of queueing it, and was refused.
            Posted::Queued if self.counters.inlined_tokens.get() != inlined => {
                self.hand_off.post_failed(token, self.clock.now());
            }
            Posted::Queued => {}
        }
    }

    // ---- host thread

    /// A delivery begins to run callbacks, or one of its callbacks has returned: changes made from here on are
    /// looked for again. `watched`: the I/O thread covers it.
    pub(crate) fn set_looking(&self, watched: bool) {
        self.looking.store(true, Ordering::Relaxed);
        self.covered.store(watched, Ordering::Relaxed);
    }

    /// The host is about to sleep: changes have to wake it.
    pub(crate) fn set_asleep(&self) {
        self.looking.store(false, Ordering::Relaxed);
        self.alarm_changes.store(0, Ordering::Relaxed);
    }

    pub(crate) fn is_looking(&self) -> bool {
        self.looking.load(Ordering::Relaxed)
    }

    /// The I/O thread watches this delivery, so that posts of other threads need not wake anybody.
    pub(crate) fn is_watched(&self) -> bool {
        self.drive == Drive::Thread && self.covered.load(Ordering::Relaxed)
    }

    /// Makes sure that a nested loop, should a callback begin one, gets a delivery soon.
    pub(crate) fn cover(&self) {
        if self.covered.swap(true, Ordering::Relaxed) {
            return;
        }
        match self.drive {
            Drive::Fd => {
                let at = self.clock.now().saturating_add(self.pauses.nested_after);
                if at < self.alarm_at.load(Ordering::Relaxed) {
                    self.set_alarm(at);
                }
            }
            // A step that no token announced, or a delivery that has had its token for a nested loop.
            Drive::Thread => {
                if self.hand_off.cover(self.clock.now()) {
                    self.kick();
                }
            }
            // A nested guest_run begins with a delivery.
            Drive::Run => {}
        }
    }

    /// The earliest deadline is now `earliest`. Exact also when it is later than before: a wake-up
    /// for a timer that was stopped would not be free.
    pub(crate) fn alarm_changed(&self, earliest: u64) {
        let at = self.alarm_at.load(Ordering::Relaxed);
        if earliest == at {
            return;
        }
        if self.is_looking() {
            // The end of this delivery sets it; only an earlier one may matter before.
            if earliest < at {
                self.cover();
            }
            return;
        }
        let changes = self.alarm_changes.load(Ordering::Relaxed);
        self.alarm_changes.store(changes.saturating_add(1), Ordering::Relaxed);
        if changes < EXACT_CHANGES {
            self.set_alarm(earliest);
        } else if changes == EXACT_CHANGES {
            self.waker.wake();
        }
    }

    /// Sets the alarm to the earliest deadline, `FOREVER` for none.
    pub(crate) fn set_alarm(&self, deadline: u64) {
        if self.alarm_at.swap(deadline, Ordering::Relaxed) == deadline {
            return;
        }
        // A manual clock's test steps by itself; the system's alarm knows nothing of its time.
        if let Clock::System(_) = self.clock {
            let set = self.alarm.set(deadline);
            debug_assert!(set.is_ok(), "{set:?}");
        }
    }

    /// The alarm has gone off, or should have: it has to be set anew, also if it was a cover.
    pub(crate) fn alarm_passed(&self, now: u64) {
        if self.alarm_at.load(Ordering::Relaxed) <= now {
            self.alarm_at.store(FOREVER, Ordering::Relaxed);
            if self.drive == Drive::Fd {
                self.covered.store(false, Ordering::Relaxed);
            }
        }
    }

    /// User code is about to run, which may begin a nested loop. `owes`: something is ready that polling
    /// does not find; `earliest`: the next timer.
    pub(crate) fn before_callback(&self, owes: bool, earliest: u64) {
        if owes {
            self.cover();
        } else if !self.is_watched() && earliest < self.alarm_at.load(Ordering::Relaxed) {
            // The end would set it to the same.
            self.set_alarm(earliest);
        }
    }

    /// Does what the hand-off asks for after a delivery.
    pub(crate) fn hand_back(&self, end: End) {
        match end {
            End::Nothing => {}
            End::Arm => {
                if let Some(gate) = &self.gate {
                    gate.arm();
                }
            }
            End::Post(token, unwatched) => {
                self.counters.tokens.add_shared(1);
                self.post(token, true);
                if unwatched {
                    self.kick();
                }
            }
        }
    }

    /// The fds of this guest, for a forked child to close.
    pub(crate) fn fds(&self) -> Vec<OsFd> {
        let gate = self.gate.as_ref().map_or([-1; 2], Gate::fds);
        gate.into_iter().filter(|fd| *fd >= 0).chain([self.alarm.as_raw_fd()]).collect()
    }
}
