//! L5. The boundary: `guest_t`, and how every export comes to it.
//!
//! Owns: `guest_t`, which is the guest's owner on the host thread and its poster on every other; the order of checks
//! (NULL, fork, poison, thread), the catching of panics, and the way from an error to a code and to the thread's last
//! error, which, like errno, failing calls alone write.
//!
//! Every export is one call of a function of this file, or of `driving` if it runs callbacks. A panic poisons the guest.
//! It is caught around the library's own steps and never around the user's callback: `catch_unwind` aborts on a C++
//! exception, which is to pass.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use super::args;
use crate::error::{Error, Result, Status};
use crate::guest::{Guest, Host, Options, Poster};
use crate::id::Id;

/// One guest. Opaque; made by guest_start, released by guest_free.
pub struct ForeignGuest {
    /// What every thread may use.
    pub(super) poster: Poster,
    pub(super) host_data: *mut c_void,
    /// The library panicked in one of its own steps.
    poisoned: AtomicBool,
    /// guest_free was called; the outermost frame on the stack does it. Host thread only.
    pub(super) freed: Cell<bool>,
    /// Calls on the stack that run callbacks. Host thread only.
    pub(super) frames: Cell<u32>,
    /// Those of them that are open batches. Host thread only.
    pub(super) batches: Cell<u32>,
    /// Host thread only.
    pub(super) guest: ManuallyDrop<Guest>,
}

impl ForeignGuest {
    /// `host_data`: what the caller's functions get.
    pub(super) fn start(
        host: Arc<dyn Host>,
        host_data: *mut c_void,
        options: Options,
    ) -> Result<*mut ForeignGuest> {
        let guest = Guest::start(host, options)?;
        let foreign = Box::into_raw(Box::new(ForeignGuest {
            poster: guest.poster(),
            host_data,
            poisoned: AtomicBool::new(false),
            freed: Cell::new(false),
            frames: Cell::new(0),
            batches: Cell::new(0),
            guest: ManuallyDrop::new(guest),
        }));
        // SAFETY: just made, and nobody else has it yet.
        unsafe { (*foreign).guest.registry().context.foreign.set(foreign.cast()) };
        Ok(foreign)
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

/// A call without a guest.
pub(super) fn plain(f: impl FnOnce() -> Result<()>) -> i32 {
    code(catch(f))
}

/// A call that reports on errors, and so must not change the last one.
pub(super) fn quiet(f: impl FnOnce() -> Result<()>) -> i32 {
    match catch(f) {
        Ok(()) => Status::OK.code(),
        Err(error) => error.status.code(),
    }
}

/// A call of class "any".
pub(super) fn any(g: *const ForeignGuest, f: impl FnOnce(&ForeignGuest) -> Result<()>) -> i32 {
    code(sound(g).and_then(|g| caught(g, || f(g))))
}

/// A call of class "host".
pub(super) fn host(g: *const ForeignGuest, f: impl FnOnce(&Guest) -> Result<()>) -> i32 {
    code(on_host(g).and_then(|g| caught(g, || f(&g.guest))))
}

/// A registration: the id is written if the caller wants it, and only on success.
pub(super) fn register(
    g: *mut ForeignGuest,
    has_callback: bool,
    id_out: *mut u64,
    f: impl FnOnce(&Guest) -> Result<Id>,
) -> i32 {
    host(g, |guest| {
        args::callback(guest.registry().shared.pull, has_callback)?;
        let id = f(guest)?;
        // SAFETY: the caller passes NULL or a writable place.
        unsafe { args::put(id_out, id.to_bits()) };
        Ok(())
    })
}

/// A wake-up by a guest or by a poster, which may be NULL: nothing that a signal handler must not do.
pub(super) fn wake(poster: Option<&Poster>) -> i32 {
    poster.map_or(Status::NULL, Poster::try_wake).code()
}

fn sound<'a>(g: *const ForeignGuest) -> Result<&'a ForeignGuest> {
    // SAFETY: the caller passes NULL or a live guest.
    let g = unsafe { g.as_ref() }.ok_or_else(|| args::null("g"))?;
    g.poster.shared.check_process()?;
    g.check_sound()?;
    Ok(g)
}

pub(super) fn on_host<'a>(g: *const ForeignGuest) -> Result<&'a ForeignGuest> {
    let g = sound(g)?;
    match g.poster.shared.on_host_thread() {
        true => Ok(g),
        false => Err(Status::THREAD.into()),
    }
}

pub(super) fn caught<T>(g: &ForeignGuest, f: impl FnOnce() -> Result<T>) -> Result<T> {
    catch(f).inspect_err(|error| {
        if error.status == Status::PANIC {
            g.poisoned.store(true, Ordering::SeqCst);
        }
    })
}

pub(super) fn catch<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    // What a panic leaves half done is never looked at again: the guest is poisoned.
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| Err(Status::PANIC.into()))
}

pub(super) fn code(result: Result<()>) -> i32 {
    match result {
        Ok(()) => Status::OK.code(),
        Err(error) => remember(error),
    }
}

thread_local! {
    static LAST: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// Keeps the particulars for guest_last_error; says nothing when the thread is already ending.
pub(super) fn remember(error: Error) -> i32 {
    let code = error.status.code();
    let _ = LAST.try_with(|last| last.replace(Some(error)));
    code
}

/// The last error of this thread.
pub(super) fn last_error() -> Option<Error> {
    LAST.try_with(|last| last.borrow().clone()).ok().flatten()
}
