//! L5. The boundary: every export is one call of a function of this file, or of `driving` if it runs callbacks.
//!
//! Owns: the order of checks (NULL, fork, poison, thread), the catching of panics, and the way from
//! an error to a code. A panic poisons the guest. It is caught around the library's own steps and
//! never around the user's callback: `catch_unwind` aborts on a C++ exception, which is to pass.

use std::panic::{catch_unwind, AssertUnwindSafe};

use super::args;
use super::guest::ForeignGuest;
use super::last_error::remember;
use crate::error::{Result, Status};
use crate::guest::Guest;
use crate::id::Id;

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
    code(on_host(g).and_then(|g| caught(g, || f(g.guest()))))
}

/// A registration: the id is written if the caller wants it, and only on success.
pub(super) fn register(
    g: *mut ForeignGuest,
    has_callback: bool,
    id_out: *mut u64,
    f: impl FnOnce(&Guest) -> Result<Id>,
) -> i32 {
    host(g, |guest| {
        args::callback(guest.is_pull(), has_callback)?;
        let id = f(guest)?;
        // SAFETY: the caller passes NULL or a writable place.
        unsafe { args::put(id_out, id.to_bits()) };
        Ok(())
    })
}

/// guest_wake: nothing that a signal handler must not do.
pub(super) fn wake(g: *const ForeignGuest) -> i32 {
    // SAFETY: the caller passes NULL or a live guest.
    let Some(g) = (unsafe { g.as_ref() }) else { return Status::NULL.code() };
    g.poster.try_wake().code()
}

pub(super) fn sound<'a>(g: *const ForeignGuest) -> Result<&'a ForeignGuest> {
    // SAFETY: the caller passes NULL or a live guest.
    let g = unsafe { g.as_ref() }.ok_or_else(|| args::null("g"))?;
    g.poster.check_process()?;
    g.check_sound()?;
    Ok(g)
}

pub(super) fn on_host<'a>(g: *const ForeignGuest) -> Result<&'a ForeignGuest> {
    let g = sound(g)?;
    match g.poster.on_host_thread() {
        true => Ok(g),
        false => Err(Status::THREAD.into()),
    }
}

pub(super) fn caught<T>(g: &ForeignGuest, f: impl FnOnce() -> Result<T>) -> Result<T> {
    catch(f).inspect_err(|error| {
        if error.status == Status::PANIC {
            g.poison();
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
