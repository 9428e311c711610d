//! Asking for a callback: `call_soon`, `call_soon_threadsafe`, `call_at` and `call_later`.

use std::sync::atomic::Ordering::Relaxed;

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyFloat, PyString, PyTuple};

use crate::arguments::Arguments;
use crate::call::{call, call0, call_with, copy_context, method};
use crate::clock::{asyncios, in_monotonic, is_plain};
use crate::handle::{Handle, State};
use crate::loop_state::LoopState;
use crate::own::is_own;
use crate::ring::Entry;
use crate::time::number;
use crate::timer::TimerHandle;

/// `LoopCore.call_at`
pub static OWN_CALL_AT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// A handle's state. It is queued nowhere yet.
#[inline]
fn state(
    slf: &Bound<'_, LoopState>,
    callback: Bound<'_, PyAny>,
    args: Arguments,
    context: Option<Bound<'_, PyAny>>,
) -> PyResult<State> {
    let context = match context {
        Some(context) => context,
        None => copy_context(slf.py())?,
    };
    let source = if slf.get().is_debug() { Some(stack(slf.py())?) } else { None };
    Ok(State::of(slf.clone().unbind(), callback.unbind(), args, context.unbind(), source))
}

/// A handle, which is queued nowhere yet.
#[inline]
pub fn handle(
    slf: &Bound<'_, LoopState>,
    callback: Bound<'_, PyAny>,
    args: Arguments,
    context: Option<Bound<'_, PyAny>>,
) -> PyResult<Py<Handle>> {
    slf.get().spare.handle(slf.py(), state(slf, callback, args, context)?)
}

/// Debug mode remembers where a handle was made.
#[cold]
fn stack(py: Python<'_>) -> PyResult<Py<PyAny>> {
    static EXTRACT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    Ok(call0(EXTRACT.import(py, "asyncio.format_helpers", "extract_stack")?)?.unbind())
}

/// What asyncio checks before it takes a callback.
#[inline]
fn check(
    slf: &Bound<'_, LoopState>,
    callback: &Bound<'_, PyAny>,
    name: &Bound<'_, PyString>,
    here: bool,
) -> PyResult<()> {
    let (py, core) = (slf.py(), slf.get());
    if core.closed.load(Relaxed) {
        method(slf.as_any(), intern!(py, "_check_closed"))?;
    }
    if core.is_debug() {
        if here {
            method(slf.as_any(), intern!(py, "_check_thread"))?;
        }
        call(&slf.getattr(intern!(py, "_check_callback"))?, (callback, name))?;
    }
    Ok(())
}

fn queue(
    slf: &Bound<'_, LoopState>,
    callback: Bound<'_, PyAny>,
    args: Arguments,
    context: Option<Bound<'_, PyAny>>,
) -> PyResult<Py<Handle>> {
    let py = slf.py();
    let handle = handle(slf, callback, args, context)?;
    slf.get().ready.get().push(py, Entry::Own(handle.clone_ref(py)));
    Ok(handle)
}

#[inline]
pub fn call_soon(
    slf: &Bound<'_, LoopState>,
    callback: Bound<'_, PyAny>,
    args: Arguments,
    context: Option<Bound<'_, PyAny>>,
) -> PyResult<Py<Handle>> {
    check(slf, &callback, intern!(slf.py(), "call_soon"), true)?;
    soon(slf, callback, args, context)
}

/// `call_soon` where there is nothing to be checked.
#[inline]
pub fn soon(
    slf: &Bound<'_, LoopState>,
    callback: Bound<'_, PyAny>,
    args: Arguments,
    context: Option<Bound<'_, PyAny>>,
) -> PyResult<Py<Handle>> {
    let handle = queue(slf, callback, args, context)?;
    slf.get().rouse_if_idle(slf.py())?;
    Ok(handle)
}

pub fn call_soon_threadsafe(
    slf: &Bound<'_, LoopState>,
    callback: Bound<'_, PyAny>,
    args: Arguments,
    context: Option<Bound<'_, PyAny>>,
) -> PyResult<Py<Handle>> {
    check(slf, &callback, intern!(slf.py(), "call_soon_threadsafe"), false)?;
    let handle = queue(slf, callback, args, context)?;
    method(slf.as_any(), intern!(slf.py(), "_write_to_self"))?;
    Ok(handle)
}

/// A moment of `time()` as f64.
fn moment(when: &Bound<'_, PyAny>) -> PyResult<f64> {
    static MOMENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    number(&call(MOMENT.import(when.py(), "asyncguest._compat", "moment")?, (when,))?)
}

pub fn call_at(
    slf: &Bound<'_, LoopState>,
    when: Bound<'_, PyAny>,
    callback: Bound<'_, PyAny>,
    args: Arguments,
    context: Option<Bound<'_, PyAny>>,
) -> PyResult<Py<TimerHandle>> {
    let (py, core) = (slf.py(), slf.get());
    // Before anything is stored: one that cannot be compared would break the order of all timers.
    let seconds = match when.cast_exact::<PyFloat>() {
        Ok(float) if !float.value().is_nan() => float.value(),
        _ => moment(&when)?,
    };
    check(slf, &callback, intern!(py, "call_at"), true)?;
    let timer = TimerHandle::of(when.unbind(), seconds, core.timers.next_serial());
    let handle = Handle::of(state(slf, callback, args, context)?);
    let timer = Py::new(py, PyClassInitializer::from(handle).add_subclass(timer))?;
    core.timers.push(timer.bind(py))?;
    if core.idle.load(Relaxed) {
        let at = in_monotonic(slf, seconds)?;
        core.reactor()?.get().alarm_by(py, at)?;
    }
    Ok(timer)
}

/// By `time` and `call_at`, as asyncio's: a subclass may have its own of either.
pub fn call_later<'py>(
    slf: &Bound<'py, LoopState>,
    delay: Bound<'py, PyAny>,
    callback: Bound<'py, PyAny>,
    args: Arguments,
    context: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    static ADD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = slf.py();
    if delay.is_none() {
        return Err(PyTypeError::new_err(
            "a timer is set to a number, in seconds of loop.time(), not to None",
        ));
    }
    let when = match delay.cast_exact::<PyFloat>() {
        Ok(delay) if is_plain(slf)? => PyFloat::new(py, asyncios(py)? + delay.value()).into_any(),
        _ => {
            let now = method(slf.as_any(), intern!(py, "time"))?;
            call(ADD.import(py, "operator", "add")?, (now, delay))? // which may be code of the user's
        }
    };
    let own = OWN_CALL_AT.get(py).expect("it is the module's");
    if is_own(slf, intern!(py, "call_at"), own.bind(py))? {
        return Ok(call_at(slf, when, callback, args, context)?.into_bound(py).into_any());
    }
    let all: Vec<_> = [when, callback].into_iter().chain(args.tuple(py)?.iter()).collect();
    let options = match context {
        Some(context) => {
            let options = PyDict::new(py);
            options.set_item(intern!(py, "context"), context)?;
            Some(options)
        }
        None => None,
    };
    call_with(&slf.getattr(intern!(py, "call_at"))?, &PyTuple::new(py, all)?, options.as_ref())
}
