//! L5. What callers pass, checked.

use std::ffi::{c_char, CStr, CString};
use std::io::IoSlice;
use std::ops::Deref;

use crate::error::{Error, Result, Status};
use crate::guest::{Buffer, Query};
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

/// A node and a service, for sockets of that type (0: any).
///
/// # Safety
/// Each NULL or a NUL-terminated string.
pub(super) unsafe fn query(node: *const c_char, service: *const c_char, socktype: i32) -> Query {
    // SAFETY: the caller's promise.
    let (node, service) = unsafe { (string(node), string(service)) };
    Query { node, service, family: 0, socktype, flags: 0 }
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

/// # Safety
/// NULL, or `count` values that are readable for as long as they are used.
pub(super) unsafe fn array<'a, T>(values: *const T, count: usize, what: &str) -> Result<&'a [T]> {
    match count {
        0 => Ok(&[]),
        _ if values.is_null() => Err(null(what)),
        // SAFETY: the caller's promise.
        _ => Ok(unsafe { std::slice::from_raw_parts(values, count) }),
    }
}

/// What scatter-gather calls take. One takes no memory.
pub(super) enum Slices<'a> {
    One([IoSlice<'a>; 1]),
    Several(Vec<IoSlice<'a>>),
}

impl<'a> Deref for Slices<'a> {
    type Target = [IoSlice<'a>];

    fn deref(&self) -> &[IoSlice<'a>] {
        match self {
            Slices::One(one) => one,
            Slices::Several(several) => several,
        }
    }
}

/// # Safety
/// NULL, or `count` buffers whose bytes are readable for as long as the slices are used.
pub(super) unsafe fn slices<'a>(buffers: *const Buffer, count: usize) -> Result<Slices<'a>> {
    // SAFETY: the caller's promise.
    let slice = |buffer: &Buffer| unsafe { slice(buffer) };
    // SAFETY: as above.
    match unsafe { array(buffers, count, "buffers")? } {
        [buffer] => Ok(Slices::One([slice(buffer)?])),
        buffers => Ok(Slices::Several(buffers.iter().map(slice).collect::<Result<_>>()?)),
    }
}

/// # Safety
/// Its bytes are readable for as long as the slice is used.
unsafe fn slice<'a>(buffer: &Buffer) -> Result<IoSlice<'a>> {
    if isize::try_from(buffer.size).is_err() {
        let text = format!("a buffer has {} bytes: no memory has so many", buffer.size);
        return Err(Error::new(Status::INVAL, text));
    }
    // SAFETY: the caller's promise.
    unsafe { array(buffer.data.cast(), buffer.size, "the data of a buffer") }.map(IoSlice::new)
}
