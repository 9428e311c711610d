//! L2. Process-wide counters of what is alive, for leak checks.
//!
//! Owns: one atomic per kind. Any thread.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

/// Guests started and not dropped.
pub(crate) const GUESTS: usize = 0;
/// Sources registered, or closed and not dropped yet.
pub(crate) const SOURCES: usize = 1;
/// I/O threads, pool threads and child waiters.
pub(crate) const THREADS: usize = 2;
/// Posters of foreign languages.
pub(crate) const POSTERS: usize = 3;

static COUNTS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

/// Posts ever accepted, written by the threads that post, ...
static ACCEPTED: CachePadded<AtomicU64> = CachePadded::new(AtomicU64::new(0));
/// ... and those that have run or been dropped, written once per delivery. Two counters on two
/// cache lines: one would go back and forth between the threads with every post.
static FINISHED: CachePadded<AtomicU64> = CachePadded::new(AtomicU64::new(0));

pub(crate) fn post_accepted() {
    ACCEPTED.fetch_add(1, Ordering::Relaxed);
}

pub(crate) fn posts_finished(n: u64) {
    FINISHED.fetch_add(n, Ordering::Release);
}

/// Posts that have neither run nor been dropped.
pub(crate) fn posts() -> u64 {
    let finished = FINISHED.load(Ordering::Acquire);
    ACCEPTED.load(Ordering::Relaxed).saturating_sub(finished)
}

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
