//! L2. The half of a guest that every thread may touch.
//!
//! Owns: the queue of posts, the waker, the alarm, and the guest's life; and, as what a guest [`Waits`] by, its drive.
//! What any thread does is here; what the host thread does inside a delivery is in [`super::nested_wake`].

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicU8, Ordering};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use super::handoff::{Begun, Pauses};
use super::host_thread::HostThread;
use super::posts::{Posts, Refused};
use super::read_ahead::ReadAhead;
use crate::clock::{Clock, FOREVER};
use crate::core::host::Host;
use crate::core::live;
use crate::core::message::{Job, Message};
use crate::core::stats::{Counters, LatchForm, Stats};
use crate::error::{Error, Result, Status};
use crate::id::Id;
use crate::sys::{self, ForkMark, Waker};

/// What a guest needs of its drive. Host thread, unless it says more.
pub(crate) trait Waits: Send + Sync {
    /// What the guest does between two deliveries. Any thread.
    fn state(&self) -> State {
        State::Idle
    }

    /// Lets a delivery in; `None`: its token is not the outstanding one.
    fn begin(&self, token: u64, now: u64) -> Option<Begun>;

    /// The innermost delivery is over.
    fn end(&self, shared: &Shared, ending: &Ending<'_>);

    /// Makes sure that a nested loop, should a callback begin one, gets a delivery soon.
    fn nested_wake(&self, shared: &Shared);

    /// Whether posts of other threads need not wake anybody while a nested wake stands.
    fn watches(&self) -> bool {
        false
    }

    /// Inside a delivery the earliest deadline has come nearer, and a nested loop may begin.
    fn deadline_nearer(&self, shared: &Shared, _earliest: u64) {
        shared.nested_wake();
    }

    /// Whether nobody else waits for the poller while guest_run does.
    fn waits_alone(&self) -> bool {
        false
    }

    /// The alarm has gone off.
    fn alarm_passed(&self, _shared: &Shared) {}

    /// The host thread is about to sleep inside a delivery: that needs no nested wake and no other thread.
    fn begin_sleep(&self) {}

    /// It is awake, and the delivery counts from now.
    fn end_sleep(&self, _now: u64) -> Begun {
        Begun::default()
    }

    /// The host is gone or the guest has ended: nothing is posted any more. Any thread.
    fn close(&self) {}

    /// Whether this thread is inside the host's post function, where a delivery is refused; the post then counts as
    /// failed. Any thread.
    fn refuses_inline(&self, _shared: &Shared) -> bool {
        false
    }

    /// The name of the thread that this drive needs; `run_thread` is what it does.
    fn thread(&self) -> Option<&'static str> {
        None
    }

    /// What that thread sleeps on. Any thread.
    fn latch_form(&self) -> LatchForm {
        LatchForm::None
    }

    /// What that thread does, until the guest has ended.
    fn run_thread(&self, _shared: &Shared) {}

    /// What reads streams ahead while the host is away, made when it is first needed; `None`: this drive has nobody to do so.
    fn read_ahead(&self) -> io::Result<Option<&ReadAhead>> {
        Ok(None)
    }

    /// Makes that thread look again. Any thread.
    fn kick(&self) {}

    /// For a forked child, which closes what the drive has opened.
    fn close_in_child(&self) {}
}

pub(crate) struct Ending<'a> {
    pub(crate) now: u64,
    /// Something is still due that polling does not find.
    pub(crate) more: bool,
    /// Whether something is due that polling finds, and that the delivery has left.
    pub(crate) has_unpolled: &'a dyn Fn() -> bool,
    /// The earliest deadline, or `FOREVER`.
    pub(crate) earliest: u64,
    /// A batch of the pull form that had something to do.
    pub(crate) busy: bool,
}

/// What a guest does at this moment. The numbers are the C header's.
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

