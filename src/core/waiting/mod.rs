//! L2. Who sleeps, and who wakes whom.
//!
//! `shared` is the half of a guest that every thread may touch; `nested_wake` what the host thread does there.
//! `thread`, `fd` and `run` are the drives; `io_thread` starts and joins the thread that two of them have. `read_ahead` and `inbox`
//! are what drive THREAD does for streams while the host is away.

pub(crate) mod fd;
pub(crate) mod handoff;
pub(crate) mod host_thread;
pub(crate) mod inbox;
pub(crate) mod io_thread;
pub(crate) mod nested_wake;
pub(crate) mod posts;
pub(crate) mod read_ahead;
pub(crate) mod run;
pub(crate) mod shared;
pub(crate) mod stalls;
pub(crate) mod thread;
