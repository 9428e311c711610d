//! L2. Stalls in drive FD, where nobody but the host looks after the guest's fd.
//!
//! Owns: what the host thread and the thread "asyncguest-watch" know of each other, under one short
//! lock. That thread exists with `stall_after` alone. It sleeps before the latch, armed, while nothing is
//! due. Once something is, it looks after `stall_after`: whether a delivery has begun since, and
//! whether one lasts. While deliveries go on it looks at that pace, and goes back to the latch when a
//! look finds that none has begun since the last. In drive THREAD the hand-off knows all this.
//!
//! The host thread adds nothing to a delivery but the lock, and a kick when that thread sleeps without
//! a limit.

use crate::core::host::Stall;
use crate::sync::{lock, Mutex};

/// One delivery in progress; the last is the innermost.
struct InProgress {
    /// When it began, or last stopped waiting.
    since: u64,
    reported: bool,
    /// The host thread sleeps in it until something is due: it is not stuck.
    waiting: bool,
}

#[derive(Default)]
struct State {
    /// Since when the fd is known to be readable without a delivery having begun.
    readable_since: Option<u64>,
    /// That has been reported.
    reported: bool,
    /// The latch has been armed anew to see whether that is still so.
    asking: bool,
    in_progress: Vec<InProgress>,
    /// A delivery has begun since the last look.
    begun: bool,
    armed: bool,
    /// The watching thread looks again by itself.
    scheduled: bool,
}

/// What the watching thread has to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Arm the latch and say at once whether it has opened.
    Ask,
    /// Report that stall, then look again.
    Report(Stall, u64),
    /// Sleep so long, or until the latch opens.
    Sleep(Option<u64>),
}

pub(crate) struct Stalls {
    stall_after: u64,
    state: Mutex<State>,
}

impl Stalls {
    /// The latch is taken for armed: the watching thread arms it when it starts.
    pub(crate) fn new(stall_after: u64) -> Stalls {
        let state = State { in_progress: Vec::with_capacity(8), armed: true, ..State::default() };
        Stalls { stall_after, state: Mutex::new(state) }
    }

    /// Watching thread. `open`: the latch has opened.
    pub(crate) fn look(&self, now: u64, open: bool) -> Look {
        let mut s = lock(&self.state);
        s.armed &= !open;
        let asked = std::mem::replace(&mut s.asking, false);
        let look = match s.in_progress.last_mut() {
            Some(delivery) if delivery.waiting => Look::Sleep(None),
            Some(delivery) => delivery.look(now, self.stall_after),
            None => s.between_deliveries(now, open, asked, self.stall_after),
        };
        s.scheduled = !matches!(look, Look::Sleep(None));
        look
    }

    /// Host thread: a delivery begins. Says whether the watching thread has to be kicked.
    pub(crate) fn begin(&self, now: u64) -> bool {
        let mut s = lock(&self.state);
        s.in_progress.push(InProgress { since: now, reported: false, waiting: false });
        (s.readable_since, s.reported, s.begun) = (None, false, true);
        !std::mem::replace(&mut s.scheduled, true)
    }

    /// Host thread: the innermost delivery is over.
    pub(crate) fn end(&self) {
        lock(&self.state).in_progress.pop();
    }

    /// Host thread: it is about to sleep inside the innermost delivery.
    pub(crate) fn wait(&self) {
        if let Some(delivery) = lock(&self.state).in_progress.last_mut() {
            delivery.waiting = true;
        }
    }

    /// Host thread: it is awake again, and the delivery counts from now. Says whether to kick.
    pub(crate) fn resume(&self, now: u64) -> bool {
        let mut s = lock(&self.state);
        if let Some(delivery) = s.in_progress.last_mut() {
            *delivery = InProgress { since: now, reported: false, waiting: false };
        }
        !std::mem::replace(&mut s.scheduled, true)
    }
}

impl InProgress {
    fn look(&mut self, now: u64, stall_after: u64) -> Look {
        let lasted = now.saturating_sub(self.since);
        if self.reported {
            // Its end tells nobody, and somebody has to arm the latch then.
            Look::Sleep(Some(stall_after))
        } else if lasted >= stall_after {
            self.reported = true;
            Look::Report(Stall::Delivering, lasted)
        } else {
            Look::Sleep(Some(stall_after - lasted))
        }
    }
}

