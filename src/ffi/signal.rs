//! L5. Header section: signals.

use std::ffi::c_void;

use super::boundary;
use super::foreign::{Foreign, ForeignGuest};
use super::types::{GuestDropFn, GuestSignalFn, GuestStatus};

/// Calls back on the host thread when a signal arrives. Thread: host.
///
/// `signum`: SIGINT, SIGHUP, ... While any guest watches a signal, the library has a handler
/// installed that also calls the handler that was there before; when the last watch is closed, that
/// one is restored, unless somebody has installed a third meanwhile. A default action (such as
/// ending the process) does not happen while the signal is watched; in a forked child, which
/// watches nothing, it does. Several guests may watch one signal; a guest watches it once.
/// `callback`, `user_data`, `drop`, `id_out`: as in guest_fd_add.
///
/// Errors: GUEST_EINVAL (no signal, or SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
/// which cannot be handled later), GUEST_EEXIST, GUEST_ENULL, GUEST_EOS (EBUSY: other handlers were
/// put over the library's four times), GUEST_ENOTSUP, GUEST_ETHREAD, GUEST_ECLOSED, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_signal_add(
    g: *mut ForeignGuest,
    signum: i32,
    callback: GuestSignalFn,
    user_data: *mut c_void,
    drop: GuestDropFn,
    id_out: *mut u64,
) -> GuestStatus {
    boundary::register(g, callback.is_some(), id_out, |guest| {
        guest.reactor().signal_add(signum, Foreign::new(callback, user_data, drop))
    })
}
