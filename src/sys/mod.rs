//! L1. What the operating system must supply, one file per mechanism.
//!
//! Imports L0, libc and, in `poller`, mio. A new system needs a file for each line of this list and
//! nothing else in the crate but its name in `build.rs`, which refuses all others:
//!
//! | what | file | promise |
//! |---|---|---|
//! | [`OsFd`] | here | what the system calls a file descriptor |
//! | [`monotonic_ns`], [`coarse_ns`] | `time` | monotonic nanoseconds, callable in a signal handler; the same to some milliseconds, cheaper |
//! | [`Poller`], [`Waker`] | `poller` | level-triggered readiness of fds; an fd that is readable while anything is due; a wake-up that is safe in signal handlers |
//! | [`Gate`] | `gate` | what the I/O thread sleeps on: lets one readiness of the poller through each time it is armed |
//! | [`Alarm`] | `timerfd` | makes the poller ready at a point in time, never early, to the nanosecond |
//! | [`ForkMark`] | `fork` | tells a forked child from its parent at the cost of a load |
//! | [`Listener`] | `signal` | counts signals, chained to the handlers that were there |
//! | [`Pidfd`], [`reap`] | `pidfd` | waiting for one child without SIGCHLD |
//! | [`resolve`] | `resolve` | blocking name resolution |
//! | [`spawn`], [`this_thread`] | `thread` | a thread on which no signal handler of the program runs; which thread this is |

mod fork;
mod gate;
mod pidfd;
mod poller;
mod resolve;
mod signal;
mod thread;
mod time;
mod timerfd;

pub(crate) use fork::ForkMark;
pub(crate) use gate::Gate;
pub(crate) use pidfd::{exists_as_child, reap, wait_for_exit, Exit, Pidfd};
pub(crate) use poller::{
    has_ordinary_data, Interest, Poller, Readiness, Seen, Waker, ERROR, HANGUP, PRIORITY, READABLE, WRITABLE,
};
pub(crate) use resolve::resolve;
pub use resolve::{Address, Query};
pub use signal::arrivals as signal_arrivals;
pub(crate) use signal::Listener;
pub(crate) use thread::{spawn, this_thread};
pub(crate) use time::coarse_ns;
pub use time::monotonic_ns;
pub(crate) use timerfd::Alarm;

/// What the system calls a file descriptor.
pub type OsFd = std::os::fd::RawFd;

/// The system's error numbers that other layers tell apart.
pub(crate) mod errno {
    pub(crate) use libc::{EAI_FAIL, EBADF, EINVAL, ENOSPC, EPERM};
}

/// Closes an fd of the parent's guest in a forked child; whoever else owns it is never dropped there.
pub(crate) fn close_in_child(fd: OsFd) {
    // SAFETY: the child's copy of an fd that nothing in the child uses any more.
    unsafe { libc::close(fd) };
}
