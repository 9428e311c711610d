//! L2. The half of a guest that every thread may touch.
//!
//! Owns: the hand-off, the queue of posts, the waker, the gate, and the flags of the guest's end.
//! Posting to the host and waking the guest are here; what a change inside a delivery needs is in
//! [`super::cover`].

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::batch::{End, HandOff, Pauses};
use super::cover::Cover;
use super::host::{Host, Posted};
use super::live;
use super::message::{Job, Message};
use super::posts::{Posts, Refused};
use super::stalls::Stalls;
use super::stats::{Counters, Stats};
use crate::clock::Clock;
use crate::error::{Error, Result, Status};
use crate::id::Id;
use crate::sys::{self, ForkMark, Gate, OsFd, Poller, Waker};

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

/// See the file's head.
pub(crate) struct Shared {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) drive: Drive,
    pub(crate) clock: Clock,
    pub(crate) pauses: Pauses,
    pub(crate) hand_off: HandOff,
    // What other threads write and what the host thread writes with every event do not share a
    // cache line.
    pub(crate) posts: CachePadded<Posts<Message>>,
    pub(crate) waker: Arc<Waker>,
    /// In drive THREAD, and with `stalls`.
    pub(crate) gate: Option<Gate>,
    /// In drive FD, if stalls are to be reported.
    pub(crate) stalls: Option<Stalls>,
    pub(crate) mark: ForkMark,
    pub(crate) counters: CachePadded<Counters>,
    /// Changes when another thread adopts the guest.
    host_thread: AtomicUsize,
    /// The guest shall end; once true, never false again.
    cancelled: AtomicBool,
    /// With which status; the first reason counts.
    gone: AtomicBool,
    /// `done` has been called.
    ended: AtomicBool,
    /// The I/O thread shall end.
    stopping: AtomicBool,
    /// Somebody has asked for a delivery, due or not, and no look at the poller has met it yet.
    requested: AtomicBool,
    /// Deliveries on the stack. Written by the host thread.
    depth: AtomicU32,
    _alive: live::Alive<{ live::GUESTS }>,
    pub(super) cover: CachePadded<Cover>,
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
        let watched = drive == Drive::Fd && pauses.stall_after != 0;
        let has_thread = drive == Drive::Thread || watched;
        Ok(Shared {
            host,
            drive,
            clock,
            pauses,
            hand_off: HandOff::new(SERIAL.fetch_add(1, Ordering::Relaxed), pauses),
            posts: CachePadded::new(Posts::new()),
            waker: Arc::new(waker),
            gate: if has_thread { Some(Gate::new(poller)?) } else { None },
            stalls: watched.then(|| Stalls::new(pauses.stall_after)),
            mark: ForkMark::new()?,
            counters: CachePadded::default(),
            host_thread: AtomicUsize::new(sys::this_thread()),
            cancelled: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            requested: AtomicBool::new(false),
            cover: CachePadded::new(Cover::new(poller)?),
            depth: AtomicU32::new(0),
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
        sys::this_thread() == self.host_thread.load(Ordering::Relaxed)
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
        self.host_thread.store(sys::this_thread(), Ordering::Relaxed);
        Ok(())
    }

    /// Somebody has asked for a delivery, and no look has met it yet.
    pub(crate) fn has_request(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// A copy of the counters. Posts may run between the looks at the two numbers, in this order to
    /// one's favour.
    pub(crate) fn stats(&self) -> Stats {
        let run = self.counters.run.get();
        self.counters.snapshot(self.posts.accepted().saturating_sub(run))
    }

    /// Hands a job to the host thread. `Err`: the job is back.
    #[inline(always)]
    pub(crate) fn post_job(&self, job: Job) -> std::result::Result<(), (Error, Job)> {
        if self.mark.in_child() {
            return Err((Status::FORKED.into(), job));
        }
        match self.posts.push(Message::Post(job)) {
            Ok(wake) => {
                if wake {
                    self.wake();
                }
                Ok(())
            }
            Err((Refused::Closed, Message::Post(job))) => Err((Status::CLOSED.into(), job)),
            Err((Refused::NoMemory, Message::Post(job))) => Err((Status::NOMEM.into(), job)),
            Err((_, Message::Ready(_))) => unreachable!("a queue gives back what it was given"),
        }
    }

    /// A thread of the library has finished with that source. Too late is as good: the guest has ended.
    pub(crate) fn source_ready(&self, id: Id) {
        if self.posts.push_awaited(Message::Ready(id)) && !self.is_ended() {
            self.wake();
        }
    }

    /// Makes a delivery happen soon.
    pub(crate) fn wake(&self) {
        if self.is_looking() && self.on_host_thread() {
            self.cover();
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

    /// Harmless when repeated, and in a forked child, whose guest this is not.
    pub(crate) fn cancel(&self) {
        if self.mark.in_child() {
            return;
        }
        // In this order: a host that sees the flag may take the queue for closed.
        self.posts.close();
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
        self.hand_off.close();
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
        match self.drive {
            _ if self.is_ended() => State::Ended,
            _ if self.depth() > 0 => State::Delivering,
            Drive::Thread if self.hand_off.is_posted() => State::Posted,
            Drive::Thread => State::Polling,
            Drive::Fd | Drive::Run => State::Idle,
        }
    }

    /// Ends the I/O thread.
    pub(crate) fn stop_io_thread(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.kick();
    }

    pub(super) fn kick(&self) {
        if let Some(gate) = &self.gate {
            gate.kick();
        }
    }

    /// Deliveries on the stack.
    pub(crate) fn depth(&self) -> u32 {
        self.depth.load(Ordering::Relaxed)
    }

    pub(crate) fn set_depth(&self, depth: u32) {
        self.depth.store(depth, Ordering::Relaxed);
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

    /// A delivery begins in drive FD or RUN.
    pub(crate) fn begin_unposted(&self, now: u64) {
        if self.stalls.as_ref().is_some_and(|stalls| stalls.begin(now)) {
            self.kick();
        }
    }

    /// It is over.
    pub(crate) fn end_unposted(&self) {
        if let Some(stalls) = &self.stalls {
            stalls.end();
        }
    }

    /// Whether a delivery was asked for since the last call.
    pub(crate) fn take_request(&self) -> bool {
        self.requested.load(Ordering::Relaxed) && self.requested.swap(false, Ordering::SeqCst)
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
        gate.into_iter().filter(|fd| *fd >= 0).chain([self.cover.alarm_fd()]).collect()
    }
}
