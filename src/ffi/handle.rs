//! L5. Header section: handles, which Windows has.

use std::ffi::c_void;

use super::boundary::{self, ForeignGuest};
use super::callbacks::Foreign;
use super::types::{GuestDropFn, GuestFdFn, GuestStatus, GUEST_READABLE};
use crate::guest::OsFd;

/// Watches a handle that can be waited for, any number of them. Thread: host. Windows only.
///
/// `handle`: an event, semaphore, timer, process, thread, console input, ... The library waits for a copy of its own, so that
/// you may close yours, and its number may come again. An object that is added twice has two sources: what a wait resets comes
/// to one of them. Another guest's guest_fd will do where `latch` of guest_stats is GUEST_LATCH_HANDLE.
/// `callback`: gets GUEST_READABLE for as long as the object is signalled: level-triggered. A wait that resets what it waited
/// for (an auto-reset event, a semaphore's count) is one call each.
/// The rest, and guest_fd_modify (GUEST_READABLE, or 0 to pause), as with guest_fd_add. An event may be told once
/// although it was reset in the meantime.
///
/// Errors: GUEST_EINVAL (NULL or INVALID_HANDLE_VALUE), GUEST_EOS (ERROR_INVALID_HANDLE: not open;
/// ERROR_INVALID_PARAMETER: its object cannot be waited for by any thread, as a mutex, which would belong to the thread that
/// waits; ERROR_ACCESS_DENIED: it was opened without SYNCHRONIZE; WSAEOPNOTSUPP: a socket, for which there is guest_fd_add),
/// GUEST_ENULL, GUEST_ETHREAD, GUEST_ECLOSED.
#[no_mangle]
pub unsafe extern "C" fn guest_handle_add(
    g: *mut ForeignGuest,
    handle: *mut c_void,
    callback: GuestFdFn,
    user_data: *mut c_void,
    drop: GuestDropFn,
    id_out: *mut u64,
) -> GuestStatus {
    boundary::register(g, callback.is_some(), id_out, |guest| {
        guest.registry().handle_add(handle as OsFd, GUEST_READABLE, Foreign::new(callback, user_data, drop))
    })
}
