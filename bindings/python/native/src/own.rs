//! Whether a loop's method is the one that this package gives it: a subclass may override it, an attribute of the loop stand
//! before it, and tests patch either. Then what it does is done without a call.

#![allow(unsafe_code)]

use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// Whether `slf.name` is `own`, as its class has it.
pub fn is_own(slf: &Bound<'_, PyAny>, name: &Bound<'_, PyString>, own: &Bound<'_, PyAny>) -> PyResult<bool> {
    let (py, object) = (slf.py(), slf.as_ptr());
    // SAFETY: a loop, whose class is one of Python's and has such a slot, as `object` has. (To the function that is there Windows
    // may lead by another address.)
    let (class, is_generic) = unsafe {
        let class = ffi::Py_TYPE(object);
        let get = |class| ffi::PyType_GetSlot(class, ffi::Py_tp_getattro);
        (class, ptr::eq(get(class), get(&raw mut ffi::PyBaseObject_Type)))
    };
    if !is_generic {
        return Ok(false);
    }
    // SAFETY: both give new references, or NULL and an exception.
    unsafe {
        let attributes: Bound<'_, PyAny> =
            Bound::from_owned_ptr_or_err(py, ffi::PyObject_GenericGetDict(object, ptr::null_mut()))?;
        if found(attributes.cast_unchecked(), name)?.is_some() {
            return Ok(false);
        }
        let method = ffi::PyObject_GetAttr(class.cast(), name.as_ptr());
        Ok(Bound::<PyAny>::from_owned_ptr_or_err(py, method)?.is(own))
    }
}

/// Whether `names[name]` is `object`.
pub fn holds(
    names: &Bound<'_, PyDict>,
    name: &Bound<'_, PyString>,
    object: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    Ok(found(names, name)? == Some(object.as_ptr()))
}

/// `names[name]`, to be compared.
#[inline]
fn found(names: &Bound<'_, PyDict>, name: &Bound<'_, PyString>) -> PyResult<Option<*mut ffi::PyObject>> {
    // SAFETY: a dict and a string; it gives a reference of the dict's, or NULL with or without an exception.
    unsafe {
        let found = ffi::PyDict_GetItemWithError(names.as_ptr(), name.as_ptr());
        match found.is_null() {
            true if !ffi::PyErr_Occurred().is_null() => Err(PyErr::fetch(names.py())),
            is_missing => Ok((!is_missing).then_some(found)),
        }
    }
}
