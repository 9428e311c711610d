//! L2. The reactor without its sources.
//!
//! `Reactor` is the half that the host thread owns, `Shared` the half that every thread may touch.
//! Imports L0, L1 and mio's kinds through L1; never a source, never the C ABI.

pub(crate) mod batch;
pub(crate) mod budget;
pub(crate) mod cover;
pub(crate) mod deliver;
pub(crate) mod host;
pub(crate) mod io_thread;
pub(crate) mod live;
pub(crate) mod message;
pub(crate) mod pass;
pub(crate) mod pool;
pub(crate) mod posts;
pub(crate) mod reactor;
pub(crate) mod shared;
pub(crate) mod shutdown;
pub(crate) mod source;
pub(crate) mod stalls;
pub(crate) mod stats;
pub(crate) mod table;
pub(crate) mod timers;
pub(crate) mod wait;
mod watch_thread;
