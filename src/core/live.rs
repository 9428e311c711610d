//! L2. Process-wide counters of what is alive, for leak checks.
//!
//! Owns: one atomic per kind. Any thread.

use std::sync::atomic::{AtomicU64, Ordering};

/// Guests started and not dropped.
pub(crate) const GUESTS: usize = 0;
/// Sources registered, or closed and not dropped yet.
pub(crate) const SOURCES: usize = 1;
/// I/O threads, pool threads and child waiters.
pub(crate) const THREADS: usize = 2;
/// Posters of foreign languages.
pub(crate) const POSTERS: usize = 3;

static COUNTS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

/// Posts that deliveries have taken up and that have neither run nor been dropped. Those that still
/// wait in a queue belong to a guest that is alive: counting them here would make every thread that
/// posts write to this one cache line.
static POSTS: AtomicU64 = AtomicU64::new(0);

pub(crate) fn posts_taken_up(n: u64) {
    POSTS.fetch_add(n, Ordering::Relaxed);
}

pub(crate) fn posts_finished(n: u64) {
    POSTS.fetch_sub(n, Ordering::Release);
}

pub(crate) fn posts() -> u64 {
    POSTS.load(Ordering::Acquire)
}

/// Counts as one of its kind for as long as it lives; takes no space.
pub(crate) struct Alive<const KIND: usize>(());

impl<const KIND: usize> Default for Alive<KIND> {
    fn default() -> Self {
        COUNTS[KIND].fetch_add(1, Ordering::Relaxed);
        Alive(())
    }
}

impl<const KIND: usize> Drop for Alive<KIND> {
    fn drop(&mut self) {
        COUNTS[KIND].fetch_sub(1, Ordering::Release);
    }
}

pub(crate) fn count(kind: usize) -> u64 {
    COUNTS[kind].load(Ordering::Acquire)
}
