//! L1. What a look at the poller tells, the same on every system. Imports nothing.

/// Bits of readiness; the numbers are the C header's.
pub(crate) type Readiness = u32;
/// What an fd is watched for, in the same bits.
pub(crate) type Interest = u32;

pub(crate) const READABLE: Readiness = 1;
pub(crate) const WRITABLE: Readiness = 2;
pub(crate) const PRIORITY: Readiness = 4;
pub(crate) const ERROR: Readiness = 8;
pub(crate) const HANGUP: Readiness = 16;

/// What one poll saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    /// The fd registered with these id bits.
    Fd(u64),
    /// The waker.
    Woken,
    /// The alarm.
    Alarm,
}
