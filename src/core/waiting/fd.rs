//! L2. Drive FD: the host watches one fd, which is readable while anything is due.
//!
//! Owns: with `stall_after`, what its thread "asyncguest-watch" goes by, which notices a host that is stuck and does
//! nothing else: it runs nothing of the user's but `host.on_stall`, and never reads the poller.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::handoff::{Begun, Pauses};
use super::shared::{Ending, Shared, Waits};
use super::stalls::{Look, Stalls};
use crate::core::stats::LatchForm;
use crate::sys::{Latch, Poller};

pub(crate) struct Fd {
    watch: Option<Watch>,
    /// The host needs no edge to see that something is ready.
    level_triggered: bool,
    /// When the last delivery ended; written by the host thread alone.
    ended_at: AtomicU64,
}

struct Watch {
    stalls: Stalls,
    latch: Latch,
}

impl Fd {
    pub(crate) fn new(poller: &Poller, pauses: Pauses, level_triggered: bool) -> io::Result<Fd> {
        let watch = match pauses.stall_after {
            0 => None,
            stall_after => Some(Watch { stalls: Stalls::new(stall_after), latch: Latch::new(poller)? }),
        };
        Ok(Fd { watch, level_triggered, ended_at: AtomicU64::new(0) })
    }

    /// The next wake-up is that for the earliest deadline.
    ///
    /// Each batch of the pull form has a nested wake. In a run of them, one serves all that begin before it
    /// goes off, for it is left standing; the run's end is then followed by one wake-up too many, whose
    /// batch is not busy.
    fn settle_alarm(&self, shared: &Shared, ending: &Ending<'_>) {
        let pause = ending.now.saturating_sub(self.ended_at.load(Ordering::Relaxed));
        self.ended_at.store(ending.now, Ordering::Relaxed);
        let at = shared.alarm_at();
        let stands = || shared.has_nested_wake() && ending.now < at && at < ending.earliest;
        if !(ending.busy && pause < shared.pauses.nested_after && stands()) {
            shared.set_alarm(ending.earliest);
        }
    }
}

impl Waits for Fd {
    fn begin(&self, token: u64, now: u64) -> Option<Begun> {
        // There are no tokens.
        if token != 0 {
            return None;
        }
        if let Some(watch) = &self.watch {
            if watch.stalls.begin(now) {
                watch.latch.kick();
            }
        }
        Some(Begun::default())
    }

    fn end(&self, shared: &Shared, ending: &Ending<'_>) {
        self.settle_alarm(shared, ending);
        if let Some(watch) = &self.watch {
            watch.stalls.end();
        }
        // The fd stays readable: the waker's event is there until the next delivery polls. What is ready stays so
        // without a new edge, which the host may wait for.
        if ending.more || !self.level_triggered && !shared.life.is_ended() && (ending.has_unpolled)() {
            shared.waker.wake();
        }
    }

    fn nested_wake(&self, shared: &Shared) {
        let at = shared.alarm_at();
        // Mostly the alarm is soon enough, and the cheaper clock says so.
        if at > shared.clock.coarse().saturating_add(shared.pauses.nested_after) {
            let soon = shared.clock.now().saturating_add(shared.pauses.nested_after);
            shared.set_alarm(soon.min(at));
        }
    }

    /// The first change is made at once, so that the end has nothing to do; after that the nested wake is cheaper.
    fn deadline_nearer(&self, shared: &Shared, earliest: u64) {
        if !shared.has_nested_wake() && shared.is_first_change() {
            shared.set_alarm(earliest);
        } else {
            shared.nested_wake();
        }
    }

    fn alarm_passed(&self, shared: &Shared) {
        shared.lose_nested_wake();
    }

    fn begin_sleep(&self) {
        if let Some(watch) = &self.watch {
            watch.stalls.wait();
        }
    }

    fn end_sleep(&self, now: u64) -> Begun {
        if let Some(watch) = &self.watch {
            if watch.stalls.resume(now) {
                watch.latch.kick();
            }
        }
        Begun::default()
    }

    fn latch_form(&self) -> LatchForm {
        self.watch.as_ref().map_or(LatchForm::None, |watch| LatchForm::of(&watch.latch))
    }

    fn thread(&self) -> Option<&'static str> {
        self.watch.is_some().then_some("asyncguest-watch")
    }

    fn run_thread(&self, shared: &Shared) {
        let Some(Watch { stalls, latch }) = &self.watch else { return };
        // It is taken for armed from the start.
        latch.arm();
        let mut sleep = None;
        loop {
            let mut open = latch.wait(sleep);
            shared.counters.io_wakeups.add(1);
            sleep = loop {
                if shared.life.is_ended() {
                    return;
                }
                match stalls.look(shared.clock.now(), open) {
                    Look::Ask => {
                        latch.arm();
                        open = latch.wait(Some(0));
                    }
                    Look::Report(kind, lasted) => {
                        shared.counters.stalls.add(1);
                        shared.host.on_stall(kind, lasted);
                        open = false;
                    }
                    Look::Sleep(sleep) => break sleep,
                }
            };
        }
    }

    fn kick(&self) {
        if let Some(watch) = &self.watch {
            watch.latch.kick();
        }
    }

    fn close_in_child(&self) {
        if let Some(watch) = &self.watch {
            watch.latch.close_in_child();
        }
    }
}
