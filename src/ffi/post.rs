//! L5. Header section: posts, the way from any thread to the host thread.

use std::ffi::c_void;

use super::guest::ForeignGuest;
use super::poster::{self, ForeignPoster};
use super::types::{GuestDropFn, GuestPostFn, GuestStatus};
use super::{args, boundary, callbacks};

/// Runs `callback(g, user_data)` on the host thread, soon. Thread: any (not in a signal handler:
/// see guest_wake).
///
/// Posts of one thread keep their order. Any number of posts wakes the guest once. A post that was
/// accepted runs, or, if the guest ends first, only its `drop` does; `drop` also runs after the
/// callback. `drop` may be NULL. The guest must not be freed meanwhile; a thread that may outlive
/// it uses a guest_poster_t.
///
/// Errors: GUEST_ENULL (g; callback unless GUEST_FLAG_PULL), GUEST_ECLOSED, GUEST_EFORKED. The
/// caller keeps user_data then.
#[no_mangle]
pub unsafe extern "C" fn guest_post(
    g: *mut ForeignGuest,
    callback: GuestPostFn,
    user_data: *mut c_void,
    drop: GuestDropFn,
) -> GuestStatus {
    boundary::any(g, |g| {
        args::callback(g.pull, callback.is_some())?;
        callbacks::post(&g.poster, callback, user_data, drop)
    })
}

/// Makes a poster: the right to post, which may outlive the guest. Thread: any.
///
/// `poster_out`: give it to guest_poster_free in the end.
/// Errors: GUEST_ENULL, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_poster_new(
    g: *mut ForeignGuest,
    poster_out: *mut *mut ForeignPoster,
) -> GuestStatus {
    boundary::any(g, |g| {
        let out = args::out(poster_out, "poster_out")?;
        *out = ForeignPoster::new(g.poster.clone(), g.pull);
        Ok(())
    })
}

/// guest_post by way of a poster; GUEST_ECLOSED when the guest has ended or is freed. Thread: any.
///
/// Errors: GUEST_ENULL, GUEST_ECLOSED, GUEST_EFORKED. The caller keeps user_data then.
#[no_mangle]
pub unsafe extern "C" fn guest_poster_post(
    poster: *mut ForeignPoster,
    callback: GuestPostFn,
    user_data: *mut c_void,
    drop: GuestDropFn,
) -> GuestStatus {
    poster::call(poster, |p| {
        args::callback(p.pull, callback.is_some())?;
        callbacks::post(&p.poster, callback, user_data, drop)
    })
}

/// guest_wake by way of a poster; GUEST_ECLOSED when the guest has ended or is freed. Thread:
/// any+signal.
///
/// Errors: GUEST_ENULL, GUEST_ECLOSED, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_poster_wake(poster: *const ForeignPoster) -> GuestStatus {
    poster::wake(poster)
}

/// guest_cancel by way of a poster; harmless when the guest has ended or is freed. Thread: any.
///
/// Errors: GUEST_ENULL, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_poster_cancel(poster: *mut ForeignPoster) -> GuestStatus {
    poster::call(poster, |p| {
        p.poster.cancel();
        Ok(())
    })
}

/// Releases a poster. Thread: any. NULL is ignored; the guest is not touched.
#[no_mangle]
pub unsafe extern "C" fn guest_poster_free(poster: *mut ForeignPoster) {
    poster::free(poster);
}
