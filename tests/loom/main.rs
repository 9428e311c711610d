//! loom models of the four structures that threads meet in: every interleaving (up to a number of
//! preemptions) of short programs is run, and a lost wake shows as a deadlock.
//!
//!     RUSTFLAGS="--cfg loom" cargo test --release --test loom      (scripts/loom.sh)
//!
//! The files under test are included as they are, so that nothing of the library has to be public for
//! this. What stands around them in the library (poller, latch, delivery) is modelled in `world`.
#![cfg(loom)]

#[path = "../../src/sync.rs"]
mod sync;

#[allow(dead_code)]
#[path = "../../src/core/waiting/handoff.rs"]
mod handoff;

#[allow(dead_code)]
#[path = "../../src/core/waiting/host_thread.rs"]
mod host_thread;

#[allow(dead_code)]
#[path = "../../src/core/waiting/inbox.rs"]
mod inbox;

#[allow(dead_code)]
#[path = "../../src/core/waiting/posts.rs"]
mod posts;

mod adoption;
mod ahead;
mod hand_off;
mod queue;
mod world;
