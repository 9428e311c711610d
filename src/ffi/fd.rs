//! L5. Header section: file descriptors.

use std::ffi::c_void;

use super::boundary::ForeignGuest;
use super::callbacks::Foreign;
use super::types::{GuestDropFn, GuestFdFn, GuestStatus, GUEST_PRIORITY, GUEST_READABLE, GUEST_WRITABLE};
use super::{args, boundary};
use crate::error::{Error, Result, Status};
use crate::guest::OsFd;

/// Watches an fd. Thread: host. Works also while the I/O thread waits: the change is seen at once.
///
/// `fd`: borrowed; a socket, pipe, terminal, eventfd, ... in non-blocking mode if you can. One
/// registration per fd and guest. Regular files are always ready and cannot be watched (GUEST_EOS,
/// EPERM).
/// `events`: GUEST_READABLE, GUEST_WRITABLE, GUEST_PRIORITY, or 0 to register for later; errors and
/// hang-ups are reported with any of them. Level-triggered: as long as data is left, the callback
/// is called again.
/// `callback`: required unless GUEST_FLAG_PULL. `user_data`: handed to it. `drop`: may be NULL.
/// `id_out`: receives the id; NULL if you do not need it.
///
/// Windows: a SOCKET and nothing else (WSAENOTSOCK); for handles there is guest_handle_add.
///
/// Close the source before the fd. If an fd was closed all the same and its number comes again, the
/// new registration replaces the dead one, whose id then fails with GUEST_ESTALE. (Not one that is
/// paused, of which the system knows nothing: GUEST_EEXIST.)
///
/// Errors: GUEST_EEXIST, GUEST_EINVAL (negative fd), GUEST_EFLAGS, GUEST_ENULL, GUEST_EOS (EBADF,
/// EPERM, ENOSPC), GUEST_ETHREAD, GUEST_ECLOSED, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_fd_add(
    g: *mut ForeignGuest,
    fd: OsFd,
    events: u32,
    callback: GuestFdFn,
    user_data: *mut c_void,
    drop: GuestDropFn,
    id_out: *mut u64,
) -> GuestStatus {
    boundary::register(g, callback.is_some(), id_out, |guest| {
        guest.registry().fd_add(fd, interest(events)?, Foreign::new(callback, user_data, drop))
    })
}

/// Changes what an fd is watched for. Thread: host.
///
/// `events`: as in guest_fd_add; 0 pauses it (also for errors and hang-ups) without closing it.
/// Takes effect at once, also for an event of the batch that is being delivered.
///
/// Errors: GUEST_ESTALE (also for an id that is no fd), GUEST_EFLAGS, GUEST_EOS, GUEST_ETHREAD,
/// GUEST_ECLOSED, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_fd_modify(g: *mut ForeignGuest, id: u64, events: u32) -> GuestStatus {
    boundary::host(g, |guest| guest.registry().fd_modify(args::id(id)?, interest(events)?))
}

fn interest(events: u32) -> Result<u32> {
    match events & !(GUEST_READABLE | GUEST_WRITABLE | GUEST_PRIORITY) {
        0 => Ok(events),
        unknown => Err(Error::new(
            Status::FLAGS,
            format!(
                "events has the bits {unknown:#x}: use GUEST_READABLE, GUEST_WRITABLE and GUEST_PRIORITY"
            ),
        )),
    }
}
