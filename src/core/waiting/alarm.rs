//! L2. The alarm: the one wake-up by time.
//!
//! Owns: what it is set to. Host thread only (atomics because it lives in `Shared`; one writer needs no locked
//! instruction).

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::clock::{Clock, FOREVER, MILLISECOND};
use crate::sys;

/// How many changes between two deliveries are made at once. A longer burst asks for one delivery
/// instead, which sets the alarm for all of them.
const EXACT_CHANGES: u32 = 16;

/// The coarse clock is at most a tick behind. Where a stopped machine makes it more, the alarm tells.
const COARSE: u64 = 20 * MILLISECOND;

pub(crate) struct Alarm {
    system: sys::Alarm,
    at: AtomicU64,
    /// Changes since the last delivery.
    changes: AtomicU32,
}

impl Alarm {
    pub(super) fn new(system: sys::Alarm) -> Alarm {
        Alarm { system, at: AtomicU64::new(FOREVER), changes: AtomicU32::new(0) }
    }

    /// What it is set to, `FOREVER` for never.
    #[inline(always)]
    pub(crate) fn at(&self) -> u64 {
        self.at.load(Ordering::Relaxed)
    }

    /// Sets it to a deadline, `FOREVER` for never.
    pub(crate) fn set(&self, clock: &Clock, deadline: u64) {
        if self.at() == deadline {
            return;
        }
        self.at.store(deadline, Ordering::Relaxed);
        // A manual clock's test steps by itself; the system's alarm knows nothing of its time.
        if let Clock::System { .. } = clock {
            let set = self.system.set(deadline);
            debug_assert!(set.is_ok(), "{set:?}");
        }
    }

    /// The same outside a delivery. Says whether a delivery has to be asked for, which then sets the alarm for this
    /// change and all that follow it.
    pub(super) fn change(&self, clock: &Clock, deadline: u64) -> bool {
        let changes = self.changes.load(Ordering::Relaxed);
        self.changes.store(changes.saturating_add(1), Ordering::Relaxed);
        if changes < EXACT_CHANGES {
            self.set(clock, deadline);
        }
        changes == EXACT_CHANGES
    }

    /// Whether this is the first change since the changes were last counted anew, which it is from here on.
    pub(super) fn is_first_change(&self) -> bool {
        let first = self.changes.load(Ordering::Relaxed) == 0;
        self.changes.store(1, Ordering::Relaxed);
        first
    }

    /// Changes are counted anew.
    pub(super) fn settle(&self) {
        self.changes.store(0, Ordering::Relaxed);
    }

    /// It has gone off, or should have, if it was set to `now` or before: it has to be set anew.
    #[inline(always)]
    pub(super) fn has_passed(&self, now: u64) -> bool {
        let passed = self.at() <= now;
        if passed {
            self.at.store(FOREVER, Ordering::Relaxed);
        }
        passed
    }

    /// The time that a look at the timers goes by. To the nanosecond only where that can matter, for
    /// asking costs as much as the rest of a look that finds nothing; and not at all where nothing waits for a
    /// time. `rang`: the alarm has gone off.
    #[inline(always)]
    pub(super) fn time_of_look(&self, clock: &Clock, rang: bool, earliest: u64) -> u64 {
        let next = earliest.min(self.at());
        if next == FOREVER {
            return 0;
        }
        let coarse = clock.coarse();
        if rang || coarse.saturating_add(COARSE) >= next {
            return clock.now();
        }
        coarse
    }

    /// For a forked child.
    pub(super) fn close_in_child(&self) {
        self.system.close_in_child();
    }
}
