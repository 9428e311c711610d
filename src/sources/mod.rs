//! L3. What can become ready: one kind per file, each a [`Source`](crate::core::registered::source::Source)
//! and the functions of the registry that register and change it, each told of at that of its name in `guest`.

mod child;
mod fd;
mod listener;
mod resolve;
mod signal;
mod socket;
mod stream;
mod timer;
mod udp;
mod work;

pub use listener::{ListenerInfo, ListenerOptions};
pub use resolve::Resolved;
pub(crate) use stream::outbox::Piece;
pub use stream::outbox::{Outcome, Written};
pub use stream::{StreamEvent, StreamInfo, StreamOptions};
pub use udp::{UdpEvent, UdpInfo, UdpOptions};
