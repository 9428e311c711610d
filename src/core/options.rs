//! L2. How a guest shall behave. Runs nothing.

use crate::clock::{Clock, MILLISECOND};
use crate::error::{Error, Result, Status};
use crate::sys::{coarse_ns, monotonic_ns};

/// How the guest waits. The numbers are the C header's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Drive {
    /// On an I/O thread of its own, which posts tokens.
    Thread = 0,
    /// The host watches one fd.
    Fd = 1,
    /// On the calling thread, blocking.
    Run = 2,
}

/// How a guest shall behave; `Options::default()` is what most want.
#[derive(Clone)]
pub struct Options {
    /// How the guest waits.
    pub drive: Drive,
    /// Batches are taken as events instead of by callbacks.
    pub pull: bool,
    /// Drive FD: the host sees the fd for as long as it is readable, and waits for no edge.
    pub level_triggered: bool,
    /// Nanoseconds that one delivery may last.
    pub batch_budget: u64,
    /// Nanoseconds after which a delivery counts as a nested host loop.
    pub nested_after: u64,
    /// Nanoseconds after which an undelivered token is posted again, at first.
    pub repost_after: u64,
    /// Nanoseconds after which a stuck host is reported; 0: never.
    pub stall_after: u64,
    /// Most threads for work and name resolution.
    pub work_threads: u32,
    /// Where the time comes from.
    pub clock: Clock,
}

/// More threads than this are a mistake in the unit, not a wish.
pub const WORK_THREADS_MAX: u32 = 1024;

impl Default for Options {
    fn default() -> Options {
        Options {
            drive: Drive::Thread,
            pull: false,
            level_triggered: false,
            batch_budget: 4 * MILLISECOND,
            nested_after: 10 * MILLISECOND,
            repost_after: 250 * MILLISECOND,
            stall_after: 0,
            work_threads: 4,
            clock: Clock::System { now: monotonic_ns, coarse: coarse_ns },
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<()> {
        if self.work_threads == 0 || self.work_threads > WORK_THREADS_MAX {
            let text = format!("work_threads is {}: use 1 to {WORK_THREADS_MAX}", self.work_threads);
            return Err(Error::new(Status::INVAL, text));
        }
        if self.stall_after != 0 && self.drive == Drive::Run {
            return Err(Error::new(
                Status::DRIVE,
                "stall_after watches a host, and drive RUN has none: use drive THREAD or FD, or leave it 0",
            ));
        }
        Ok(())
    }
}
