//! L2. The host thread's turn.
//!
//! `deliver` is the loop "find what is due, run it, look again"; `iteration` what one look has found; `wait` and
//! `budget` how long it may take; `shutdown` the end of a guest.

pub(crate) mod budget;
pub(crate) mod deliver;
pub(crate) mod iteration;
pub(crate) mod reactor;
pub(crate) mod shutdown;
pub(crate) mod wait;
