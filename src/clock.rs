//! L0. Monotonic nanoseconds, from the system or from a test's hand.
//!
//! Owns: the arithmetic of deadlines (saturating; `FOREVER` never comes). Runs on any thread.
//! Imports nothing: who starts a clock brings the function that reads it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// A point in time that never comes, and a duration without end.
pub const FOREVER: u64 = u64::MAX;

/// One millisecond in nanoseconds.
pub const MILLISECOND: u64 = 1_000_000;

/// Where the guest reads the time.
#[derive(Clone)]
pub enum Clock {
    /// The system's monotonic clock.
    System {
        /// To the nanosecond.
        now: fn() -> u64,
        /// To some milliseconds, at a fraction of the cost.
        coarse: fn() -> u64,
    },
    /// A clock that stands still until a test moves it.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// A clock that stands at `now` until [`Clock::advance`].
    pub fn manual(now: u64) -> Clock {
        Clock::Manual(Arc::new(AtomicU64::new(now)))
    }

    /// Nanoseconds now.
    pub fn now(&self) -> u64 {
        match self {
            Clock::System { now, .. } => now(),
            Clock::Manual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// Nanoseconds now or some milliseconds ago: says cheaply whether time has passed.
    pub fn coarse(&self) -> u64 {
        match self {
            Clock::System { coarse, .. } => coarse(),
            Clock::Manual(_) => self.now(),
        }
    }

    /// Moves a manual clock; a system clock cannot be moved and ignores it.
    pub fn advance(&self, by: u64) {
        if let Clock::Manual(now) = self {
            now.fetch_add(by, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_until_it_is_moved() {
        let clock = Clock::manual(10);
        let same = clock.clone();
        clock.advance(5);
        assert_eq!((clock.now(), same.now()), (15, 15));
    }
}
