//! L5. `guest_poster_t`: the right to post, which may outlive the guest.

use std::ffi::c_void;

use super::boundary;
use super::foreign;
use super::types::{GuestDropFn, GuestPostFn};
use crate::error::Result;
use crate::guest::live::{Alive, POSTERS};
use crate::guest::Poster;

/// The right to post to a guest from any thread, also when the guest is gone. Opaque.
pub struct ForeignPoster {
    poster: Poster,
    pull: bool,
    _alive: Alive<POSTERS>,
}

impl ForeignPoster {
    pub(super) fn new(poster: Poster, pull: bool) -> *mut ForeignPoster {
        Box::into_raw(Box::new(ForeignPoster { poster, pull, _alive: Alive::new() }))
    }

    pub(super) fn poster(&self) -> &Poster {
        &self.poster
    }

    pub(super) fn post(
        &self,
        callback: GuestPostFn,
        user_data: *mut c_void,
        drop: GuestDropFn,
    ) -> Result<()> {
        boundary::callback(self.pull, callback.is_some())?;
        foreign::post(&self.poster, callback, user_data, drop)
    }

    pub(super) fn cancel(&self) {
        self.poster.cancel();
    }
}
