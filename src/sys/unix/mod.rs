//! L1. What all Unix systems have alike.

pub(super) mod resolve;
pub(super) mod signal;
pub(super) mod socket;
#[cfg(test)]
pub(super) mod tests;
pub(super) mod thread;
pub(super) mod waitid;
