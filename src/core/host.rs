//! L2. The host, as the reactor sees it.
//!
//! `post` and `on_stall` run on the library's thread, the rest on the host thread.

use crate::error::Status;

/// What became of a post.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Posted {
    /// The host thread will deliver the token.
    Queued,
    /// Not now; ask again later.
    Later,
    /// The host is gone for good.
    Gone,
}

/// Why the host counts as stuck.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Stall {
    /// A token has not been delivered, or the fd not been served: the host's loop does not run.
    Undelivered = 1,
    /// One delivery lasts, or one batch is open: a callback does not return.
    Delivering = 2,
}

/// How a guest reaches the program's main loop.
pub trait Host: Send + Sync {
    /// Makes the host thread deliver `token` soon. Called on the I/O thread, and on the host
    /// thread when a budget is spent. Must not block and must not deliver by itself.
    fn post(&self, token: u64) -> Posted;

    /// The same on the host thread, where there may be a cheaper way.
    fn post_local(&self, token: u64) -> Posted {
        self.post(token)
    }

    /// The guest has ended. Host thread, once, after the last drop function.
    fn done(&self, _status: Status) {}

    /// The host has been stuck for that many nanoseconds. The I/O thread, or that which watches in drive
    /// FD; once per stall, while it lasts.
    fn on_stall(&self, _kind: Stall, _nanoseconds: u64) {}
}
