//! L2. What is registered.
//!
//! `registry` is what user code registers with, `source` what a source is and what its methods get.

pub(crate) mod pool;
pub(crate) mod receive;
pub(crate) mod registry;
pub(crate) mod source;
pub(crate) mod table;
pub(crate) mod timers;
