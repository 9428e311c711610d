//! L2. The host thread's turn.
//!
//! `deliver` is the loop "find what is due, run it, look again", and how long it may take; `reactor` what one look finds;
//! `pull` what the pull form adds; `shutdown` the end of a guest.

pub(crate) mod deliver;
pub(crate) mod pull;
pub(crate) mod reactor;
pub(crate) mod shutdown;
