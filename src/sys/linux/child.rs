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

    pub(crate) fn close_in_child(&self) {
        close_in_child(self.fd());
    }

    pub(super) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
