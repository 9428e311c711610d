//! L3. What can become ready: one kind per file, each a [`Source`](crate::core::registered::source::Source)
//! and the functions of the registry that register and change it.

mod child;
mod fd;
mod resolve;
mod signal;
mod timer;
mod work;

pub use resolve::Resolved;