#[repr(C)] // in this order: what each wake reads lies on one cache line
pub(crate) struct Shared {
    pub(crate) drive: Box<dyn Waits>,
    pub(crate) clock: Clock,
    pub(crate) mark: ForkMark,
    pub(crate) life: Life,
    /// Batches are taken as events instead of by callbacks.
    pub(crate) pull: bool,
    /// Somebody has asked for a delivery, due or not, and no look at the poller has met it yet.
    requested: AtomicBool,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) pauses: Pauses,
    pub(crate) waker: Arc<Waker>,
    host_thread: HostThread,
    // What other threads write and what the host thread writes with every event do not share a
    // cache line.
    pub(crate) posts: CachePadded<Posts<Message>>,
    pub(crate) counters: CachePadded<Counters>,
    pub(super) host_side: CachePadded<HostSide>,
    _alive: live::Alive<{ live::GUESTS }>,
}

/// What the host thread writes, and others read at most. Atomics because they live in `Shared`; one writer needs no
/// locked instruction.
pub(super) struct HostSide {
    /// Deliveries on the stack.
    pub(super) depth: AtomicU32,
    /// The host thread is inside a delivery, whose loop will look again.
    pub(super) in_delivery: AtomicBool,
    /// A nested loop, should a callback begin one, gets a delivery soon.
    pub(super) nested_wake: AtomicBool,
    /// The one wake-up by time,
    pub(super) alarm: sys::Alarm,
    /// what it is set to, `FOREVER` for never,
    pub(super) alarm_at: AtomicU64,
    /// and how often the earliest deadline has changed since the last delivery.
    pub(super) changes: AtomicU32,
}

impl Shared {
    pub(crate) fn new(
        host: Arc<dyn Host>,
        drive: Box<dyn Waits>,
        pull: bool,
        clock: Clock,
        pauses: Pauses,
        waker: Waker,
        alarm: sys::Alarm,
    ) -> io::Result<Shared> {
        Ok(Shared {
            host,
            drive,
            pull,
            clock,
            pauses,
            posts: CachePadded::new(Posts::new()),
            waker: Arc::new(waker),
            mark: ForkMark::new()?,
            counters: CachePadded::default(),
            life: Life::default(),
            host_thread: HostThread::new(sys::this_thread(), sys::can_fence_all()),
            requested: AtomicBool::new(false),
            host_side: CachePadded::new(HostSide {
                depth: AtomicU32::new(0),
                in_delivery: AtomicBool::new(false),
                nested_wake: AtomicBool::new(false),
                alarm,
                alarm_at: AtomicU64::new(FOREVER),
                changes: AtomicU32::new(0),
            }),
            _alive: live::Alive::default(),
        })
    }

    /// Fails in a forked child, before anything shared with the parent is touched.
    pub(crate) fn check_process(&self) -> Result<()> {
        if self.mark.in_child() {
            return Err(Status::FORKED.into());
        }
        Ok(())
    }

    pub(crate) fn on_host_thread(&self) -> bool {
        self.host_thread.is(sys::this_thread())
    }

    /// Does what only the host thread may, whenever it wants to; `None`: this is not the host thread, or one that has adopted the
    /// guest.
    #[inline(always)]
    pub(crate) fn stay<R>(&self, f: impl FnOnce() -> R) -> Option<R> {
        self.host_thread.stay(sys::this_thread(), f)
    }

    /// This thread is the host thread from here on. Between two deliveries, and by the caller's word no
    /// other thread is inside the guest.
    pub(crate) fn adopt(&self) -> Result<()> {
        if self.depth() > 0 {
            return Err(Error::new(
                Status::ORDER,
                "a delivery or batch of this guest is in progress: let it end before another thread adopts the guest",
            ));
        }
        // Who stays does so for less than this, unless the system has stopped it there.
        let pause = || std::thread::sleep(Duration::from_micros(50));
        let adopted = self.host_thread.adopt(sys::this_thread(), sys::fence_all, pause);
        adopted.map_err(|error| Error::os("fencing the other threads", &error))
    }

    /// A copy of the counters. Posts may run between the looks at the two numbers, in this order to
    /// one's favour.
    pub(crate) fn stats(&self) -> Stats {
        let run = self.counters.run.get();
        let accepted = self.posts.accepted() + self.counters.posted_here.get();
        let live_posts = accepted.saturating_sub(run);
        self.counters.snapshot(live_posts, self.drive.latch_form())
    }

