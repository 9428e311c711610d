//! L5. The C ABI: the only `extern "C"` of the crate.
//!
//! `types` and `stream_types` are what crosses, `boundary` and `driving` how: every export runs inside one of their functions, which
//! check the arguments, catch panics and turn errors into codes. One file per header section.

// What a caller has to guarantee stands in each function's documentation, in the header's words.
#![allow(clippy::missing_safety_doc)]

pub mod stream_types;
pub mod types;

mod args;
mod boundary;
mod callbacks;
mod driving;
mod host;
mod sized;

pub mod child;
pub mod fd;
#[cfg(windows)]
pub mod handle;
pub mod lifecycle;
pub mod listener;
pub mod post;
pub mod pull;
pub mod resolve;
pub mod signal;
pub mod status;
pub mod stream;
pub mod timer;
pub mod udp;
pub mod version;
pub mod work;

#[cfg(feature = "test-hooks")]
pub mod test_hooks;
