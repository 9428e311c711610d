//! L2. What a change on the host thread needs so that it is noticed in time: the alarm, or a nested wake.
//!
//! Owns: nothing; it is the host thread's part of [`Shared`].
//!
//! Outside a delivery a change wakes the guest, or sets the alarm. *Inside* one it needs no
//! wake-up, since the delivery looks again before it ends. But its callback may be about to run a
//! nested host loop. That loop is reached by the *nested wake*: in drive THREAD the I/O thread's watch
//! over long deliveries, in drive FD the alarm, set to `nested_after` from now. So a change costs a
//! flag, and not a system call each.

use std::sync::atomic::Ordering;

use super::handoff::Begun;
use super::shared::Shared;
use crate::clock::{Clock, FOREVER, MILLISECOND};

/// How many changes between two deliveries set the alarm at once. A longer burst asks for one delivery
/// instead, which sets it for all of them.
const EXACT_CHANGES: u32 = 16;

/// The coarse clock is at most a tick behind. Where a stopped machine makes it more, the alarm tells.
const COARSE: u64 = 20 * MILLISECOND;

impl Shared {
    /// A delivery begins; how long its token was under way. `None`: its token is stale.
    pub(crate) fn begin_delivery(&self, token: u64, now: u64) -> Option<Option<u64>> {
        let begun = self.drive.begin(token, now)?;
        self.set_depth(self.depth() + 1);
        self.look_again(&begun);
        Some(begun.latency)
    }

    /// The innermost delivery has looked for the last time: changes have to wake the host.
    pub(crate) fn leave_delivery(&self) {
        self.set_depth(self.depth() - 1);
        self.host_side.in_delivery.store(false, Ordering::Relaxed);
        self.host_side.changes.store(0, Ordering::Relaxed);
    }

    /// The end of the guest runs drop functions as a delivery does, which needs no waking.
    pub(crate) fn begin_closing(&self) {
        self.set_depth(self.depth() + 1);
        self.host_side.in_delivery.store(true, Ordering::Release);
        self.host_side.nested_wake.store(true, Ordering::Relaxed);
    }

    /// A callback has returned. If it ran a nested loop, whose last delivery has ended, changes made from here on are
    /// looked for again all the same.
    #[inline(always)]
    pub(crate) fn return_to_delivery(&self) {
        if !self.in_delivery() {
            self.look_again(&Begun::default());
        }
    }

    fn look_again(&self, begun: &Begun) {
        self.host_side.in_delivery.store(true, Ordering::Release);
        self.host_side.nested_wake.store(begun.watched, Ordering::Relaxed);
        if begun.unnoticed {
            self.nested_wake();
        }
    }

    pub(crate) fn in_delivery(&self) -> bool {
        self.host_side.in_delivery.load(Ordering::Acquire)
    }

    /// Whether this thread is inside a delivery, and so stays the host thread for now. Any thread.
    #[inline(always)]
    pub(crate) fn is_delivering_here(&self) -> bool {
        // In this order: who sees the delivery of a thread that has adopted the guest sees the adoption.
        self.in_delivery() && self.on_host_thread()
    }

    /// Posts of other threads need not wake anybody: the I/O thread watches this delivery.
    pub(crate) fn is_watched(&self) -> bool {
        self.has_nested_wake() && self.drive.watches()
    }

    pub(super) fn has_nested_wake(&self) -> bool {
        self.host_side.nested_wake.load(Ordering::Relaxed)
    }

    pub(super) fn lose_nested_wake(&self) {
        self.host_side.nested_wake.store(false, Ordering::Relaxed);
    }

    /// Makes sure that a nested loop, should a callback begin one, gets a delivery soon.
    pub(crate) fn nested_wake(&self) {
        if !self.has_nested_wake() {
            self.host_side.nested_wake.store(true, Ordering::Relaxed);
            self.drive.nested_wake(self);
        }
    }

