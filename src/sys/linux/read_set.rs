//! L1. Sockets that the library's thread reads while the host is away.
//!
//! Owns: an epoll set beside the poller's. The host thread adds, arms and removes, the I/O thread takes and arms: epoll allows
//! both at once. Imports libc only.
//!
//! Each socket is reported once for each time that it is armed, hang-ups and errors too. So one that nobody wants to read at
//! present costs one report at most, and need not be taken out.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::handle::{close_in_child, owned};
use super::poller::{epoll_ctl, epoll_wait};

/// So many sockets one call takes; the rest comes with the next.
const CAPACITY: usize = 64;

pub(crate) struct ReadSet(OwnedFd);

impl ReadSet {
    pub(crate) fn new() -> io::Result<ReadSet> {
        // SAFETY: no pointers; the result is checked.
        owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }).map(ReadSet)
    }

    /// Adds a socket, armed, which is reported as `bits`.
    pub(crate) fn add(&self, fd: RawFd, bits: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, bits)
    }

    /// Has a socket of the set reported once more: when it is readable, at once if it is now.
    pub(crate) fn arm(&self, fd: RawFd, bits: u64) {
        // It is open and in the set, or whoever calls has broken the order; then nobody reads ahead, which is allowed.
        let armed = self.control(libc::EPOLL_CTL_MOD, fd, bits);
        debug_assert!(armed.is_ok(), "{armed:?}");
    }

    /// Forgets a socket that is still open.
    pub(crate) fn remove(&self, fd: RawFd) {
        let _ = epoll_ctl(self.fd(), libc::EPOLL_CTL_DEL, fd, 0, 0);
    }

    /// Reports some of what is armed and readable, without waiting. Each is disarmed by it.
    pub(crate) fn take(&self, mut readable: impl FnMut(u64)) {
        let mut room = [libc::epoll_event { events: 0, u64: 0 }; CAPACITY];
        // An interrupted look has seen nothing, and comes again.
        for event in epoll_wait(self.fd(), &mut room, 0).unwrap_or_default() {
            readable(event.u64);
        }
    }

    /// The fd that is readable while one of them is to be reported.
    pub(super) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    pub(crate) fn close_in_child(&self) {
        close_in_child(self.fd());
    }

    fn control(&self, operation: i32, fd: RawFd, bits: u64) -> io::Result<()> {
        epoll_ctl(self.fd(), operation, fd, libc::EPOLLIN | libc::EPOLLONESHOT, bits)
    }
}
