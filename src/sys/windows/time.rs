//! L1. The monotonic clock.
//!
//! Owns: the counter's frequency, which never changes while the system runs. Runs on any thread. Imports windows-sys only.

use std::sync::atomic::{AtomicU64, Ordering};

use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};

const SECOND: u64 = 1_000_000_000;

/// Nanoseconds of the performance counter: the clock of every deadline in this library.
pub fn monotonic_ns() -> u64 {
    let mut ticks = 0;
    // SAFETY: `ticks` is ours to write. The call cannot fail on any system since Windows XP.
    unsafe { QueryPerformanceCounter(&mut ticks) };
    nanoseconds(ticks as u64, frequency())
}

/// The same: the system has no cheaper clock that keeps step with it.
pub(crate) fn coarse_ns() -> u64 {
    monotonic_ns()
}

fn frequency() -> u64 {
    static KNOWN: AtomicU64 = AtomicU64::new(0);
    let known = KNOWN.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    let mut frequency = 0;
    // SAFETY: as above.
    unsafe { QueryPerformanceFrequency(&mut frequency) };
    let frequency = frequency.max(1) as u64;
    KNOWN.store(frequency, Ordering::Relaxed);
    frequency
}

/// Whole seconds apart from the rest, so that nothing overflows.
fn nanoseconds(ticks: u64, frequency: u64) -> u64 {
    ticks / frequency * SECOND + ticks % frequency * SECOND / frequency
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_forward_in_nanoseconds() {
        let std_before = std::time::Instant::now();
        let before = monotonic_ns();
        while std_before.elapsed().as_micros() < 500 {
            std::hint::spin_loop();
        }
        let passed = monotonic_ns() - before;
        assert!((400_000..5_000_000_000).contains(&passed), "{passed} ns for half a millisecond");
    }

    #[test]
    fn ticks_of_a_century_do_not_overflow() {
        let century = 100 * 366 * 24 * 3600;
        for frequency in [1_000, 3_579_545, 10_000_000, 4_000_000_000] {
            assert_eq!(nanoseconds(century * frequency, frequency), century * SECOND, "{frequency}");
        }
        assert_eq!(nanoseconds(15_000_001, 10_000_000), 1_500_000_100);
    }
}
