//! Calls into Python, by the shortest way that the limited API has: no bound method, no tuple.
//!
//! What is called here may take long, and so meet the end of the interpreter, which before CPython 3.14 ends a thread that is
//! not the main one where it asks for the interpreter lock: by an unwinding that Rust cannot let through. Such a thread stays
//! here instead, as from 3.14 on. So what runs code of users goes by these functions, and not by PyO3's.

#![allow(unsafe_code)]

use std::hint::black_box;
use std::mem::{forget, transmute};
use std::ptr;
use std::thread::park;

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use crate::arguments::Arguments;

type Object = *mut ffi::PyObject;

/// What keeps a thread that is being unwound.
struct Stays;

impl Drop for Stays {
    #[cold]
    fn drop(&mut self) {
        loop {
            park();
        }
    }
}

/// What a call has returned.
#[inline]
fn returned<'py>(py: Python<'py>, call: impl FnOnce() -> Object) -> PyResult<Bound<'py, PyAny>> {
    let stays = Stays;
    let result = call();
    forget(stays);
    // SAFETY: a new reference, or NULL and an exception.
    unsafe { Bound::from_owned_ptr_or_err(py, result) }
}

/// `PyObject_CallMethodObjArgs`, which may be unwound.
#[inline]
fn call_method_obj_args() -> unsafe extern "C-unwind" fn(Object, Object, ...) -> Object {
    let declared: unsafe extern "C" fn(Object, Object, ...) -> Object = ffi::PyObject_CallMethodObjArgs;
    // SAFETY: the two differ in nothing but in that. The compiler must not see which function it is: PyO3 declares it as one
    // that cannot be unwound, and what keeps the thread would be taken out.
    unsafe { transmute(black_box(declared)) }
}

/// `PyObject_CallFunctionObjArgs`, which may be unwound.
#[inline]
fn call_function_obj_args() -> unsafe extern "C-unwind" fn(Object, ...) -> Object {
    let declared: unsafe extern "C" fn(Object, ...) -> Object = ffi::PyObject_CallFunctionObjArgs;
    // SAFETY: as above.
    unsafe { transmute(black_box(declared)) }
}

/// `PyObject_Call`, which may be unwound.
fn call_object() -> unsafe extern "C-unwind" fn(Object, Object, Object) -> Object {
    let declared: unsafe extern "C" fn(Object, Object, Object) -> Object = ffi::PyObject_Call;
    // SAFETY: as above.
    unsafe { transmute(black_box(declared)) }
}

/// `PyObject_CallNoArgs`, which may be unwound.
#[inline]
fn call_no_args() -> unsafe extern "C-unwind" fn(Object) -> Object {
    let declared: unsafe extern "C" fn(Object) -> Object = ffi::PyObject_CallNoArgs;
    // SAFETY: as above.
    unsafe { transmute(black_box(declared)) }
}

/// `Py_DecRef`, which may be unwound.
#[inline]
fn dec_ref() -> unsafe extern "C-unwind" fn(Object) {
    let declared: unsafe extern "C" fn(Object) = ffi::Py_DecRef;
    // SAFETY: as above.
    unsafe { transmute(black_box(declared)) }
}

/// Gives a reference of the user's back, upon which a `__del__` may run.
#[inline]
pub fn let_go(_py: Python<'_>, object: Py<PyAny>) {
    let stays = Stays;
    // SAFETY: this thread is attached, and the reference is given back once.
    unsafe { dec_ref()(object.into_ptr()) };
    forget(stays);
}

/// `function()`
#[inline]
pub fn call0<'py>(function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: an object that lives during the call.
    returned(function.py(), || unsafe { call_no_args()(function.as_ptr()) })
}

/// `function(first, second)`
#[inline]
pub fn call2<'py>(
    function: &Bound<'py, PyAny>,
    first: &Bound<'py, PyAny>,
    second: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let (function_ptr, end) = (function.as_ptr(), ptr::null_mut());
    let (first, second) = (first.as_ptr(), second.as_ptr());
    // SAFETY: all of them are objects that live during the call; NULL ends the list.
    returned(function.py(), || unsafe {
        call_function_obj_args()(function_ptr, first, second, end as Object)
    })
}

