//! L5. Header section: signals.

use std::ffi::c_void;

use super::boundary::{self, ForeignGuest};
use super::callbacks::Foreign;
use super::types::{GuestDropFn, GuestSignalFn, GuestStatus};

/// Calls back on the host thread when a signal arrives. Thread: host.
///
/// `signum`: SIGINT, SIGHUP, ... While any guest watches a signal, the library has a handler
/// installed that also calls the handler that was there before; when the last watch is closed, that
/// one is restored, unless somebody has installed a third meanwhile. A default action (such as
/// ending the process) does not happen while the signal is watched; in a forked child, which
/// watches nothing, it does. Several guests may watch one signal; a guest watches it once.
/// Windows: SIGINT and SIGBREAK, which the console sends for Ctrl-C and Ctrl-Break. What is watched reaches no handler that
/// was there before.
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
        guest.registry().signal_add(signum, Foreign::new(callback, user_data, drop))
    })
}

/// How often the library's handler has run for a signal that a guest of this process watches, since
/// the process began; 0 for what cannot be watched. Thread: any+signal.
///
/// For a program that has a handler of its own below the library's, and must tell whether an arrival
/// was seen by the library too: it was if this has grown, since it grows before that handler is
/// called. If not, somebody has put another handler in the library's place (a language's runtime
/// does when it puts an earlier one back): close the source and add it anew.
///
/// `signum`: as in guest_signal_add.
#[no_mangle]
pub extern "C" fn guest_signal_arrivals(signum: i32) -> u64 {
    crate::guest::signal_arrivals(signum)
}
