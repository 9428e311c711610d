//! L5. Header section: the life of a guest.

use std::ffi::c_void;
use std::sync::Arc;

pub use super::boundary::ForeignGuest;
use super::host::ForeignHost;
use super::sized;
use super::types::{GuestHost, GuestOptions, GuestStats, GuestStatus, GuestToken};
use super::{args, boundary, driving};
use crate::error::Status;
use crate::guest::OsFd;

/// Starts a guest. Thread: any; the calling thread becomes the host thread.
///
/// `host`: how to reach the main loop; copied. May be NULL in the drives FD and RUN.
/// `options`: NULL for all defaults; copied.
/// `guest_out`: receives the guest; give it to guest_free in the end.
///
/// With GUEST_DRIVE_THREAD the I/O thread "asyncguest-io" runs from here on, all signals blocked but
/// those of its own faults (SIGSEGV, ...);
/// the host's loop may start before or after. Several guests may live on one thread.
///
/// Errors: GUEST_ENULL (guest_out, or a function that this drive needs), GUEST_ESIZE, GUEST_EFLAGS,
/// GUEST_EINVAL (work_threads), GUEST_EDRIVE (stall_after with GUEST_DRIVE_RUN), GUEST_EOS (no
/// fds or threads left). Nothing is kept when it fails.
#[no_mangle]
pub unsafe extern "C" fn guest_start(
    host: *const GuestHost,
    options: *const GuestOptions,
    guest_out: *mut *mut ForeignGuest,
) -> GuestStatus {
    boundary::plain(|| {
        let out = args::out(guest_out, "guest_out")?;
        // SAFETY: the caller passes NULL or pointers to structs that begin with their size.
        let (host, options) = unsafe { (ForeignHost::read(host)?, sized::options(options)?) };
        host.check(options.drive)?;
        let data = host.data();
        *out = ForeignGuest::start(Arc::new(host), data, options)?;
        Ok(())
    })
}

/// Makes the calling thread the host thread. Thread: any.
///
/// For a loop that is made on one thread and run on another. Between two deliveries only; and the
/// caller vouches that no other thread is inside a function of class host of this guest, and that
/// the threads have synchronised (a join, a lock), so that this one sees what the other has done.
/// Sources, posts, tokens and an fd that the host watches stay as they are.
///
/// Errors: GUEST_EORDER (inside a callback, or between guest_batch_begin and guest_batch_end),
/// GUEST_EOS (Linux: a sandbox that was not there at guest_start refuses membarrier), GUEST_ENULL,
/// GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_adopt(g: *mut ForeignGuest) -> GuestStatus {
    // `Guest` is not `Send` only because its parts are shared by `Rc` and `Cell`. All of them live inside `g`,
    // no clone is with user code while nothing is on the stack, and the caller vouches that the old thread is
    // outside: so they move as a whole.
    boundary::any(g, |g| g.poster.shared.adopt())
}

/// Runs what is due, within the guest's time budget, without ever waiting. Thread: host.
///
/// `token`: the one that `post` was called with, or 0 for "whatever is due": the drive FD, a game
/// loop that steps once per frame, an embedded interpreter. Any delivery catches up with everything.
///
/// Callbacks run inside this call. They may call any function of the guest, run a nested main loop,
/// cancel the guest or free it; they may throw a C++ exception, which passes through, and the rest
/// of the batch is delivered later.
///
/// Errors: GUEST_ESTALE (an old or doubled token: harmless), GUEST_EINLINE (called inside `post`:
/// harmless, the token comes again), GUEST_ETHREAD, GUEST_ECLOSED (the guest has ended),
/// GUEST_EDRIVE (GUEST_FLAG_PULL is set, and the guest was not cancelled), GUEST_EFORKED,
/// GUEST_EPANIC.
#[no_mangle]
pub unsafe extern "C-unwind" fn guest_deliver_batch(g: *mut ForeignGuest, token: GuestToken) -> GuestStatus {
    driving::deliver(g, token, None)
}

/// The same with a budget for this call alone. Thread: host.
///
/// `budget`: nanoseconds; GUEST_FOREVER runs until nothing is due. At least one callback runs.
/// Errors: those of guest_deliver_batch.
#[no_mangle]
pub unsafe extern "C-unwind" fn guest_deliver_batch_for(
    g: *mut ForeignGuest,
    token: GuestToken,
    budget: u64,
) -> GuestStatus {
    driving::deliver(g, token, Some(budget))
}

/// Waits on the calling thread and delivers, until the guest ends or the time is over. Thread: host.
///
/// `timeout`: nanoseconds; GUEST_FOREVER for no limit; 0 delivers once. For GUEST_DRIVE_RUN, which has
/// no other loop, and in every drive for tests, tools and clean-up without a host. Returns GUEST_OK
/// when the guest has ended.
///
/// Errors: GUEST_ETIMEDOUT (the guest lives on), GUEST_ECLOSED (inside a callback, when the guest was
/// cancelled: it ends when that callback has returned), and those of guest_deliver_batch.
#[no_mangle]
pub unsafe extern "C-unwind" fn guest_run(g: *mut ForeignGuest, timeout: u64) -> GuestStatus {
    driving::run(g, timeout, false)
}

/// Ends the guest without the host's help: cancels it and drives what is left on the calling
/// thread. Thread: host. For a host whose loop has ended first.
///
/// `timeout`: nanoseconds to wait for work that is already running in the pool. Returns GUEST_OK
/// when `done` has been called (by this call or before), GUEST_ETIMEDOUT when work is still
/// running: call again, or let guest_free abandon it.
///
/// Errors: GUEST_ETIMEDOUT, GUEST_EORDER (inside a callback: use guest_cancel there),
/// GUEST_ETHREAD, GUEST_EFORKED, GUEST_EPANIC.
#[no_mangle]
pub unsafe extern "C-unwind" fn guest_shutdown(g: *mut ForeignGuest, timeout: u64) -> GuestStatus {
    driving::run(g, timeout, true)
}

