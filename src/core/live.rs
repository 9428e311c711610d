//! L2. Process-wide counters of what is alive, for leak checks.
//!
//! Owns: one atomic per kind. Any thread.

use std::sync::atomic::{AtomicU64, Ordering};

/// Guests started and not dropped.
pub(crate) const GUESTS: usize = 0;
/// Sources registered, or closed and not dropped yet.
pub(crate) const SOURCES: usize = 1;
/// Posts that have neither run nor been dropped.
pub(crate) const POSTS: usize = 2;
/// I/O threads, pool threads and child waiters.
pub(crate) const THREADS: usize = 3;
/// Posters of foreign languages.
pub(crate) const POSTERS: usize = 4;

static COUNTS: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];

/// Counts as one of its kind for as long as it lives; takes no space.
pub(crate) struct Alive<const KIND: usize>(());

impl<const KIND: usize> Alive<KIND> {
    pub(crate) fn new() -> Self {
        COUNTS[KIND].fetch_add(1, Ordering::Relaxed);
        Alive(())
    }
}

impl<const KIND: usize> Drop for Alive<KIND> {
    fn drop(&mut self) {
        COUNTS[KIND].fetch_sub(1, Ordering::Release);
    }
}

/// How many of that kind are alive.
pub(crate) fn count(kind: usize) -> u64 {
    COUNTS[kind].load(Ordering::Acquire)
}
