//! L5. Header section: timers and the clock.

use std::ffi::c_void;

use super::boundary::ForeignGuest;
use super::callbacks::Foreign;
use super::types::{GuestDropFn, GuestStatus, GuestTimerFn};
use super::{args, boundary};

/// Nanoseconds of the monotonic clock that timers go by (CLOCK_MONOTONIC). Thread: any+signal.
#[no_mangle]
pub extern "C" fn guest_now() -> u64 {
    crate::guest::monotonic_ns()
}

/// Starts a timer. Thread: host.
///
/// `delay`: nanoseconds from now; 0 fires in the next delivery, GUEST_FOREVER does not arm it yet.
/// `period`: 0 for a one-shot timer, which is closed when its callback returns unless the callback
/// has armed it again with guest_timer_modify; else the distance of the following expirations. A
/// late repeating timer does not fire in bursts: missed periods are counted in `expirations`, and
/// the grid is kept. Never early. Timers that are due together fire by deadline, then in the order
/// they were started.
/// `callback`, `user_data`, `drop`, `id_out`: as in guest_fd_add.
///
/// Errors: GUEST_ENULL, GUEST_ETHREAD, GUEST_ECLOSED, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_timer_add(
    g: *mut ForeignGuest,
    delay: u64,
    period: u64,
    callback: GuestTimerFn,
    user_data: *mut c_void,
    drop: GuestDropFn,
    id_out: *mut u64,
) -> GuestStatus {
    boundary::register(g, callback.is_some(), id_out, |guest| {
        guest.registry().timer_add(delay, period, Foreign::new(callback, user_data, drop))
    })
}

/// Arms a timer anew, whether it is armed or not. Thread: host.
///
/// `delay`, `period`: as in guest_timer_add; a delay of GUEST_FOREVER stops it without closing it.
/// Takes effect at once, also if the timer is due in the batch that is being delivered.
///
/// Errors: GUEST_ESTALE (also for an id that is no timer), GUEST_ETHREAD, GUEST_ECLOSED, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_timer_modify(
    g: *mut ForeignGuest,
    id: u64,
    delay: u64,
    period: u64,
) -> GuestStatus {
    boundary::host(g, |guest| guest.registry().timer_modify(args::id(id)?, delay, period))
}

/// Asks for a delivery at a point in time. Thread: host.
///
/// For a program that keeps timers of its own (asyncio, a game engine, another runtime) and needs one wake-up, for the
/// earliest of them: cheaper than a timer, and nothing is called. At `deadline_ns` the guest gets a delivery, also if
/// nothing else is due, as after guest_wake; what the program does then is its own affair. In the pull form
/// guest_batch_wait returns without an event. The deadline is forgotten when it has come.
///
/// `deadline_ns`: nanoseconds of guest_now. In the past: a delivery soon. GUEST_FOREVER: none. Replaces the one before.
/// Never early, and as exact as a timer.
///
/// Errors: GUEST_ENULL, GUEST_ETHREAD, GUEST_ECLOSED, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_deadline(g: *mut ForeignGuest, deadline_ns: u64) -> GuestStatus {
    boundary::host(g, |guest| guest.registry().set_deadline(deadline_ns))
}
