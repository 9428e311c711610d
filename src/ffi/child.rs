//! L5. Header section: child processes.

use std::ffi::c_void;

use super::boundary::{self, ForeignGuest};
use super::callbacks::Foreign;
use super::types::{GuestChildFn, GuestDropFn, GuestStatus};

/// Calls back once when a child process ends, and reaps it. Thread: host.
///
/// `pid`: a child of this process that nobody else waits for. The source closes itself after the
/// callback. Closing it before leaves the child running and unreaped. SIGCHLD is never touched: the
/// child is watched by a pidfd, or, on a system without, by a thread that waits for it (which lasts
/// as long as the child).
/// Windows: any process that may be waited for; keep a handle of it until this returns, so that its number stays its own.
/// Nothing is reaped, and the exit code has all of its 32 bits.
/// `callback`, `user_data`, `drop`, `id_out`: as in guest_fd_add.
///
/// Errors: GUEST_EINVAL (pid below 1), GUEST_EEXIST (this guest watches it already), GUEST_EOS
/// (ESRCH: no such process; ECHILD: not a child of this one), GUEST_ENULL, GUEST_ETHREAD,
/// GUEST_ECLOSED, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_child_add(
    g: *mut ForeignGuest,
    pid: i32,
    callback: GuestChildFn,
    user_data: *mut c_void,
    drop: GuestDropFn,
    id_out: *mut u64,
) -> GuestStatus {
    boundary::register(g, callback.is_some(), id_out, |guest| {
        guest.registry().child_add(pid, Foreign::new(callback, user_data, drop))
    })
}
