//! L1. File descriptors. Any thread. Imports libc only.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// What the system calls a file descriptor.
pub type OsFd = RawFd;

/// The system's error numbers that other layers tell apart.
pub(crate) mod errno {
    pub(crate) use libc::{EAI_FAIL, EINVAL};
}

/// What the caller is to pass.
pub(crate) const FD: &str = "open file descriptor";

/// Whether that number could be an open fd.
pub(crate) fn is_fd(fd: OsFd) -> bool {
    fd >= 0
}

/// What to do about an fd that the poller has refused with `error`; empty if there is nothing to say.
pub(crate) fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EPERM) => {
            " (a regular file is always ready and cannot be watched: read it with guest_work)"
        }
        Some(libc::EBADF) => " (it is not open: close the source before the fd)",
        Some(libc::ENOSPC) => " (raise fs.epoll.max_user_watches)",
        _ => "",
    }
}

/// Takes what a system call returned: an fd that nobody else owns, or a negative number for an error.
pub(super) fn owned(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made by the caller, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Closes an fd of the parent's guest in a forked child; whoever else owns it is never dropped there.
pub(super) fn close_in_child(fd: RawFd) {
    // SAFETY: the child's copy of an fd that nothing in the child uses any more.
    unsafe { libc::close(fd) };
}
