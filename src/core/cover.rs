//! L2. What a change on the host thread needs so that it is noticed in time.
//!
//! Owns: the alarm, and what the host thread is about. Host thread only (the flags are atomics because
//! they live in `Shared`; one writer needs no locked instruction).
//!
//! Outside a delivery a change wakes the guest, or sets the alarm. *Inside* one it needs no
//! wake-up, since the delivery looks again before it ends. But its callback may be about to run a
//! nested host loop. That loop is reached by the *cover*: in drive THREAD the I/O thread's watch
//! over long deliveries, in drive FD the alarm, set to `nested_after` from now. So a change costs a
//! flag, and not a system call each.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use super::batch::Begun;
use super::shared::{Drive, Shared};
use crate::clock::{Clock, FOREVER, MILLISECOND};
use crate::sys::{Alarm, OsFd, Poller};

/// How many changes of the alarm between two deliveries are made at once. A longer burst asks for
/// one delivery instead, which sets the alarm for all of them.
const EXACT_CHANGES: u32 = 16;

/// The coarse clock is at most a tick behind. Where a stopped machine makes it more, the alarm tells.
const COARSE: u64 = 20 * MILLISECOND;

/// See the file's head.
pub(crate) struct Cover {
    /// The host thread is inside a delivery, whose loop will look again.
    looking: AtomicBool,
    /// The cover of this delivery stands.
    covered: AtomicBool,
    alarm: Alarm,
    /// What the alarm is set to.
    alarm_at: AtomicU64,
    /// When the last delivery ended.
    ended_at: AtomicU64,
    /// Changes of the alarm since the last delivery.
    alarm_changes: AtomicU32,
}

impl Cover {
    pub(super) fn new(poller: &Poller) -> io::Result<Cover> {
        let alarm = Alarm::new()?;
        poller.add_alarm(&alarm)?;
        Ok(Cover {
            looking: AtomicBool::new(false),
            covered: AtomicBool::new(false),
            alarm,
            alarm_at: AtomicU64::new(FOREVER),
            ended_at: AtomicU64::new(0),
            alarm_changes: AtomicU32::new(0),
        })
    }

    pub(super) fn alarm_fd(&self) -> OsFd {
        self.alarm.as_raw_fd()
    }
}

impl Shared {
    /// A delivery begins to run callbacks, or one of its callbacks has returned: changes made from
    /// here on are looked for again. `watched`: the I/O thread covers it.
    pub(crate) fn set_looking(&self, watched: bool) {
        self.cover.looking.store(true, Ordering::Relaxed);
        self.cover.covered.store(watched, Ordering::Relaxed);
    }

    /// The host is about to sleep: changes have to wake it.
    pub(crate) fn set_asleep(&self) {
        self.cover.looking.store(false, Ordering::Relaxed);
        self.cover.alarm_changes.store(0, Ordering::Relaxed);
    }

    pub(crate) fn is_looking(&self) -> bool {
        self.cover.looking.load(Ordering::Relaxed)
    }

    /// The I/O thread watches this delivery, so that posts of other threads need not wake anybody.
    pub(crate) fn is_watched(&self) -> bool {
        self.drive == Drive::Thread && self.cover.covered.load(Ordering::Relaxed)
    }

