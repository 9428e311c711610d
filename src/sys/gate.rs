//! L1. What the I/O thread sleeps on.
//!
//! Owns: an outer epoll set that holds the poller's own fd in one-shot mode. The I/O thread waits,
//! the host thread arms. Imports libc.
//!
//! The I/O thread never reads the poller's events; it only learns that there are some. So the host
//! thread alone owns the poller, may poll it at any moment without asking anybody, and handing the
//! waiting back to the I/O thread is one system call that wakes no thread.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Lets one readiness of the poller through each time it is armed.
pub(crate) struct Gate {
    outer: OwnedFd,
    poller: RawFd,
}

impl Gate {
    /// A gate before `poller`, not armed. The poller must outlive it.
    pub(crate) fn new(poller: &impl AsRawFd) -> io::Result<Gate> {
        // SAFETY: no pointers; the result is checked.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the fd was just made and nobody else owns it.
        let outer = unsafe { OwnedFd::from_raw_fd(fd) };
        let gate = Gate { outer, poller: poller.as_raw_fd() };
        gate.control(libc::EPOLL_CTL_ADD, 0)?;
        Ok(gate)
    }

    /// Lets the next readiness through, at once if the poller is ready now. Any thread.
    pub(crate) fn arm(&self) {
        // The poller's fd is in the set for as long as the gate lives, so this cannot fail.
        let armed = self.control(libc::EPOLL_CTL_MOD, libc::EPOLLIN | libc::EPOLLONESHOT);
        debug_assert!(armed.is_ok(), "{armed:?}");
    }

    /// Sleeps until the armed gate opens (`true`) or `timeout` nanoseconds have passed; `None`: no limit.
    /// I/O thread only. Opening disarms.
    pub(crate) fn wait(&self, timeout: Option<u64>) -> bool {
        let millis = match timeout {
            None => -1,
            Some(ns) => i32::try_from(ns.div_ceil(1_000_000)).unwrap_or(i32::MAX),
        };
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: `event` is one writable epoll_event, and 1 is what is said.
        let ready = unsafe { libc::epoll_wait(self.outer.as_raw_fd(), &mut event, 1, millis) };
        // An interrupted wait is an early timeout; the I/O thread looks again and sleeps on.
        ready > 0 && event.events & libc::EPOLLIN as u32 != 0
    }

    fn control(&self, operation: i32, events: i32) -> io::Result<()> {
        let mut event = libc::epoll_event { events: events as u32, u64: 0 };
        // SAFETY: both fds are open, and `event` lives through the call.
        match unsafe { libc::epoll_ctl(self.outer.as_raw_fd(), operation, self.poller, &mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Closes the gate in a forked child, where nothing else may be touched.
    pub(crate) fn fds(&self) -> RawFd {
        self.outer.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Poller;

    #[test]
    fn one_readiness_per_arming_and_none_is_missed() {
        let (poller, waker) = Poller::new().unwrap();
        let gate = Gate::new(&poller).unwrap();
        waker.wake();
        assert!(!gate.wait(Some(0)), "not armed");
        gate.arm();
        assert!(gate.wait(None), "what was ready before counts");
        assert!(!gate.wait(Some(0)), "opening disarmed it");
        gate.arm();
        assert!(gate.wait(None), "undrained is still ready");
    }

    #[test]
    fn a_drained_poller_does_not_open_the_gate() {
        let (mut poller, waker) = Poller::new().unwrap();
        let gate = Gate::new(&poller).unwrap();
        waker.wake();
        poller.poll_now(|_, _| {}).unwrap();
        gate.arm();
        assert!(!gate.wait(Some(0)));
        waker.wake();
        assert!(gate.wait(None));
    }
}