impl State {
    fn between_deliveries(&mut self, now: u64, open: bool, asked: bool, stall_after: u64) -> Look {
        if open {
            self.readable_since.get_or_insert(now);
        } else if asked {
            // What it was readable for has gone by itself, such as a timer that was closed.
            self.readable_since = None;
        }
        let Some(since) = self.readable_since else {
            if !std::mem::replace(&mut self.armed, true) {
                self.asking = true;
                return Look::Ask;
            }
            // A host that steps all the time would kick all the time.
            return Look::Sleep(std::mem::take(&mut self.begun).then_some(stall_after));
        };
        let lasted = now.saturating_sub(since);
        if self.reported {
            // The next delivery kicks.
            return Look::Sleep(None);
        }
        if lasted < stall_after {
            return Look::Sleep(Some(stall_after - lasted));
        }
        if !open {
            (self.armed, self.asking) = (true, true);
            return Look::Ask;
        }
        self.reported = true;
        Look::Report(Stall::Undelivered, lasted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const IDLE: Look = Look::Sleep(None);

    fn sleep(ms: u64) -> Look {
        Look::Sleep(Some(ms * MS))
    }

    #[test]
    fn an_idle_guest_is_left_alone() {
        let stalls = Stalls::new(50 * MS);
        assert_eq!(stalls.look(0, false), IDLE);
    }

    #[test]
    fn an_fd_that_nobody_serves_is_reported_once() {
        let stalls = Stalls::new(50 * MS);
        assert_eq!(stalls.look(0, true), sleep(50));
        assert_eq!(stalls.look(20 * MS, false), sleep(30), "a signal, or a kick");
        assert_eq!(stalls.look(51 * MS, false), Look::Ask);
        assert_eq!(stalls.look(51 * MS, true), Look::Report(Stall::Undelivered, 51 * MS));
        assert_eq!(stalls.look(51 * MS, false), IDLE);
        assert!(stalls.begin(60 * MS), "the thread sleeps without a limit");
        stalls.end();
        assert_eq!(stalls.look(61 * MS, false), Look::Ask);
        assert_eq!(stalls.look(61 * MS, true), sleep(50), "it is readable again, from now");
    }

    #[test]
    fn what_went_away_by_itself_is_no_stall() {
        let stalls = Stalls::new(50 * MS);
        assert_eq!(stalls.look(0, true), sleep(50));
        assert_eq!(stalls.look(50 * MS, false), Look::Ask);
        assert_eq!(stalls.look(50 * MS, false), IDLE);
        assert_eq!(stalls.look(70 * MS, true), sleep(50), "the latch was armed");
    }

    #[test]
    fn a_long_delivery_is_reported_once() {
        let stalls = Stalls::new(50 * MS);
        assert!(stalls.begin(0));
        assert_eq!(stalls.look(0, false), sleep(50));
        assert_eq!(stalls.look(50 * MS, true), Look::Report(Stall::Delivering, 50 * MS));
        assert_eq!(stalls.look(50 * MS, false), sleep(50));
        stalls.end();
        assert_eq!(stalls.look(100 * MS, false), Look::Ask, "the latch opened meanwhile");
        assert_eq!(stalls.look(100 * MS, false), sleep(50), "one has begun since the last look");
        assert_eq!(stalls.look(150 * MS, false), IDLE);
    }

    #[test]
    fn a_busy_guest_is_looked_at_at_the_pace_of_stalls() {
        let stalls = Stalls::new(50 * MS);
        assert_eq!(stalls.look(0, true), sleep(50));
        for now in 0..50 {
            assert!(!stalls.begin(now * MS), "no kick");
            stalls.end();
        }
        assert_eq!(stalls.look(50 * MS, false), Look::Ask);
        assert_eq!(stalls.look(50 * MS, true), sleep(50));
    }

    #[test]
    fn a_host_that_steps_kicks_at_that_pace_at_most() {
        let stalls = Stalls::new(50 * MS);
        assert!(stalls.begin(0));
        stalls.end();
        assert_eq!(stalls.look(0, false), sleep(50));
        assert!(!stalls.begin(10 * MS));
        stalls.end();
        assert_eq!(stalls.look(50 * MS, false), sleep(50));
        assert_eq!(stalls.look(100 * MS, false), IDLE);
    }

    #[test]
    fn a_host_that_waits_in_its_batch_is_not_stuck() {
        let stalls = Stalls::new(50 * MS);
        assert!(stalls.begin(0));
        stalls.wait();
        assert_eq!(stalls.look(60 * MS, true), IDLE);
        assert!(stalls.resume(70 * MS));
        assert_eq!(stalls.look(70 * MS, false), sleep(50));
        assert_eq!(stalls.look(120 * MS, false), Look::Report(Stall::Delivering, 50 * MS));
    }
}