/// Asks the guest to end. Thread: any. Harmless when repeated.
///
/// From now on nothing new is taken (GUEST_ECLOSED) and no callback is called any more. The next
/// delivery runs every drop function, waits (without blocking) for work that is running, and calls
/// `done` last.
///
/// Errors: GUEST_ENULL, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_cancel(g: *mut ForeignGuest) -> GuestStatus {
    boundary::any(g, |g| {
        g.poster.cancel();
        Ok(())
    })
}

/// Releases the guest. Thread: host. NULL is ignored.
///
/// At any moment: a guest that has not ended is ended first, with drop functions and `done`; work
/// that is running is abandoned, and its drop function then runs on the pool's thread, the only one
/// that ever does. The I/O thread is joined within a second even if `post` hangs. Inside a callback
/// of the same guest, or between guest_batch_begin and guest_batch_end, it takes effect when the
/// outermost delivery or batch ends. In a forked child it closes the child's copies of the fds at
/// once, also there, and runs nothing. On another thread it does nothing at all; guest_last_error
/// then says GUEST_ETHREAD's text.
#[no_mangle]
pub unsafe extern "C" fn guest_free(g: *mut ForeignGuest) {
    driving::free(g);
}

/// The fd to watch in GUEST_DRIVE_FD (and, for tests, in GUEST_DRIVE_RUN). Thread: host.
///
/// It is readable whenever anything is due, timers and posts included; then call
/// guest_deliver_batch(g, 0). Watch it for readability (level-triggered or not) and never read,
/// write or close it; there is nothing to call before the host sleeps, and no timeout to ask for.
///
/// Windows: a HANDLE, for MsgWaitForMultipleObjects and its sisters.
///
/// Errors: GUEST_EDRIVE (a guest in GUEST_DRIVE_THREAD watches by itself), GUEST_ENOTSUP (Windows, where `latch` of
/// guest_stats would be GUEST_LATCH_INBOX), GUEST_ETHREAD, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_fd(g: *const ForeignGuest, fd_out: *mut OsFd) -> GuestStatus {
    boundary::host(g, |guest| {
        let out = args::out(fd_out, "fd_out")?;
        *out = guest.fd()?;
        Ok(())
    })
}

/// Asks for a delivery, even if nothing is due. Thread: any+signal.
///
/// For signal handlers, and for programs that keep a queue of their own and empty it after each
/// delivery. Several calls before the delivery make one. Keeps errno. Inside an open batch it is for a
/// nested main loop, which then gets a delivery; if the batch itself looks first, that look has met it.
///
/// Errors: GUEST_ENULL, GUEST_ECLOSED (the guest has ended), GUEST_EFORKED. guest_last_error does
/// not change.
#[no_mangle]
pub unsafe extern "C" fn guest_wake(g: *const ForeignGuest) -> GuestStatus {
    // SAFETY: the caller passes NULL or a live guest.
    boundary::wake(unsafe { g.as_ref() }.map(|g| &g.poster))
}

/// What the guest does at this moment: GUEST_STATE_IDLE and its sisters. Thread: any.
///
/// Errors: GUEST_ENULL, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_state(g: *const ForeignGuest, state_out: *mut u32) -> GuestStatus {
    boundary::any(g, |g| {
        let out = args::out(state_out, "state_out")?;
        *out = g.poster.state() as u32;
        Ok(())
    })
}

/// Counters and histograms, read one by one while the guest goes on. Thread: any.
///
/// Errors: GUEST_ENULL, GUEST_ESIZE, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_stats(g: *const ForeignGuest, stats_out: *mut GuestStats) -> GuestStatus {
    boundary::any(g, |g| {
        let stats = sized::stats(&g.poster.stats());
        // SAFETY: the caller passes a struct that begins with its size.
        unsafe { sized::write(stats_out, stats, "stats_out") }
    })
}

/// Closes one source of any kind. Thread: host.
///
/// From here on its callback is not called, not even for an event of the batch that is being
/// delivered, and its fd may be closed and the number reused. Its drop function runs in the current
/// or the next delivery, after the callback has returned if it is running. Work that has not
/// started does not start; work that is running finishes, and its drop function then runs.
///
/// Errors: GUEST_ESTALE (closed before, finished, ended with its guest, or of another guest),
/// GUEST_ETHREAD, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_close(g: *mut ForeignGuest, id: u64) -> GuestStatus {
    boundary::host(g, |guest| guest.handle().close(args::id(id)?))
}

/// Whether `id` names an open source: GUEST_OK or GUEST_ESTALE. Thread: host.
///
/// In the pull form: an event of an array may have been closed by the handling of one before it.
///
/// Errors: GUEST_ESTALE, GUEST_ETHREAD, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_is_open(g: *const ForeignGuest, id: u64) -> GuestStatus {
    boundary::host(g, |guest| match guest.handle().is_open(args::id(id)?) {
        true => Ok(()),
        false => Err(Status::STALE.into()),
    })
}

/// The `data` of the guest's host. Thread: any. NULL if `g` is NULL or was started without a host.
#[no_mangle]
pub unsafe extern "C" fn guest_host_data(g: *const ForeignGuest) -> *mut c_void {
    let mut data = std::ptr::null_mut();
    boundary::any(g, |g| {
        data = g.host_data;
        Ok(())
    });
    data
}
