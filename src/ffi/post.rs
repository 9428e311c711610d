//! L5. Header section: posts, the way from any thread to the host thread.

use std::ffi::c_void;

use super::boundary::ForeignGuest;
use super::types::{GuestDropFn, GuestPostFn, GuestStatus};
use super::{args, boundary, callbacks};
use crate::error::Result;
use crate::guest::live::{Alive, POSTERS};
use crate::guest::Poster;

/// The right to post to a guest from any thread, also when the guest is gone. Opaque.
pub struct ForeignPoster {
    poster: Poster,
    _alive: Alive<POSTERS>,
}

fn alive<'a>(p: *const ForeignPoster) -> Result<&'a Poster> {
    // SAFETY: the caller passes NULL or a live poster.
    let p = unsafe { p.as_ref() }.ok_or_else(|| args::null("poster"))?;
    p.poster.shared.check_process()?;
    Ok(&p.poster)
}

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
        let shared = &g.poster.shared;
        let job = callbacks::post(shared.pull, callback, user_data, drop)?;
        let posted = shared.stay(|| g.guest.reactor.post(job)).flatten();
        posted.unwrap_or_else(|| shared.post(job))
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
        *out = Box::into_raw(Box::new(ForeignPoster { poster: g.poster.clone(), _alive: Alive::default() }));
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
    boundary::plain(|| {
        let shared = &alive(poster)?.shared;
        shared.post(callbacks::post(shared.pull, callback, user_data, drop)?)
    })
}

/// guest_wake by way of a poster; GUEST_ECLOSED when the guest has ended or is freed. Thread:
/// any+signal.
///
/// Errors: GUEST_ENULL, GUEST_ECLOSED, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_poster_wake(poster: *const ForeignPoster) -> GuestStatus {
    // SAFETY: the caller passes NULL or a live poster.
    boundary::wake(unsafe { poster.as_ref() }.map(|p| &p.poster))
}

/// guest_cancel by way of a poster; harmless when the guest has ended or is freed. Thread: any.
///
/// Errors: GUEST_ENULL, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_poster_cancel(poster: *mut ForeignPoster) -> GuestStatus {
    boundary::plain(|| {
        alive(poster)?.cancel();
        Ok(())
    })
}

/// Releases a poster. Thread: any. NULL is ignored; the guest is not touched.
#[no_mangle]
pub unsafe extern "C" fn guest_poster_free(poster: *mut ForeignPoster) {
    boundary::plain(|| {
        if !poster.is_null() {
            // SAFETY: the caller passes what guest_poster_new gave, once.
            drop(unsafe { Box::from_raw(poster) });
        }
        Ok(())
    });
}
