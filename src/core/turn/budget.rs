//! L2. The time that one delivery may take before the host gets its turn.
//!
//! Owns: when to look at the clock. Host thread only.
//!
//! Reading the clock costs as much as a short callback. So after callbacks of less than a
//! microsecond each it is read at every second, fourth, at most eighth event, and at every one again
//! after a longer one. In between the coarse clock, which costs a fifth, tells whether
//! milliseconds have passed: a slow callback after quick ones is noticed when it returns.

use crate::clock::{Clock, FOREVER};

/// Events shorter than this make looks at the clock rarer.
const QUICK: u64 = 1_000;
const STRIDE_MAX: u32 = 8;

pub(crate) struct Budget {
    nanoseconds: u64,
    until: u64,
    /// Something has run; at least one thing does in each delivery.
    ran: bool,
    /// When the clock was last looked at,
    checked: u64,
    /// how many events lie between two looks,
    stride: u32,
    /// how many are left before the next,
    unchecked: u32,
    /// and what the coarse clock said then.
    coarse: u64,
}

impl Budget {
    pub(crate) fn new(now: u64, nanoseconds: u64) -> Budget {
        let until = now.saturating_add(nanoseconds);
        Budget { nanoseconds, until, ran: false, checked: now, stride: 1, unchecked: 0, coarse: 0 }
    }

    /// The host wants no turn at present.
    pub(crate) fn lift(&mut self) {
        self.until = FOREVER;
    }

    /// The whole budget from `now` on.
    pub(crate) fn begin_anew(&mut self, now: u64) {
        *self = Budget::new(now, self.nanoseconds);
    }

    /// Something runs now.
    pub(crate) fn use_some(&mut self) {
        self.ran = true;
    }

    /// Whether the host's turn has come.
    #[inline(always)]
    pub(crate) fn is_spent(&mut self, clock: &Clock) -> bool {
        if !self.ran || self.until == FOREVER {
            return false;
        }
        if self.unchecked > 0 && clock.coarse() == self.coarse {
            self.unchecked -= 1;
            return false;
        }
        let now = clock.now();
        let quick = now.saturating_sub(self.checked) < QUICK * u64::from(self.stride);
        self.stride = if quick { (self.stride * 2).min(STRIDE_MAX) } else { 1 };
        self.unchecked = self.stride - 1;
        if self.unchecked > 0 {
            self.coarse = clock.coarse();
        }
        self.checked = now;
        now >= self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many events of `length` run before the budget is spent.
    fn events(budget: u64, length: u64) -> u64 {
        let clock = Clock::manual(0);
        let mut budget = Budget::new(0, budget);
        let mut count = 0;
        while !budget.is_spent(&clock) {
            budget.use_some();
            clock.advance(length);
            count += 1;
        }
        count
    }

    #[test]
    fn short_events_are_counted_by_the_coarse_clock_too() {
        assert_eq!(events(4_000_000, 100), 40_000);
    }
}
