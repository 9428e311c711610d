//! The loop's methods that are called most, entered directly: PyO3's own way in takes apart any arguments, counts the
//! interpreter lock and catches panics, which is more than what is then done.
//!
//! Whatever is not usual (debug mode, a loop that is closed, arguments by other names) goes on in PyO3's way, so that it is
//! judged in one place. The functions here drop no reference by PyO3's count of the lock.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::ptr;
use std::slice;
use std::sync::atomic::Ordering::Relaxed;

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use pyo3::Borrowed;

use crate::arguments::Arguments;
use crate::call::call_with;
use crate::clock::OWN_TIME;
use crate::loop_core::LoopCore;
use crate::loop_state::LoopState;
use crate::schedule::{self, OWN_CALL_AT};

type Object = *mut ffi::PyObject;

/// Puts the functions of this file in the place of PyO3's.
pub fn install(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<LoopCore>();
    let all: [(_, Function, _); 3] = [
        ("call_soon", call_soon, &CALL_SOON),
        ("call_at", call_at, &CALL_AT),
        ("call_later", call_later, &CALL_LATER),
    ];
    for (name, function, original) in all {
        let method = class.getattr(name)?;
        let text = |name: &str| method.getattr(name)?.extract::<String>();
        let doc = format!("{name}{}\n--\n\n{}", text("__text_signature__")?, text("__doc__")?);
        // As long as the class.
        let definition = Box::leak(Box::new(ffi::PyMethodDef {
            ml_name: CString::new(name)?.into_raw(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: function },
            ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
            ml_doc: CString::new(doc)?.into_raw(),
        }));
        // SAFETY: a class, and a definition that lives as long.
        let direct = unsafe {
            Bound::from_owned_ptr_or_err(py, ffi::PyDescr_NewMethod(class.as_type_ptr(), definition))?
        };
        class.setattr(name, direct)?;
        let _ = original.set(py, method.unbind());
    }
    let _ = OWN_TIME.set(py, class.getattr("time")?.unbind());
    let _ = OWN_CALL_AT.set(py, class.getattr("call_at")?.unbind());
    Ok(())
}

type Function = ffi::PyCFunctionFastWithKeywords;
type Original = PyOnceLock<Py<PyAny>>;

static CALL_SOON: Original = PyOnceLock::new();
static CALL_AT: Original = PyOnceLock::new();
static CALL_LATER: Original = PyOnceLock::new();

/// What one of the functions was called with.
struct Given<'a> {
    slf: Object,
    positional: &'a [Object],
    context: Object,
}

impl<'a> Given<'a> {
    /// None: other names than `context`.
    ///
    /// # Safety
    /// It is what CPython gives to a function of these flags, and stays during the call.
    #[inline]
    unsafe fn of(
        py: Python<'_>,
        slf: Object,
        args: *const Object,
        count: isize,
        names: Object,
    ) -> Option<Given<'a>> {
        // SAFETY: so many arguments, and after them one for each of the names, which are a tuple.
        unsafe {
            let context = match names.is_null() {
                true => ptr::null_mut(),
                false if ffi::PyTuple_Size(names) != 1 => return None,
                false if !is_context(py, ffi::PyTuple_GetItem(names, 0)) => return None,
                false => *args.offset(count),
            };
            let positional = if count == 0 { &[] } else { slice::from_raw_parts(args, count as usize) };
            Some(Given { slf, positional, context })
        }
    }

    /// The loop, if nothing about it is unusual.
    #[inline]
    fn event_loop<'py>(&self, py: Python<'py>) -> Option<Borrowed<'a, 'py, LoopState>> {
        // SAFETY: the descriptor has checked its class.
        let slf = unsafe { Borrowed::from_ptr(py, self.slf).cast_unchecked::<LoopState>() };
        let core = slf.get();
        (!core.closed.load(Relaxed) && !core.is_debug()).then_some(slf)
    }

    #[inline]
    fn context<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        // SAFETY: NULL or an object.
        let context = unsafe { Bound::from_borrowed_ptr_or_opt(py, self.context) };
        context.filter(|context| !context.is_none())
    }
}