    /// Makes sure that a nested loop, should a callback begin one, gets a delivery soon.
    pub(crate) fn cover(&self) {
        if self.cover.covered.load(Ordering::Relaxed) {
            return;
        }
        self.cover.covered.store(true, Ordering::Relaxed);
        match self.drive {
            Drive::Fd => {
                let alarm_at = self.cover.alarm_at.load(Ordering::Relaxed);
                // Mostly the alarm is soon enough, and the cheaper clock says so.
                if alarm_at > self.clock.coarse().saturating_add(self.pauses.nested_after) {
                    let at = self.clock.now().saturating_add(self.pauses.nested_after);
                    self.set_alarm(at.min(alarm_at));
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

    /// A delivery has begun. `watched`: the I/O thread covers it; `unnoticed`: nothing would tell it.
    pub(crate) fn cover_unnoticed(&self, watched: bool, unnoticed: bool) {
        if self.drive != Drive::Thread {
            return;
        }
        if unnoticed || !watched && self.pauses.stall_after != 0 {
            // Nobody watches this delivery, and nothing would tell of it; or its stall is to be reported.
            self.cover();
        }
    }

    /// The host thread is about to sleep inside a delivery until `deadline`: for that, no cover is
    /// needed, and no other thread.
    pub(crate) fn begin_wait(&self, deadline: u64) {
        self.cover.covered.store(false, Ordering::Relaxed);
        if deadline < self.cover.alarm_at.load(Ordering::Relaxed) {
            // An earlier one, a cover from before, stirs once and is not set again.
            self.set_alarm(deadline);
        }
        match &self.stalls {
            Some(stalls) => stalls.wait(),
            None if self.drive == Drive::Thread => self.hand_off.wait(),
            None => {}
        }
    }

    /// It is awake, and user code is about to run again.
    pub(crate) fn end_wait(&self, now: u64) {
        if self.drive == Drive::Thread {
            let Begun { watched, unnoticed, .. } = self.hand_off.resume(now);
            self.set_looking(watched);
            self.cover_unnoticed(watched, unnoticed);
        } else if self.stalls.as_ref().is_some_and(|stalls| stalls.resume(now)) {
            self.kick();
        }
    }

    /// The earliest deadline is now `earliest`. Exact also when it is later than before: a wake-up
    /// for a timer that was stopped would not be free.
    pub(crate) fn alarm_changed(&self, earliest: u64) {
        let at = self.cover.alarm_at.load(Ordering::Relaxed);
        if earliest == at {
            return;
        }
        if self.is_looking() {
            // The end of this delivery sets it; only an earlier one may matter before.
            if earliest < at {
                self.alarm_earlier(earliest);
            }
            return;
        }
        let changes = self.cover.alarm_changes.load(Ordering::Relaxed);
        self.cover.alarm_changes.store(changes.saturating_add(1), Ordering::Relaxed);
        if changes < EXACT_CHANGES {
            self.set_alarm(earliest);
        } else if changes == EXACT_CHANGES {
            self.waker.wake();
        }
    }

    /// Inside a delivery, which may begin a nested loop. The first change is made at once, so that the
    /// end has nothing to do; after that the cover is cheaper.
    fn alarm_earlier(&self, earliest: u64) {
        let changes = self.cover.alarm_changes.load(Ordering::Relaxed);
        let covered = self.cover.covered.load(Ordering::Relaxed);
        if self.drive == Drive::Fd && changes == 0 && !covered {
            self.cover.alarm_changes.store(1, Ordering::Relaxed);
            self.set_alarm(earliest);
        } else {
            self.cover();
        }
    }

    /// A delivery ends: the next wake-up is that for `earliest`. `busy`: of the pull form, and it has had
    /// something to do.
    ///
    /// Each delivery of the pull form is covered. In a run of them, one cover serves all that begin
    /// before it goes off, for it is left standing; the run's end is then followed by one wake-up too
    /// many, whose delivery is not busy.
    pub(crate) fn settle_alarm(&self, earliest: u64, now: u64, busy: bool) {
        let pause = now.saturating_sub(self.cover.ended_at.load(Ordering::Relaxed));
        self.cover.ended_at.store(now, Ordering::Relaxed);
        let at = self.cover.alarm_at.load(Ordering::Relaxed);
        let stands = self.cover.covered.load(Ordering::Relaxed) && now < at && at < earliest;
        if !(self.drive == Drive::Fd && busy && stands && pause < self.pauses.nested_after) {
            self.set_alarm(earliest);
        }
    }

    /// Sets the alarm to the earliest deadline, `FOREVER` for none.
    pub(crate) fn set_alarm(&self, deadline: u64) {
        if self.cover.alarm_at.load(Ordering::Relaxed) == deadline {
            return;
        }
        self.cover.alarm_at.store(deadline, Ordering::Relaxed);
        // A manual clock's test steps by itself; the system's alarm knows nothing of its time.
        if let Clock::System { .. } = self.clock {
            let set = self.cover.alarm.set(deadline);
            debug_assert!(set.is_ok(), "{set:?}");
        }
    }

    /// The time that a look at the timers goes by. To the nanosecond only where that can matter, for
    /// asking costs as much as the rest of a look that finds nothing. `rang`: the alarm has gone off.
    pub(super) fn time_of_look(&self, rang: bool, earliest: u64) -> u64 {
        let coarse = self.clock.coarse();
        let next = earliest.min(self.cover.alarm_at.load(Ordering::Relaxed));
        if rang || coarse.saturating_add(COARSE) >= next {
            return self.clock.now();
        }
        coarse
    }

    /// The alarm has gone off, or should have: it has to be set anew, also if it was a cover.
    pub(crate) fn alarm_passed(&self, now: u64) {
        if self.cover.alarm_at.load(Ordering::Relaxed) <= now {
            self.cover.alarm_at.store(FOREVER, Ordering::Relaxed);
            if self.drive == Drive::Fd {
                self.cover.covered.store(false, Ordering::Relaxed);
            }
        }
    }

    /// User code is about to run, which may begin a nested loop. `owes`: something is ready that
    /// polling does not find; `earliest`: the next timer.
    pub(crate) fn before_callback(&self, owes: impl FnOnce() -> bool, earliest: impl FnOnce() -> u64) {
        if self.cover.covered.load(Ordering::Relaxed) {
            return;
        }
        if owes() {
            self.cover();
            return;
        }
        let earliest = earliest();
        if earliest < self.cover.alarm_at.load(Ordering::Relaxed) {
            // The end would set it to the same.
            self.set_alarm(earliest);
        }
    }
}
