//! The loop's clock: `loop.time()`, which a subclass or a test may have put in place of asyncio's, and the monotonic one.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyFloat};

use crate::abi;
#[cfg(not(unix))]
use crate::call::call0;
use crate::call::{method, method1};
use crate::own::{holds, is_own};
use crate::time::number;

/// `LoopCore.time`
pub static OWN_TIME: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// `time.monotonic()`
#[inline]
pub fn monotonic() -> f64 {
    abi::now() as f64 / 1e9
}

/// `loop.time()`
#[inline]
pub fn time(slf: &Bound<'_, PyAny>) -> PyResult<f64> {
    match is_plain(slf)? {
        true => asyncios(slf.py()),
        false => number(&method(slf, intern!(slf.py(), "time"))?),
    }
}

/// What `time()` returns, unless a subclass has its own.
pub fn own_time<'py>(slf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    match is_unpatched(py)? {
        true => Ok(PyFloat::new(py, asyncios(py)?).into_any()),
        false => method1(base(py)?, intern!(py, "time"), slf),
    }
}

/// A moment of `loop.time()`, in the time of `monotonic`, as the reactor's alarm takes it.
pub fn in_monotonic(slf: &Bound<'_, PyAny>, when: f64) -> PyResult<f64> {
    Ok(if is_plain(slf)? { when } else { when - time(slf)? + monotonic() })
}

/// Whether `time` is asyncio's own, which is `monotonic`. A subclass may override it, and tests patch either.
pub fn is_plain(slf: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = slf.py();
    Ok(is_own(slf, intern!(py, "time"), OWN_TIME.get(py).expect("it is the module's").bind(py))?
        && is_unpatched(py)?)
}

/// Whether asyncio's own `time` is what it was in all of its classes, and reads the clock that it read.
fn is_unpatched(py: Python<'_>) -> PyResult<bool> {
    static REAL: PyOnceLock<[Py<PyAny>; 2]> = PyOnceLock::new();
    static NAMES: PyOnceLock<[Py<PyDict>; 2]> = PyOnceLock::new();
    let [asyncios, module] = REAL.get_or_try_init(py, || {
        let asyncios = py.import("asyncguest._compat")?.getattr("loop_time")?;
        PyResult::Ok([asyncios.unbind(), py.import("time")?.into_any().unbind()])
    })?;
    let [of_asyncio, of_time] = NAMES.get_or_try_init(py, || {
        PyResult::Ok([py.import("asyncio.base_events")?.dict().unbind(), py.import("time")?.dict().unbind()])
    })?;
    Ok(holds(of_asyncio.bind(py), intern!(py, "time"), module.bind(py))?
        && holds(of_time.bind(py), intern!(py, "monotonic"), python_monotonic(py)?)?
        && base(py)?.getattr(intern!(py, "time"))?.is(asyncios))
}

fn base(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static BASE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    BASE.import(py, "asyncguest._system", "AsyncioLoop")
}

fn python_monotonic(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static MONOTONIC: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    MONOTONIC.import(py, "asyncguest._compat", "monotonic")
}

/// What Python's `monotonic` says.
#[cfg(unix)]
#[inline]
pub fn asyncios(_py: Python<'_>) -> PyResult<f64> {
    Ok(monotonic())
}

/// Before CPython 3.13 it reads another clock than the library.
#[cfg(not(unix))]
pub fn asyncios(py: Python<'_>) -> PyResult<f64> {
    number(&call0(python_monotonic(py)?)?)
}
