//! L5. Header section: blocking work on a pool of threads.

use std::ffi::c_void;

use super::boundary::{self, ForeignGuest};
use super::callbacks::ForeignWork;
use super::types::{GuestDropFn, GuestStatus, GuestWorkDoneFn, GuestWorkFn};

/// Runs `work(user_data)` on a thread of the guest's pool, then `done` on the host thread. Thread:
/// host.
///
/// `work`: must not touch the guest but by class "any" functions. It runs with signals blocked, and
/// a child that it forks inherits that mask. `done`: may be NULL. `drop`: runs on the host thread
/// after `done`; may be NULL. At most `work_threads` pieces run at a time, in the order they were
/// given; the rest waits. guest_close(g, id) cancels a piece that has not started; of one that is
/// running, only `done` is cancelled.
/// `id_out`: as in guest_fd_add.
///
/// Errors: GUEST_ENULL (work), GUEST_EOS (no thread can be started), GUEST_ETHREAD, GUEST_ECLOSED,
/// GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_work(
    g: *mut ForeignGuest,
    work: GuestWorkFn,
    done: GuestWorkDoneFn,
    user_data: *mut c_void,
    drop: GuestDropFn,
    id_out: *mut u64,
) -> GuestStatus {
    boundary::register(g, true, id_out, |guest| {
        let (job, done) = ForeignWork::halves(work, done, user_data, drop)?;
        guest.registry().work_add(job, done)
    })
}
