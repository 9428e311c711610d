//! L5. `guest_poster_t`: the right to post, which may outlive the guest.

use super::{args, boundary};
use crate::error::{Result, Status};
use crate::guest::live::{Alive, POSTERS};
use crate::guest::Poster;

/// The right to post to a guest from any thread, also when the guest is gone. Opaque.
pub struct ForeignPoster {
    pub(super) poster: Poster,
    pub(super) pull: bool,
    _alive: Alive<POSTERS>,
}

impl ForeignPoster {
    pub(super) fn new(poster: Poster, pull: bool) -> *mut ForeignPoster {
        Box::into_raw(Box::new(ForeignPoster { poster, pull, _alive: Alive::new() }))
    }
}

/// A call on a poster.
pub(super) fn call(p: *mut ForeignPoster, f: impl FnOnce(&ForeignPoster) -> Result<()>) -> i32 {
    boundary::plain(|| {
        // SAFETY: the caller passes NULL or a live poster.
        let p = unsafe { p.as_ref() }.ok_or_else(|| args::null("poster"))?;
        p.poster.check_process()?;
        f(p)
    })
}

/// guest_poster_wake: nothing that a signal handler must not do.
pub(super) fn wake(p: *const ForeignPoster) -> i32 {
    // SAFETY: the caller passes NULL or a live poster.
    let Some(p) = (unsafe { p.as_ref() }) else { return Status::NULL.code() };
    p.poster.try_wake().code()
}

/// guest_poster_free.
pub(super) fn free(p: *mut ForeignPoster) {
    if !p.is_null() {
        // SAFETY: the caller passes what guest_poster_new gave, once.
        drop(unsafe { Box::from_raw(p) });
    }
}
