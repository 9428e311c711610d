//! L1. What the I/O thread sleeps on.
//!
//! Owns: an outer epoll set that holds the poller's own fd in one-shot mode, an eventfd to kick
//! the sleeper, and the timerfd that ends its waits. The I/O thread waits, the host thread arms and kicks. Imports libc.
//!
//! The I/O thread never reads the poller's events; it only learns that there are some. So the host
//! thread alone owns the poller, may poll it at any moment without asking anybody, and handing the
//! waiting back to the I/O thread is one system call that wakes no thread.
//!
//! A limit of epoll_wait's own would be a timer that each wake sets and takes back, nearly a microsecond of it. A timerfd
//! that goes off early enough is left standing instead: the sleeper looks, and sleeps on.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use super::alarm::Alarm;
use super::handle::{close_in_child, owned};
use super::poller::{self, Poller};
use super::read_set::ReadSet;
use super::time::monotonic_ns;

/// Lets one readiness of the poller through each time it is armed.
pub(crate) struct Latch {
    outer: OwnedFd,
    kick: OwnedFd,
    poller: RawFd,
    limit: Alarm,
    /// When the limit goes off, or has gone off. The sleeper's.
    limit_at: AtomicU64,
}

const POLLER: u64 = 0;
/// The eventfd and the limit, which are registered edge-triggered, so that nobody has to read them.
const KICK: u64 = 1;
const READ_SET: u64 = 2;

impl Latch {
    /// A latch before `poller`, not armed. It may outlive the poller, but is not armed any more then.
    pub(crate) fn new(poller: &Poller) -> io::Result<Latch> {
        // SAFETY: no pointers; the result is checked.
        let outer = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: as above.
        let kick = owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        let (limit, limit_at) = (Alarm::new()?, AtomicU64::new(0));
        let latch = Latch { outer, kick, poller: poller.fd(), limit, limit_at };
        latch.control(libc::EPOLL_CTL_ADD, latch.poller, 0, POLLER)?;
        for fd in [latch.kick.as_raw_fd(), latch.limit.fd()] {
            latch.control(libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN | libc::EPOLLET, KICK)?;
        }
        Ok(latch)
    }

    /// Lets the next readiness through, at once if the poller is ready now. Any thread.
    pub(crate) fn arm(&self) {
        // Only a living guest arms, and its poller's fd is in the set: this cannot fail.
        let armed =
            self.control(libc::EPOLL_CTL_MOD, self.poller, libc::EPOLLIN | libc::EPOLLONESHOT, POLLER);
        debug_assert!(armed.is_ok(), "{armed:?}");
    }

    /// Has sockets of a set end waits too, from the first [`Latch::arm_set`] on.
    pub(crate) fn add_set(&self, set: &ReadSet) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, set.fd(), 0, READ_SET)
    }

    /// Has the next readiness of the set that was added end a wait, without opening the latch. Any thread.
    pub(crate) fn arm_set(&self, set: &ReadSet) {
        let events = libc::EPOLLIN | libc::EPOLLONESHOT;
        let armed = self.control(libc::EPOLL_CTL_MOD, set.fd(), events, READ_SET);
        debug_assert!(armed.is_ok(), "{armed:?}");
    }

    /// Ends the present or the next wait, without opening the latch. Any thread.
    pub(crate) fn kick(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: eight readable bytes. The counter is full after 2^64 - 2 kicks, and awake then.
        unsafe { libc::write(self.kick.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Sleeps until the armed latch opens (`true`), a kick, a signal, a socket of an armed set or the end of `timeout`
    /// nanoseconds (`false`); `None`: no limit. May end early. I/O thread only. Opening disarms.
    pub(crate) fn wait(&self, timeout: Option<u64>) -> bool {
        let mut room = [libc::epoll_event { events: 0, u64: KICK }; 4];
        if let Some(timeout @ 1..) = timeout {
            self.end_within(timeout);
        }
        let limit = if timeout == Some(0) { 0 } else { u64::MAX };
        let events = poller::epoll_wait(self.outer.as_raw_fd(), &mut room, limit);
        // A signal ends the sleep as a kick does.
        events.is_ok_and(|events| events.iter().any(|event| event.u64 == POLLER))
    }

    /// Has the limit end waits within `timeout` nanoseconds.
    fn end_within(&self, timeout: u64) {
        let now = monotonic_ns();
        let (at, limit) = (self.limit_at.load(Ordering::Relaxed), now.saturating_add(timeout));
        if at <= now || at > limit {
            self.limit_at.store(limit, Ordering::Relaxed);
            let set = self.limit.set(limit);
            debug_assert!(set.is_ok(), "{set:?}");
        }
    }

    fn control(&self, operation: i32, fd: RawFd, events: i32, token: u64) -> io::Result<()> {
        poller::epoll_ctl(self.outer.as_raw_fd(), operation, fd, events, token)
    }

    /// Whether the sleeper takes what arrives. Never: an epoll set can be waited for.
    pub(crate) fn takes_packets(&self) -> bool {
        false
    }

    pub(crate) fn close_in_child(&self) {
        close_in_child(self.outer.as_raw_fd());
        close_in_child(self.kick.as_raw_fd());
        self.limit.close_in_child();
    }
}

/// Tries a poller, its waker and its latch in each form that this system has.
#[cfg(test)]
pub(in crate::sys) fn each(test: impl Fn(Poller, super::poller::Waker, Latch)) {
    let (poller, waker, _alarm) = Poller::new().unwrap();
    let latch = Latch::new(&poller).unwrap();
    test(poller, waker, latch);
}