    /// Hands a job to the host thread; it is made when it is accepted.
    #[inline(always)]
    pub(crate) fn post(&self, make: impl FnOnce() -> Job) -> Result<()> {
        self.check_process()?;
        match self.posts.push(|| Message::Post(make())) {
            Ok(true) => self.wake(),
            Ok(false) => {}
            Err(Refused::Closed) => return Err(Status::CLOSED.into()),
            Err(Refused::NoMemory) => return Err(Status::NOMEM.into()),
        }
        Ok(())
    }

    /// That source has something to tell, or a thread of the library has finished with it. Too late is as good: the guest
    /// has ended.
    pub(crate) fn source_finished(&self, id: Id) {
        if self.posts.push_awaited(Message::Finished(id)) && !self.life.is_ended() {
            self.wake();
        }
    }

    /// Makes a delivery happen soon.
    pub(crate) fn wake(&self) {
        if self.is_delivering_here() {
            self.nested_wake();
        } else {
            self.waker.wake();
        }
    }

    /// Makes a delivery happen soon, due or not. Safe in signal handlers.
    pub(crate) fn request(&self) {
        // In this order: who is woken finds it.
        self.requested.store(true, Ordering::SeqCst);
        self.waker.wake();
    }

    /// Somebody has asked for a delivery, and no look has met it yet.
    pub(crate) fn has_request(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// Host thread: whether a delivery was asked for since the last call.
    pub(crate) fn take_request(&self) -> bool {
        self.requested.load(Ordering::Relaxed) && self.requested.swap(false, Ordering::SeqCst)
    }

    /// Harmless when repeated, and in a forked child, whose guest this is not.
    pub(crate) fn cancel(&self) {
        if self.mark.in_child() {
            return;
        }
        // In this order: a host that sees the flag may take the queue for closed.
        self.posts.close();
        if self.life.cancel() {
            self.wake();
        }
    }

    /// The host said that it is gone; the guest can only be ended by hand.
    pub(crate) fn lose_host(&self) {
        self.life.lose_host();
        self.drive.close();
        self.cancel();
    }

    pub(crate) fn state(&self) -> State {
        match () {
            () if self.life.is_ended() => State::Ended,
            () if self.depth() > 0 => State::Delivering,
            () => self.drive.state(),
        }
    }

    pub(crate) fn depth(&self) -> u32 {
        self.host_side.depth.load(Ordering::Relaxed)
    }

    /// For a forked child, which closes what this half has opened.
    pub(crate) fn close_in_child(&self) {
        self.drive.close_in_child();
        self.host_side.alarm.close_in_child();
    }
}

const CANCELLED: u8 = 1;
const DETACHING: u8 = 2;
const ENDED: u8 = 4;
const HOST_GONE: u8 = 8;

/// The one phase of a guest's life: how far its end has come. Each step is taken once and never back. Any thread.
#[derive(Default)]
pub(crate) struct Life(AtomicU8);

impl Life {
    /// The guest shall end. Says whether this is the first time.
    pub(crate) fn cancel(&self) -> bool {
        self.step(CANCELLED)
    }

    /// The host said that it is gone; the guest can only be ended by hand.
    pub(crate) fn lose_host(&self) {
        self.step(HOST_GONE);
    }

    /// From here on no callback is called any more; what is left is to detach, to run drop functions, and `done`.
    /// Says whether this is the first time.
    pub(crate) fn begin_detaching(&self) -> bool {
        self.step(DETACHING)
    }

    /// `done` is about to be called.
    pub(crate) fn end(&self) {
        self.step(ENDED);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.has(CANCELLED)
    }

    pub(crate) fn is_host_gone(&self) -> bool {
        self.has(HOST_GONE)
    }

    pub(crate) fn is_detaching(&self) -> bool {
        self.has(DETACHING)
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.has(ENDED)
    }

    fn step(&self, phase: u8) -> bool {
        self.0.fetch_or(phase, Ordering::SeqCst) & phase == 0
    }

    #[inline(always)]
    fn has(&self, phase: u8) -> bool {
        self.0.load(Ordering::SeqCst) & phase != 0
    }
}
