//! L1. Waiting for one child process, without SIGCHLD.
//!
//! Owns: a pidfd, whose readability means that the process has ended. Host thread. Imports libc only.
//!
//! There are none before Linux 5.4, in a sandbox that forbids them, or with the hidden cfg `asyncguest_no_pidfd`: a
//! thread then waits for the child.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::handle::{close_in_child, owned};
use crate::sys::exit::ChildExit;
use crate::sys::unix::waitid::{reap, reap_by};

/// A process as an fd: readable when it has ended, and never another process with the same number.
pub(crate) struct Child(OwnedFd);

impl Child {
    /// The process with that number; `None` on a system without pidfds.
    pub(super) fn open(pid: i32) -> io::Result<Option<Child>> {
        if cfg!(asyncguest_no_pidfd) {
            return Ok(None);
        }
        // SAFETY: no memory is involved. The fd is closed on exec without asking.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        if fd < 0 {
            let error = io::Error::last_os_error();
            return match error.raw_os_error() {
                Some(libc::ENOSYS | libc::EPERM) => Ok(None),
                _ => Err(error),
            };
        }
        Ok(Some(Child(owned(fd as RawFd)?)))
    }

    /// As [`reap()`], but sure to mean this process, even if somebody else reaped it and its number
    /// came again.
    pub(crate) fn reap(&self, pid: i32) -> io::Result<Option<ChildExit>> {
        match reap_by(libc::P_PIDFD, self.0.as_raw_fd() as libc::id_t) {
            // Linux 5.3 has pidfds that it cannot wait for.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => reap(pid),
            other => other,
        }
    }

    /// For a forked child.
    pub(crate) fn close_in_child(&self) {
        close_in_child(self.fd());
    }

    /// For the poller.
    pub(super) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::unix::waitid::wait_for_exit;
    use std::process::{Command, Stdio};

    /// Waits at most `timeout` ms for the end.
    fn readable(child: &Child, timeout: i32) -> bool {
        let mut entry = libc::pollfd { fd: child.fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, which outlives the call.
        unsafe { libc::poll(&mut entry, 1, timeout) == 1 }
    }

    #[test]
    #[allow(clippy::zombie_processes)] // reaped by its pidfd
    fn a_pidfd_is_readable_when_the_child_has_ended_and_reaps_it_once() {
        let line = "read x; exit 7";
        let mut child = Command::new("sh").arg("-c").arg(line).stdin(Stdio::piped()).spawn().unwrap();
        let pid = child.id() as i32;
        let pidfd = Child::open(pid).unwrap();
        assert_eq!(pidfd.is_none(), cfg!(asyncguest_no_pidfd));
        let Some(pidfd) = pidfd else {
            drop(child.stdin.take());
            wait_for_exit(pid);
            assert_eq!(reap(pid).unwrap(), Some(ChildExit { code: 7, signal: 0 }));
            return;
        };
        assert!(!readable(&pidfd, 0));
        assert_eq!(pidfd.reap(pid).unwrap(), None);
        drop(child.stdin.take());
        assert!(readable(&pidfd, 10_000));
        assert_eq!(pidfd.reap(pid).unwrap(), Some(ChildExit { code: 7, signal: 0 }));
        assert_eq!(pidfd.reap(pid).unwrap(), Some(ChildExit::UNKNOWN), "it is reaped already");
        assert_eq!(Child::open(pid).err().and_then(|error| error.raw_os_error()), Some(libc::ESRCH));
    }
}
