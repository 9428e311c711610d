//! The share that other threads have in the interpreter, while a host's loop is never at rest.
//!
//! CPython hands its lock to a waiting thread when the holder has kept it for the switch interval, 5 ms, without a break, or
//! leaves it for as long as a sleeping thread needs to wake up. A host that polls and delivers in turn does neither: each of its
//! polls is a break, over in a microsecond, after which the waiting thread's 5 ms begin anew. It may wait for seconds. (So it is
//! with asyncio alone, where each iteration polls.)
//!
//! So a guest that has kept the host busy for nearly that interval leaves the lock for long enough, between two deliveries.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;

/// Seconds of work without a break, after which the others have their turn: less than the switch interval.
const KEPT: f64 = 4e-3;

/// Seconds between two deliveries that are a break, such as those of a host that has waited.
const BREAK: f64 = 200e-6;

/// A thread that sleeps needs 10 to 40 us to wake up.
const TURN: Duration = Duration::from_micros(50);

/// Of one loop. Seconds of `monotonic`, as bits. The loop's own thread.
#[derive(Default)]
pub struct Share {
    kept_since: AtomicU64,
    ended: AtomicU64,
}

impl Share {
    /// A delivery's work begins.
    #[inline]
    pub fn begin(&self, now: f64) {
        if now - f64::from_bits(self.ended.load(Relaxed)) > BREAK {
            self.kept_since.store(now.to_bits(), Relaxed);
        }
    }

    /// Its work has ended.
    #[inline]
    pub fn end(&self, now: f64) {
        self.ended.store(now.to_bits(), Relaxed);
    }

    /// The delivery has ended: leaves the lock to the others, if it is time.
    #[inline]
    pub fn give(&self, py: Python<'_>) {
        let kept = f64::from_bits(self.ended.load(Relaxed)) - f64::from_bits(self.kept_since.load(Relaxed));
        if kept >= KEPT {
            py.detach(|| thread::sleep(TURN));
            self.kept_since.store(self.ended.load(Relaxed), Relaxed);
        }
    }
}
