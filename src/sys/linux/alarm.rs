//! L1. The alarm: an fd that becomes readable at a point in time.
//!
//! Owns: one timerfd. Runs on whichever thread owns the poller. Imports libc only.
//!
//! It is registered edge-triggered and never read: each expiration is a new edge, and setting it
//! anew takes back one that nobody has looked at yet.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::handle::{close_in_child, owned};

/// A timer on the monotonic clock, to the nanosecond and never early.
pub(crate) struct Alarm(OwnedFd);

impl Alarm {
    pub(super) fn new() -> io::Result<Alarm> {
        // SAFETY: no memory is involved.
        let fd =
            unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
        Ok(Alarm(owned(fd)?))
    }

    /// Fires once at `deadline` (monotonic nanoseconds), at once if that has passed, never if it is
    /// `u64::MAX`. Replaces what was set before.
    pub(crate) fn set(&self, deadline: u64) -> io::Result<()> {
        // For the kernel zero means "not set", so a deadline of 0 becomes the first nanosecond, as
        // much in the past.
        let at = if deadline == u64::MAX { 0 } else { deadline.max(1) };
        let value = libc::timespec {
            tv_sec: (at / 1_000_000_000) as i64, // all of them fit
            tv_nsec: (at % 1_000_000_000) as libc::c_long,
        };
        let setting =
            libc::itimerspec { it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        // SAFETY: `setting` outlives the call, and NULL means that the old setting is not wanted.
        let done = unsafe {
            libc::timerfd_settime(self.0.as_raw_fd(), libc::TFD_TIMER_ABSTIME, &setting, std::ptr::null_mut())
        };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    pub(crate) fn close_in_child(&self) {
        close_in_child(self.fd());
    }

    pub(super) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::time::monotonic_ns;
    use super::*;
    use std::os::fd::FromRawFd;

    /// An epoll set that watches one alarm, edge-triggered, as the poller does.
    struct Watch(OwnedFd);

    impl Watch {
        fn new(alarm: &Alarm) -> Watch {
            // SAFETY: no memory is involved.
            let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
            assert!(fd >= 0);
            let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 0 };
            // SAFETY: `event` outlives the call.
            let added = unsafe { libc::epoll_ctl(fd, libc::EPOLL_CTL_ADD, alarm.fd(), &mut event) };
            assert_eq!(added, 0);
            // SAFETY: the fd is new and nobody else's.
            Watch(unsafe { OwnedFd::from_raw_fd(fd) })
        }

        /// Waits at most `timeout` ms for an edge.
        fn edge(&self, timeout: i32) -> bool {
            let mut event = libc::epoll_event { events: 0, u64: 0 };
            // SAFETY: there is room for the one event asked for.
            let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), &mut event, 1, timeout) };
            assert!(count >= 0);
            count == 1
        }
    }

    #[test]
    fn each_setting_gives_a_new_edge_without_a_read_and_never_early() {
        let alarm = Alarm::new().unwrap();
        let watch = Watch::new(&alarm);
        for i in 1..=50 {
            let deadline = monotonic_ns() + i * 10_000;
            alarm.set(deadline).unwrap();
            assert!(watch.edge(5000), "no edge for setting {i}");
            assert!(monotonic_ns() >= deadline, "early");
            assert!(!watch.edge(0), "one edge only");
        }
    }

    #[test]
    fn the_past_fires_at_once_and_zero_is_the_past() {
        let alarm = Alarm::new().unwrap();
        let watch = Watch::new(&alarm);
        for deadline in [0, 1, 999_999_999, monotonic_ns(), 0] {
            alarm.set(deadline).unwrap();
            assert!(watch.edge(5000), "{deadline} has passed");
        }
    }

    #[test]
    fn forever_disarms_and_the_far_future_does_not_wrap() {
        let alarm = Alarm::new().unwrap();
        let watch = Watch::new(&alarm);
        for never in [u64::MAX, u64::MAX - 1, u64::MAX / 2] {
            alarm.set(monotonic_ns() + 1_000_000).unwrap();
            alarm.set(never).unwrap();
            assert!(!watch.edge(3), "{never} never comes");
        }
        alarm.set(1).unwrap();
        alarm.set(u64::MAX).unwrap();
        assert!(!watch.edge(0), "setting it anew takes back an expiration that nobody saw");
    }
}
