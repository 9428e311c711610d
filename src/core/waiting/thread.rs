//! L2. Drive THREAD: an I/O thread waits, and posts tokens to the host.
//!
//! Owns: the hand-off, and the latch that the I/O thread sleeps on. That thread, "asyncguest-io", touches nothing but
//! [`Shared`] and runs nothing of the user's but `host.post` and `host.on_stall`. It never reads the poller: the host
//! thread does. While the host is away it reads the sockets of streams that want it, see [`super::read_ahead`].

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use once_cell::sync::OnceCell;

use super::handoff::{Begun, End, HandOff, Pauses, Post, Stuck};
use super::read_ahead::ReadAhead;
use super::shared::{Ending, Shared, State, Waits};
use crate::core::host::{Posted, Stall};
use crate::core::stats::LatchForm;
use crate::sys::{this_thread, Latch, Poller};

pub(crate) struct Thread {
    hand_off: HandOff,
    latch: Latch,
    read_ahead: OnceCell<ReadAhead>,
    reports_stalls: bool,
    /// The threads that are inside the host's post functions, each in the place of its own; 0: nobody. The I/O thread cannot
    /// deliver there, but a host that tries has lost the token: `ffi::driving` asks.
    posting: [AtomicUsize; 2],
}

/// Which of the host's post functions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    IoThread,
    HostThread,
}

impl Thread {
    /// `serial`: another one for each guest.
    pub(crate) fn new(poller: &Poller, pauses: Pauses, serial: u64) -> io::Result<Thread> {
        let hand_off = HandOff::new(serial, pauses);
        let reports_stalls = pauses.stall_after != 0;
        let (latch, posting) = (Latch::new(poller)?, Default::default());
        Ok(Thread { hand_off, latch, read_ahead: OnceCell::new(), reports_stalls, posting })
    }

    /// Posts a token; failures are noted, and the I/O thread's watch tries again.
    fn post(&self, shared: &Shared, token: u64, by: By) {
        let posting = &self.posting[by as usize];
        posting.store(this_thread(), Ordering::Relaxed);
        let inlined = shared.counters.inlined_tokens.get();
        let posted = match by {
            By::IoThread => shared.host.post(token),
            By::HostThread => shared.host.post_local(token),
        };
        posting.store(0, Ordering::Relaxed);
        match posted {
            Posted::Gone => shared.lose_host(),
            Posted::Later => {
                shared.counters.post_failures.add_shared(1);
                self.hand_off.post_failed(token, shared.clock.now());
            }
            // The host ran the token instead of queueing it, and was refused.
            Posted::Queued if shared.counters.inlined_tokens.get() != inlined => {
                self.hand_off.post_failed(token, shared.clock.now());
            }
            Posted::Queued => {}
        }
    }

    fn post_new(&self, shared: &Shared, token: u64, by: By) {
        shared.counters.tokens.add_shared(1);
        self.post(shared, token, by);
    }
}

impl Waits for Thread {
    fn state(&self) -> State {
        match self.hand_off.is_posted() {
            true => State::Posted,
            false => State::Polling,
        }
    }

    fn begin(&self, token: u64, now: u64) -> Option<Begun> {
        let begun = self.hand_off.begin(token, now)?;
        Some(self.with_stalls(begun))
    }

    fn end(&self, shared: &Shared, ending: &Ending<'_>) {
        shared.set_alarm(ending.earliest);
        // A wake-up that was asked for in the delivery is this thread's to post: no other need wake for it.
        let more = ending.more || shared.has_request() && !shared.life.is_ended();
        match self.hand_off.end(more, ending.now) {
            End::Nothing => {}
            End::Arm => self.latch.arm(),
            End::Post(token) => self.post_new(shared, token, By::HostThread),
            End::PostAndKick(token) => {
                self.post_new(shared, token, By::HostThread);
                self.kick();
            }
        }
    }

    fn nested_wake(&self, shared: &Shared) {
        // For a step that no token announced, or a delivery that has had its token for a nested loop.
        if self.hand_off.nested_wake(shared.clock.now()) {
            self.kick();
        }
    }

    fn watches(&self) -> bool {
        true
    }

    fn begin_sleep(&self) {
        self.hand_off.wait();
    }

    fn end_sleep(&self, now: u64) -> Begun {
        self.with_stalls(self.hand_off.resume(now))
    }

    fn close(&self) {
        self.hand_off.close();
    }

    fn refuses_inline(&self, shared: &Shared) -> bool {
        let posting = self.posting.iter().any(|thread| thread.load(Ordering::Relaxed) == this_thread());
        if posting {
            shared.counters.inlined_tokens.add_shared(1);
        }
        posting
    }

    fn latch_form(&self) -> LatchForm {
        LatchForm::of(&self.latch)
    }

    fn thread(&self) -> Option<&'static str> {
        Some("asyncguest-io")
    }

    fn run_thread(&self, shared: &Shared) {
        // The hand-off takes it for armed from the start.
        self.latch.arm();
        let mut sleep = None;
        loop {
            let open = self.latch.wait(sleep);
            if shared.life.is_ended() {
                return;
            }
            shared.counters.io_wakeups.add(1);
            if let Some(token) = open.then(|| self.hand_off.opened(shared.clock.now())).flatten() {
                self.post_new(shared, token, By::IoThread);
            }
            sleep = loop {
                let watch = self.hand_off.watch(shared.clock.now());
                if let Some((stuck, lasted)) = watch.stall {
                    shared.counters.stalls.add(1);
                    shared.host.on_stall(Stall::from(stuck), lasted);
                }
                if shared.life.is_ended() {
                    // The last post may have taken long, and its host's data may be gone.
                    return;
                }
                match watch.post {
                    None => {
                        if watch.away {
                            self.fill(shared);
                        }
                        break watch.sleep;
                    }
                    // It may fail and want an earlier look, hence the loop.
                    Some(Post::First(token)) => self.post_new(shared, token, By::IoThread),
                    Some(Post::Again(token)) => {
                        shared.counters.reposts.add_shared(1);
                        self.post(shared, token, By::IoThread);
                    }
                }
            };
        }
    }

    fn read_ahead(&self) -> io::Result<Option<&ReadAhead>> {
        self.read_ahead.get_or_try_init(|| ReadAhead::new(&self.latch)).map(Some)
    }

    fn kick(&self) {
        self.latch.kick();
    }

    fn close_in_child(&self) {
        self.latch.close_in_child();
        if let Some(read_ahead) = self.read_ahead.get() {
            read_ahead.close_in_child();
        }
    }
}

impl Thread {
    /// The host is away: reads for it what has come.
    fn fill(&self, shared: &Shared) {
        if let Some(read_ahead) = self.read_ahead.get() {
            let bytes = read_ahead.fill(&self.latch, |id| shared.source_finished(id));
            shared.counters.read_ahead.add(bytes);
        }
    }

    /// A delivery whose stall is to be reported has to be watched.
    fn with_stalls(&self, begun: Begun) -> Begun {
        Begun { unnoticed: begun.unnoticed || self.reports_stalls && !begun.watched, ..begun }
    }
}

impl From<Stuck> for Stall {
    fn from(stuck: Stuck) -> Stall {
        match stuck {
            Stuck::Token => Stall::Undelivered,
            Stuck::Delivery => Stall::Delivering,
        }
    }
}
