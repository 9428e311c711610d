//! L1. Windows: a completion port of our own, AFD polls, registered waits, high-resolution timers.
//!
//! The files are those of `linux` and `unix` together, and what the poller is made of: [`module`], [`port`], [`form`], [`afd`],
//! [`registered`], [`watch`], [`waitable`], [`recheck`]. What a function promises stands with that of its name there; here, what is other.
//! There are no forked children.

mod afd;
mod form;
mod module;
mod port;
mod recheck;
mod registered;
mod waitable;
mod watch;
mod winsock;

pub(super) mod alarm;
pub(super) mod child;
pub(super) mod fence;
pub(super) mod fork;
pub(super) mod handle;
pub(super) mod latch;
pub(super) mod poller;
pub(super) mod read_set;
pub(super) mod resolve;
pub(super) mod signal;
pub(super) mod socket;
pub(super) mod thread;
pub(super) mod time;
pub(super) mod waitid;
