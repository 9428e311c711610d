//! L2. Counters and latency histograms.
//!
//! Owns: atomics that one thread writes and every thread may read. Any thread.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::Latch;

/// Buckets of a histogram: bucket i counts from 2^i up to 2^(i+1) - 1 nanoseconds.
pub const BUCKETS: usize = 40;

/// A counter. One thread at a time writes it, so adding needs no locked instruction.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds from the one thread that writes this counter.
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Adds from any thread.
    pub(crate) fn add_shared(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Durations by powers of two.
pub(crate) struct Histogram([Counter; BUCKETS]);

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram(std::array::from_fn(|_| Counter::default()))
    }
}

impl Histogram {
    /// Counts one duration, from the one thread that writes this histogram.
    pub(crate) fn add(&self, nanoseconds: u64) {
        self.0[bucket(nanoseconds)].add(1);
    }

    fn snapshot(&self) -> [u64; BUCKETS] {
        std::array::from_fn(|i| self.0[i].get())
    }
}

fn bucket(nanoseconds: u64) -> usize {
    let power = 63 - (nanoseconds | 1).leading_zeros() as usize;
    power.min(BUCKETS - 1)
}

/// What the library's thread sleeps on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum LatchForm {
    /// There is no such thread.
    None = 0,
    /// The poller's own handle, of which it takes nothing.
    Handle = 1,
    /// The system gives out no handle that can be waited for: it takes what arrives, unread, for the host thread.
    Inbox = 2,
}

impl LatchForm {
    pub(crate) fn of(latch: &Latch) -> LatchForm {
        match latch.takes_packets() {
            true => LatchForm::Inbox,
            false => LatchForm::Handle,
        }
    }
}

macro_rules! counters {
    ($($name:ident: $doc:literal,)*) => {
        /// What a guest has done so far; a copy.
        #[derive(Clone, Debug)]
        pub struct Stats {
            $(#[doc = $doc] pub $name: u64,)*
            /// Registered sources at present.
            pub live_sources: u64,
            /// Posts accepted that have not run yet.
            pub live_posts: u64,
            /// Time from posting a token to its delivery.
            pub delivery_latency: [u64; BUCKETS],
            /// Time that one delivery lasted.
            pub delivery_duration: [u64; BUCKETS],
            /// What the library's thread sleeps on.
            pub latch: LatchForm,
            /// Bytes that were read ahead of the host.
            pub read_ahead: u64,
        }

        /// The counters themselves. In this order: a cache line of the host thread's, then the I/O thread's.
        #[derive(Default)]
        #[repr(C)]
        pub(crate) struct Counters {
            /// Posts of the host thread, accepted beside the queue of all threads.
            pub(crate) posted_here: Counter,
            /// Posts that have run or been dropped.
            pub(crate) run: Counter,
            $(pub(crate) $name: Counter,)*
            pub(crate) opened: Counter,
            pub(crate) closed: Counter,
            pub(crate) latency: Histogram,
            pub(crate) duration: Histogram,
            pub(crate) read_ahead: Counter,
        }

        impl Counters {
            pub(crate) fn snapshot(&self, live_posts: u64, latch: LatchForm) -> Stats {
                Stats {
                    $($name: self.$name.get(),)*
                    live_sources: self.opened.get().wrapping_sub(self.closed.get()),
                    live_posts,
                    delivery_latency: self.latency.snapshot(),
                    delivery_duration: self.duration.snapshot(),
                    latch,
                    read_ahead: self.read_ahead.get(),
                }
            }
        }
    };
}

counters! {
    batches: "Deliveries that were let in, empty ones included.",
    events: "Events handed out, and deadlines that have come.",
    polls: "Polls of the system on the host thread.",
    nested: "Deliveries that began inside another one.",
    budget_spent: "Deliveries that ended because their budget was spent.",
    stale_tokens: "Deliveries refused for their token.",
    tokens: "Tokens posted, without repetitions.",
    reposts: "Tokens posted again.",
    post_failures: "Posts that the host refused.",
    inlined_tokens: "Deliveries refused because a post ran them inline.",
    stalls: "Stalls noticed.",
    io_wakeups: "Wake-ups of the I/O thread, or of the thread that watches in drive FD.",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_powers_of_two_with_open_ends() {
        for (ns, expected) in [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (1023, 9), (1024, 10), (u64::MAX, 39)]
        {
            assert_eq!(bucket(ns), expected, "{ns}");
        }
    }
}
