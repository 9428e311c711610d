//! The memory behind an object, lent for the time of one call.
//!
//! Owns: nothing. By the limited API alone, as it is in CPython 3.11. Host thread.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ptr;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::socket::Room;

type Any<'py> = Bound<'py, PyAny>;

/// A view of an object's memory, until it is dropped. It stays where it is made: the object may have pointers into it.
struct View(MaybeUninit<ffi::Py_buffer>);

impl View {
    fn take(&mut self, object: &Any<'_>, flags: i32) -> PyResult<(*mut u8, usize)> {
        // SAFETY: it writes the view, or fails and leaves nothing to be released.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), self.0.as_mut_ptr(), flags) } < 0 {
            // SAFETY: all zeros is a view of nothing, which `drop` may release.
            self.0 = MaybeUninit::zeroed();
            return Err(PyErr::fetch(object.py()));
        }
        // SAFETY: it was written.
        let view = unsafe { self.0.assume_init_ref() };
        match view.len {
            0 => Ok((ptr::NonNull::dangling().as_ptr(), 0)),
            length => Ok((view.buf.cast(), length as usize)),
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: a view that was taken, or zeros. The objects that reach here are held by an attached thread.
        unsafe { ffi::PyBuffer_Release(self.0.as_mut_ptr()) }
    }
}

/// Lends the bytes of any object that has some, in one piece: BufferError if they are not, TypeError if there are none.
pub fn with_bytes<R>(object: &Any<'_>, use_them: impl FnOnce(&[u8]) -> R) -> PyResult<R> {
    let mut view = View(MaybeUninit::zeroed());
    let (start, length) = view.take(object, ffi::PyBUF_SIMPLE)?;
    // SAFETY: the object keeps them where they are until the view is released.
    Ok(use_them(unsafe { std::slice::from_raw_parts(start, length) }))
}

/// Lends the memory of an object that may be written to, as `socket.recv_into` takes it.
pub fn with_memory<R>(object: &Any<'_>, use_it: impl FnOnce(Room<'_>) -> R) -> PyResult<R> {
    let mut view = View(MaybeUninit::zeroed());
    let (start, length) = match view.take(object, ffi::PyBUF_WRITABLE) {
        Ok(taken) => taken,
        Err(_) => {
            let name = object.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "recv_into() argument 1 must be read-write bytes-like object, not {name}"
            )));
        }
    };
    // SAFETY: as above; the interpreter lock is held, so that nobody else looks at it meanwhile.
    Ok(use_it(unsafe { Room::new(start, length) }))
}

/// A new bytes object for `length` bytes, and what `fill` returns, which is to write all of them.
pub fn new_bytes<'py, R>(
    py: Python<'py>,
    length: usize,
    fill: impl FnOnce(Room<'_>) -> R,
) -> PyResult<(Bound<'py, PyBytes>, R)> {
    // SAFETY: a new object, of which nobody else knows yet.
    unsafe {
        let bytes = ffi::PyBytes_FromStringAndSize(ptr::null(), length as ffi::Py_ssize_t);
        let bytes: Any<'py> = Bound::from_owned_ptr_or_err(py, bytes)?;
        let start: *mut u8 = ffi::PyBytes_AsString(bytes.as_ptr()).cast();
        let filled = fill(Room::new(start, length));
        Ok((bytes.cast_into_unchecked(), filled))
    }
}

/// Whether nobody but the caller refers to an object.
#[inline]
pub fn is_held_here_alone<T>(object: &Bound<'_, T>) -> bool {
    // SAFETY: it lives.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) == 1 }
}

/// Whether there are weak references to an object, of which its exact type says that they are noted at `offset`.
#[inline]
pub fn has_weak_references<T>(object: &Bound<'_, T>, offset: usize) -> bool {
    // SAFETY: it lives, and has a pointer there, which is NULL if there are none.
    unsafe { !object.as_ptr().byte_add(offset).cast::<*mut ffi::PyObject>().read().is_null() }
}