/// Whether an argument's name is that of the context. CPython's tasks have a string of their own for it.
#[inline]
fn is_context(py: Python<'_>, name: Object) -> bool {
    // SAFETY: a string.
    let is_equal = || unsafe { ffi::PyUnicode_CompareWithASCIIString(name, c"context".as_ptr()) == 0 };
    name == intern!(py, "context").as_ptr() || is_equal()
}

/// An argument.
#[inline]
fn object(py: Python<'_>, given: Object) -> Bound<'_, PyAny> {
    // SAFETY: an object that lives during the call.
    unsafe { Bound::from_borrowed_ptr(py, given) }
}

#[inline]
fn arguments(py: Python<'_>, given: &[Object]) -> PyResult<Arguments> {
    Ok(match given {
        [] => Arguments::None,
        [first] => Arguments::One(object(py, *first).unbind()),
        all => Arguments::Many(PyTuple::new(py, all.iter().map(|it| object(py, *it)))?.unbind()),
    })
}

/// The same by PyO3's way in.
///
/// # Safety
/// As `Given::of`.
#[cold]
unsafe fn by_pyo3(
    original: &Original,
    slf: Object,
    args: *const Object,
    count: isize,
    names: Object,
) -> Object {
    Python::attach(|py| {
        let called = || {
            // SAFETY: NULL or a tuple.
            let names = unsafe { Bound::from_borrowed_ptr_or_opt(py, names) };
            let names = names.map(|names| names.cast_into::<PyTuple>()).transpose()?;
            let named = names.as_ref().map_or(0, |names| names.len() as isize);
            let mut given = vec![object(py, slf)];
            // SAFETY: so many arguments, and after them one for each of the names.
            given.extend((0..count + named).map(|place| object(py, unsafe { *args.offset(place) })));
            let options = PyDict::new(py);
            for (name, value) in names.iter().flatten().zip(given.split_off(1 + count as usize)) {
                options.set_item(name, value)?;
            }
            let original = original.get(py).expect("it is installed");
            call_with(original.bind(py), &PyTuple::new(py, given)?, Some(&options))
        };
        result(py, called().map(Bound::unbind))
    })
}

#[inline]
fn result<T>(py: Python<'_>, result: PyResult<Py<T>>) -> Object {
    match result {
        Ok(object) => object.into_ptr(),
        Err(error) => {
            error.restore(py);
            ptr::null_mut()
        }
    }
}

unsafe extern "C" fn call_soon(slf: Object, args: *const Object, count: isize, names: Object) -> Object {
    // SAFETY: CPython calls it so.
    unsafe {
        let py = Python::assume_attached();
        if let Some(given) = Given::of(py, slf, args, count, names) {
            if let (Some(slf), [callback, rest @ ..]) = (given.event_loop(py), given.positional) {
                let args = arguments(py, rest);
                let handle = args
                    .and_then(|args| schedule::soon(&slf, object(py, *callback), args, given.context(py)));
                return result(py, handle);
            }
        }
        by_pyo3(&CALL_SOON, slf, args, count, names)
    }
}

unsafe extern "C" fn call_at(slf: Object, args: *const Object, count: isize, names: Object) -> Object {
    // SAFETY: as above.
    unsafe {
        let py = Python::assume_attached();
        if let Some(given) = Given::of(py, slf, args, count, names) {
            if let (Some(slf), [when, callback, rest @ ..]) = (given.event_loop(py), given.positional) {
                let timer = arguments(py, rest).and_then(|args| {
                    schedule::call_at(&slf, object(py, *when), object(py, *callback), args, given.context(py))
                });
                return result(py, timer);
            }
        }
        by_pyo3(&CALL_AT, slf, args, count, names)
    }
}

unsafe extern "C" fn call_later(slf: Object, args: *const Object, count: isize, names: Object) -> Object {
    // SAFETY: as above.
    unsafe {
        let py = Python::assume_attached();
        if let Some(given) = Given::of(py, slf, args, count, names) {
            if let (Some(slf), [delay, callback, rest @ ..]) = (given.event_loop(py), given.positional) {
                let timer = arguments(py, rest).and_then(|args| {
                    let (delay, callback) = (object(py, *delay), object(py, *callback));
                    schedule::call_later(&slf, delay, callback, args, given.context(py))
                });
                return result(py, timer.map(Bound::unbind));
            }
        }
        by_pyo3(&CALL_LATER, slf, args, count, names)
    }
}
