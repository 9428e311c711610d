//! L1. What the operating system must supply: a folder for each system, the same files in each.
//!
//! Imports L0, libc and, in `linux/poller`, mio. A new system needs a folder with a file for each line of this list, its
//! name in `build.rs`, and nothing elsewhere in the crate. What all Unix systems have alike is in `unix`.
//!
//! | what | file | promise |
//! |---|---|---|
//! | [`OsFd`], [`errno`] | `handle` | what the system calls a file descriptor; the error numbers that other layers tell apart |
//! | [`monotonic_ns`], [`coarse_ns`] | `time` | monotonic nanoseconds, callable in a signal handler; the same to some milliseconds, cheaper |
//! | [`Poller`], [`Waker`] | `poller` | level-triggered readiness of fds and children; an fd that is readable while anything is due; a wake-up that is safe in signal handlers |
//! | [`Alarm`] | `alarm` | made by the poller: makes it ready at a point in time, never early, to the nanosecond |
//! | [`Latch`] | `latch` | what a library's thread sleeps on: lets one readiness of the poller through each time it is armed |
//! | [`Child`] | `child` | waiting for one child without SIGCHLD |
//! | [`ForkMark`] | `fork` | tells a forked child from its parent at the cost of a load |
//! | [`Listener`] | `unix/signal` | counts signals, chained to the handlers that were there |
//! | [`reap`], [`wait_for_exit`] | `unix/waitid` | how a child ended, by its number |
//! | [`resolve`] | `unix/resolve` | blocking name resolution |
//! | [`spawn`], [`this_thread`] | `unix/thread` | a thread on which no signal handler of the program runs; which thread this is |

mod linux;
mod unix;

use linux as system;

pub(crate) use system::alarm::Alarm;
pub(crate) use system::child::Child;
pub(crate) use system::fork::ForkMark;
pub(crate) use system::handle::errno;
pub use system::handle::OsFd;
pub(crate) use system::latch::Latch;
pub(crate) use system::poller::{
    AddedChild, Interest, Poller, Readiness, Seen, Waker, ERROR, HANGUP, READABLE, WRITABLE,
};
pub(crate) use system::time::coarse_ns;
pub use system::time::monotonic_ns;
pub(crate) use unix::resolve::resolve;
pub use unix::resolve::{Address, Query};
pub use unix::signal::arrivals as signal_arrivals;
pub(crate) use unix::signal::Listener;
pub(crate) use unix::thread::{spawn, this_thread};
pub use unix::waitid::ChildExit;
pub(crate) use unix::waitid::{exists_as_child, reap, wait_for_exit};
