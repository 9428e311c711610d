//! L5. `guest_t`: the guest's owner on the host thread, and its poster on every other.
//!
//! Owns: the guest, and what the boundary has to know of it.

use std::cell::Cell;
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crate::error::{Result, Status};
use crate::guest::{Guest, Host, Options, Poster};

/// One guest. Opaque; made by guest_start, released by guest_free.
pub struct ForeignGuest {
    /// What every thread may use.
    pub(super) poster: Poster,
    pub(super) host_data: *mut c_void,
    pub(super) pull: bool,
    /// The library panicked in one of its own steps.
    poisoned: AtomicBool,
    /// guest_free was called; the outermost frame on the stack does it. Host thread only.
    pub(super) freed: Cell<bool>,
    /// Calls on the stack that run callbacks. Host thread only.
    pub(super) frames: Cell<u32>,
    /// Those of them that are open batches. Host thread only.
    pub(super) batches: Cell<u32>,
    /// Host thread only.
    guest: ManuallyDrop<Guest>,
}

impl ForeignGuest {
    /// `host_data`: what the caller's functions get.
    pub(super) fn start(
        host: Arc<dyn Host>,
        host_data: *mut c_void,
        options: Options,
    ) -> Result<*mut ForeignGuest> {
        let pull = options.pull;
        let guest = Guest::start(host, options)?;
        let foreign = Box::into_raw(Box::new(ForeignGuest {
            poster: guest.poster(),
            host_data,
            pull,
            poisoned: AtomicBool::new(false),
            freed: Cell::new(false),
            frames: Cell::new(0),
            batches: Cell::new(0),
            guest: ManuallyDrop::new(guest),
        }));
        // SAFETY: just made, and nobody else has it yet.
        unsafe { (*foreign).guest.registry().context.set_foreign(foreign.cast()) };
        Ok(foreign)
    }

    /// The guest itself; the boundary has checked the thread.
    pub(super) fn guest(&self) -> &Guest {
        &self.guest
    }

    pub(super) fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
    }

    pub(super) fn check_sound(&self) -> Result<()> {
        match self.poisoned.load(Ordering::SeqCst) {
            true => Err(Status::PANIC.into()),
            false => Ok(()),
        }
    }

    /// Releases the object. User code has run before, by `Guest::end_now`.
    ///
    /// # Safety
    /// `g` came from `start`, is released once, and no reference to it is left.
    pub(super) unsafe fn release(g: *mut ForeignGuest) {
        // SAFETY: the caller's promise.
        let mut owned = unsafe { Box::from_raw(g) };
        // SAFETY: dropped once, here.
        unsafe { ManuallyDrop::drop(&mut owned.guest) };
    }
}
