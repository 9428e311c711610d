//! L2. The drives by name, and what a guest does at a moment.
//!
//! The numbers are the C header's.

/// How the guest waits.
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

/// What a guest does at this moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum State {
    /// Nothing waits: between two deliveries of a drive without a thread.
    Idle = 0,
    /// The I/O thread waits.
    Polling = 1,
    /// A token is on its way.
    Posted = 2,
    /// The host thread is inside a delivery.
    Delivering = 3,
    /// `done` has been called.
    Ended = 4,
}