/// `function(*args, **options)`
pub fn call_with<'py>(
    function: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let options = options.map_or(ptr::null_mut(), Bound::as_ptr);
    // SAFETY: objects that live during the call, or NULL for no options.
    returned(function.py(), || unsafe { call_object()(function.as_ptr(), args.as_ptr(), options) })
}

/// `function(*args)`
pub fn call<'py, A>(function: &Bound<'py, PyAny>, args: A) -> PyResult<Bound<'py, PyAny>>
where
    A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
{
    call_with(function, &args.into_pyobject(function.py())?, None)
}

/// `object.name()`
#[inline]
pub fn method<'py>(object: &Bound<'py, PyAny>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    let end: Object = ptr::null_mut();
    // SAFETY: two objects that live during the call; NULL ends the list.
    returned(object.py(), || unsafe { call_method_obj_args()(object.as_ptr(), name.as_ptr(), end) })
}

/// `object.name(*args)`
pub fn method_with<'py, A>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    args: A,
) -> PyResult<Bound<'py, PyAny>>
where
    A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
{
    call(&object.getattr(name)?, args)
}

/// `object.name(argument)`
#[inline]
pub fn method1<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    argument: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let (of, name, argument, end) = (object.as_ptr(), name.as_ptr(), argument.as_ptr(), ptr::null_mut());
    // SAFETY: all of them are objects that live during the call; NULL ends the list.
    returned(object.py(), || unsafe { call_method_obj_args()(of, name, argument, end as Object) })
}

/// `object.name(first, second)`, which transports of datagrams need.
#[cfg(unix)]
#[inline]
pub fn method2<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    first: &Bound<'py, PyAny>,
    second: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let (of, name, end) = (object.as_ptr(), name.as_ptr(), ptr::null_mut());
    let (first, second) = (first.as_ptr(), second.as_ptr());
    // SAFETY: as above.
    returned(object.py(), || unsafe { call_method_obj_args()(of, name, first, second, end as Object) })
}

/// What the limited API tells of a function that is written in C: where it is, if it is called in this way. It is called
/// there, without what looks it up and checks who calls.
fn function_in_c(function: &Bound<'_, PyAny>, flags: i32) -> Option<ffi::PyCFunction> {
    // SAFETY: an object that lives. What is no such function says so by an exception.
    unsafe {
        match ffi::PyCFunction_GetFlags(function.as_ptr()) {
            found if found == flags => ffi::PyCFunction_GetFunction(function.as_ptr()),
            -1 => {
                ffi::PyErr_Clear();
                None
            }
            _ => None,
        }
    }
}

/// `contextvars.Context.run` of all contexts.
struct Run {
    class: Py<PyType>,
    method: Py<PyAny>,
    in_c: Option<unsafe extern "C-unwind" fn(Object, *const Object, ffi::Py_ssize_t, Object) -> Object>,
}

impl Run {
    #[inline]
    fn here(py: Python<'_>) -> PyResult<&Run> {
        static RUN: PyOnceLock<Run> = PyOnceLock::new();
        RUN.get_or_try_init(py, || {
            let (class, name) = (py.import("contextvars")?.getattr("Context")?, intern!(py, "run"));
            let in_c = function_in_c(&class.call0()?.getattr(name)?, ffi::METH_FASTCALL | ffi::METH_KEYWORDS);
            // SAFETY: those flags are those of a function of this type.
            let in_c = in_c.map(|function| unsafe { transmute(function) });
            Ok(Run { method: class.getattr(name)?.unbind(), class: class.cast_into()?.unbind(), in_c })
        })
    }
}

/// `context.run(callback, *args)`
#[inline]
pub fn run_in<'py>(
    context: &Bound<'py, PyAny>,
    callback: &Bound<'py, PyAny>,
    args: &Arguments,
) -> PyResult<Bound<'py, PyAny>> {
    let py = context.py();
    let run = Run::here(py)?;
    if !context.is_exact_instance(run.class.bind(py)) {
        let run = context.getattr(intern!(py, "run"))?; // whatever else has one
        return call_with(&run, &with_first(callback, &args.tuple(py)?)?, None);
    }
    let (of, callback_ptr) = (context.as_ptr(), callback.as_ptr());
    let (argument, count) = match args {
        Arguments::None => (ptr::null_mut(), 1),
        Arguments::One(first) => (first.as_ptr(), 2),
        Arguments::Many(all) => {
            let all = with_first(context, &with_first(callback, all.bind(py))?)?;
            return call_with(run.method.bind(py), &all, None);
        }
    };
    if let Some(in_c) = run.in_c {
        let given = [callback_ptr, argument];
        // SAFETY: a context, and so many objects that live during the call; no names.
        return returned(py, || unsafe { in_c(of, given.as_ptr(), count, ptr::null_mut()) });
    }
    let (run, end): (_, Object) = (run.method.as_ptr(), ptr::null_mut());
    // SAFETY: all of them are objects that live during the call; the first NULL ends the list.
    returned(py, || unsafe { call_function_obj_args()(run, of, callback_ptr, argument, end) })
}

