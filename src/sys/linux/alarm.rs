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
