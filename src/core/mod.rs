//! L2. The reactor without its sources: three wings over a base.
//!
//! | wing | what | half |
//! |---|---|---|
//! | [`waiting`] | who sleeps, who wakes whom; one file per drive | `Shared`: every thread |
//! | [`registered`] | what is registered: the table, the timers, the poller | `Registry`: the host thread |
//! | [`turn`] | the host thread's turn: find what is due, run it, look again | `Reactor`: the host thread |
//!
//! `waiting` imports the base alone, `registered` the base and `waiting`, `turn` all of them. Imports L0, L1 and
//! mio's kinds through L1; never a source, never the C ABI.

pub(crate) mod context;
pub(crate) mod host;
pub(crate) mod live;
pub(crate) mod message;
pub(crate) mod options;
pub(crate) mod registered;
pub(crate) mod stats;
pub(crate) mod turn;
pub(crate) mod waiting;