fn with_first<'py>(first: &Bound<'py, PyAny>, rest: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(first.py(), std::iter::once(first.clone()).chain(rest.iter()).collect::<Vec<_>>())
}

/// `contextvars.copy_context()`
#[inline]
pub fn copy_context(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static COPY: PyOnceLock<(Py<PyAny>, Option<ffi::PyCFunction>)> = PyOnceLock::new();
    let (copy, in_c) = COPY.get_or_try_init(py, || {
        let copy = py.import("contextvars")?.getattr("copy_context")?;
        let in_c = function_in_c(&copy, ffi::METH_NOARGS);
        PyResult::Ok((copy.unbind(), in_c))
    })?;
    match in_c {
        // SAFETY: by its flags it takes what it belongs to, and NULL; it returns a new reference or NULL and an exception.
        Some(in_c) => unsafe {
            let of = ffi::PyCFunction_GetSelf(copy.as_ptr());
            Bound::from_owned_ptr_or_err(py, in_c(of, ptr::null_mut()))
        },
        None => call0(copy.bind(py)),
    }
}

/// `socket.socket.fileno` of all sockets. Loaded with the module: at the end of the interpreter nothing can be imported.
struct Fileno {
    class: Py<PyType>,
    in_c: Option<ffi::PyCFunction>,
}

static FILENO: PyOnceLock<Fileno> = PyOnceLock::new();

/// Without it all sockets are asked by name: who keeps a program from opening any has put something else in its place.
pub fn load(py: Python<'_>) {
    let _ = Fileno::find(py).map(|found| FILENO.set(py, found));
}

impl Fileno {
    fn find(py: Python<'_>) -> PyResult<Fileno> {
        let class = py.import("socket")?.getattr("socket")?.cast_into::<PyType>()?;
        // One that is not initialized has the method, and no fd.
        let socket = class.call_method1("__new__", (&class,))?;
        let method = socket.getattr("fileno")?;
        let in_c = function_in_c(&method, ffi::METH_NOARGS).filter(|_| is_method_in_c(&method, &socket));
        Ok(Fileno { class: class.unbind(), in_c })
    }
}

/// `file.fileno()`
#[inline]
pub fn fileno<'py>(file: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = file.py();
    match FILENO.get(py) {
        Some(Fileno { class, in_c: Some(in_c) }) if file.is_exact_instance(class.bind(py)) => {
            // SAFETY: a method of this class, without arguments; it returns a new reference or NULL and an exception.
            unsafe { Bound::from_owned_ptr_or_err(py, in_c(file.as_ptr(), ptr::null_mut())) }
        }
        _ => method(file, intern!(py, "fileno")),
    }
}

/// Whether it is a method that is written in C, of `object` and no other one.
pub fn is_method_in_c(method: &Bound<'_, PyAny>, object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: two objects that live; the second function is for those that the first one takes.
    unsafe {
        ffi::PyCFunction_Check(method.as_ptr()) != 0
            && ffi::PyCFunction_GetSelf(method.as_ptr()) == object.as_ptr()
    }
}

/// Calls `handler` as the body of an `except` clause for `error`: what it asks `sys.exc_info()` for is there.
pub fn handling<R>(py: Python<'_>, error: &Bound<'_, PyAny>, handler: impl FnOnce() -> R) -> R {
    // SAFETY: this thread is attached. The first gives a new reference or NULL for none, and the second takes none away.
    let before = unsafe {
        let before = ffi::PyErr_GetHandledException();
        ffi::PyErr_SetHandledException(error.as_ptr());
        before
    };
    let result = handler();
    // SAFETY: as above; the reference is given back once.
    unsafe {
        ffi::PyErr_SetHandledException(before);
        drop(Bound::from_owned_ptr_or_opt(py, before));
    }
    result
}