    /// User code is about to run, which may begin a nested loop. `has_unpolled`: whether something is ready
    /// that polling does not find; `earliest`: the next timer.
    #[inline(always)]
    pub(crate) fn before_callback(
        &self,
        has_unpolled: impl FnOnce() -> bool,
        earliest: impl FnOnce() -> u64,
    ) {
        if self.has_nested_wake() {
            return;
        }
        if has_unpolled() {
            self.nested_wake();
            return;
        }
        let earliest = earliest();
        if earliest < self.alarm_at() {
            // The end would set it to the same.
            self.set_alarm(earliest);
        }
    }

    /// The host thread is about to sleep inside a delivery until `deadline`.
    pub(crate) fn begin_sleep(&self, deadline: u64) {
        self.lose_nested_wake();
        if deadline < self.alarm_at() {
            // An earlier one, a nested wake from before, stirs once and is not set again.
            self.set_alarm(deadline);
        }
        self.drive.begin_sleep();
    }

    /// It is awake, and user code is about to run again.
    pub(crate) fn end_sleep(&self, now: u64) {
        self.look_again(&self.drive.end_sleep(now));
    }

    /// The earliest deadline is now `earliest`. Exact also when it is later than before: a wake-up
    /// for a timer that was stopped would not be free.
    pub(crate) fn deadline_changed(&self, earliest: u64) {
        let at = self.alarm_at();
        if earliest == at {
            return;
        }
        if self.in_delivery() {
            // The end of this delivery sets it; only an earlier one may matter before.
            if earliest < at {
                self.drive.deadline_nearer(self, earliest);
            }
            return;
        }
        let changes = self.host_side.changes.load(Ordering::Relaxed);
        self.host_side.changes.store(changes.saturating_add(1), Ordering::Relaxed);
        match changes {
            ..EXACT_CHANGES => self.set_alarm(earliest),
            EXACT_CHANGES => self.waker.wake(),
            _ => {}
        }
    }

    /// Whether the earliest deadline changes for the first time in this delivery; it has changed from here on.
    pub(super) fn is_first_change(&self) -> bool {
        let first = self.host_side.changes.load(Ordering::Relaxed) == 0;
        self.host_side.changes.store(1, Ordering::Relaxed);
        first
    }

    /// What the alarm is set to, `FOREVER` for never.
    #[inline(always)]
    pub(super) fn alarm_at(&self) -> u64 {
        self.host_side.alarm_at.load(Ordering::Relaxed)
    }

    /// Sets the alarm to the earliest deadline, `FOREVER` for none.
    pub(crate) fn set_alarm(&self, deadline: u64) {
        if self.alarm_at() == deadline {
            return;
        }
        self.host_side.alarm_at.store(deadline, Ordering::Relaxed);
        // A manual clock's test steps by itself; the system's alarm knows nothing of its time.
        if let Clock::System { .. } = self.clock {
            let set = self.host_side.alarm.set(deadline);
            debug_assert!(set.is_ok(), "{set:?}");
        }
    }

    /// The moment that a look at the timers goes by; `rang`: the alarm has gone off. To the nanosecond only where that can
    /// matter, for asking costs as much as the rest of a look that finds nothing; and not at all where nothing waits for
    /// a time.
    #[inline(always)]
    pub(crate) fn time_of_look(&self, rang: bool, earliest: u64) -> u64 {
        let at = self.alarm_at();
        if earliest.min(at) == FOREVER {
            return 0;
        }
        let mut now = self.clock.coarse();
        // An alarm that comes before every deadline, for a nested loop, need not be foreseen: it rings.
        if rang || now.saturating_add(COARSE) >= earliest {
            now = self.clock.now();
        }
        if at <= now {
            // It has gone off, or should have: it has to be set anew.
            self.host_side.alarm_at.store(FOREVER, Ordering::Relaxed);
            self.drive.alarm_passed(self);
        }
        now
    }

    fn set_depth(&self, depth: u32) {
        self.host_side.depth.store(depth, Ordering::Relaxed);
    }
}
