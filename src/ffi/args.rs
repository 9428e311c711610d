//! L5. What callers pass, checked.

use std::ffi::{c_char, CStr, CString};

use crate::error::{Error, Result, Status};
use crate::id::Id;

pub(super) fn null(what: &str) -> Error {
    Error::new(Status::NULL, format!("{what} is NULL"))
}

/// An output place.
pub(super) fn out<'a, T>(place: *mut T, what: &str) -> Result<&'a mut T> {
    // SAFETY: the caller passes NULL or a writable place of its own.
    unsafe { place.as_mut() }.ok_or_else(|| null(what))
}

/// Writes to an optional output place.
///
/// # Safety
/// `place` is NULL or writable.
pub(super) unsafe fn put<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: the caller's promise.
        unsafe { place.write(value) }
    }
}

pub(super) fn id(bits: u64) -> Result<Id> {
    Id::from_bits(bits).ok_or_else(|| Status::STALE.into())
}

/// A callback may be missing in the pull form alone.
pub(super) fn callback(pull: bool, given: bool) -> Result<()> {
    match pull || given {
        true => Ok(()),
        false => {
            Err(Error::new(Status::NULL, "callback is NULL: only a guest with GUEST_FLAG_PULL does without"))
        }
    }
}

/// # Safety
/// NULL or a NUL-terminated string.
pub(super) unsafe fn string(text: *const c_char) -> Option<CString> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_owned())
}

/// Copies a text as snprintf does.
///
/// # Safety
/// `buffer` has `capacity` writable bytes; `length` is NULL or writable.
pub(super) unsafe fn text(
    text: &str,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> Result<()> {
    if buffer.is_null() && capacity != 0 {
        return Err(null("buffer"));
    }
    if capacity > 0 {
        let kept = text.len().min(capacity - 1);
        // SAFETY: `kept + 1` is at most `capacity`.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast::<u8>(), kept);
            buffer.add(kept).write(0);
        }
    }
    // SAFETY: the caller's promise.
    unsafe { put(length, text.len()) };
    Ok(())
}
