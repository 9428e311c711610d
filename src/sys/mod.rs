//! L1. What the operating system must supply: a folder for each system, the same files in each.
//!
//! Imports L0 and the system's declarations: libc and, in `linux/poller`, mio; in `windows` windows-sys. A new system needs a
//! folder with a file for each line of this list, its name in `build.rs`, and nothing elsewhere in the crate. What all Unix
//! systems have alike is in `unix`; Windows has those files in its own folder. What stands here beside the folders is what
//! they and the layers above exchange. `close_in_child` is for a forked child.
//!
//! | what | file | promise |
//! |---|---|---|
//! | [`OsFd`], [`errno`] | `handle` | what the system calls a file descriptor; the error numbers that other layers tell apart |
//! | [`monotonic_ns`], [`coarse_ns`] | `time` | monotonic nanoseconds, callable in a signal handler; the same to some milliseconds, cheaper |
//! | [`Poller`], [`Waker`] | `poller` | level-triggered readiness of fds and children; an fd that is readable while anything is due; a wake-up that is safe in signal handlers |
//! | [`Alarm`] | `alarm` | made by the poller: makes it ready at a point in time, never early, to the nanosecond |
//! | [`Latch`] | `latch` | what a library's thread sleeps on: lets one readiness of the poller through each time it is armed |
//! | [`ReadSet`] | `read_set` | sockets that a library's thread reads: each is reported once for each time it is armed |
//! | [`Child`] | `child` | waiting for one child without SIGCHLD |
//! | [`fence_all`] | `fence` | a full fence for all threads, made by one of them |
//! | [`ForkMark`] | `fork` | tells a forked child from its parent at the cost of a load |
//! | [`Listener`] | `signal` | counts signals, chained to the handlers that were there |
//! | [`reap`], [`wait_for_exit`] | `waitid` | how a child ended, by its number |
//! | [`resolve`] | `resolve` | blocking name resolution |
//! | [`Socket`], [`SOCKETS`] | `socket` | sockets that never block and raise no signal; whether there are any |
//! | [`spawn`], [`this_thread`] | `thread` | a thread on which no signal handler of the program runs; which thread this is |

mod address;
mod buffer;
mod exit;
#[cfg(target_os = "linux")]
mod linux;
mod readiness;
#[cfg(test)]
mod tests;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(unix)]
use unix as family;
#[cfg(windows)]
use windows::{self as system, self as family};

pub use address::{Address, Query};
pub use buffer::Buffer;
pub(crate) use buffer::Lent as LentBytes;
pub use exit::ChildExit;
pub(crate) use family::resolve::resolve;
pub use family::signal::arrivals as signal_arrivals;
pub(crate) use family::signal::Listener;
pub(crate) use family::socket::{
    as_v6, receive, unix_address, Socket, SocketOption, DATAGRAM, NUMBERS, PASSIVE, SOCKETS, STREAM, V6,
};
pub(crate) use family::thread::{spawn, this_thread};
pub(crate) use family::waitid::{exists_as_child, reap, wait_for_exit};
pub(crate) use readiness::{Interest, Readiness, Seen, ERROR, HANGUP, READABLE, WRITABLE};
pub(crate) use system::alarm::Alarm;
pub(crate) use system::child::Child;
pub(crate) use system::fence::{can_fence_all, fence_all};
pub(crate) use system::fork::ForkMark;
pub use system::handle::OsFd;
pub(crate) use system::handle::{errno, is_fd, remedy, FD};
pub(crate) use system::latch::Latch;
pub(crate) use system::poller::{Poller, Waker};
pub(crate) use system::read_set::ReadSet;
pub(crate) use system::time::coarse_ns;
pub use system::time::monotonic_ns;
