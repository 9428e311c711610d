//! L1. The two calls that both epoll sets of a guest need: the poller's and the latch's. Any thread. Imports libc only.

use std::io;
use std::os::fd::RawFd;

/// Adds, changes or removes `fd`, which is reported as `token`.
pub(super) fn control(set: RawFd, operation: i32, fd: RawFd, events: i32, token: u64) -> io::Result<()> {
    let mut event = libc::epoll_event { events: events as u32, u64: token };
    // SAFETY: `event` lives through the call; a bad fd is an error and nothing worse.
    match unsafe { libc::epoll_ctl(set, operation, fd, &mut event) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sleeps until something is ready or `timeout` nanoseconds have passed (`u64::MAX`: no limit; rounded up to
/// milliseconds), and returns what is ready. `room`: where it is written.
#[inline(always)]
pub(super) fn wait(
    set: RawFd,
    room: &mut [libc::epoll_event],
    timeout: u64,
) -> io::Result<&[libc::epoll_event]> {
    let millis = match timeout {
        0 => 0,
        u64::MAX => -1,
        ns => i32::try_from(ns.div_ceil(1_000_000)).unwrap_or(i32::MAX),
    };
    // SAFETY: `room` is writable, and no more than its length is asked for.
    let count = unsafe { libc::epoll_wait(set, room.as_mut_ptr(), room.len() as i32, millis) };
    match usize::try_from(count) {
        Ok(count) => Ok(&room[..count]),
        Err(_) => Err(io::Error::last_os_error()),
    }
}
