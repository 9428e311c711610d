//! The loop's clock: `loop.time()`, which a subclass or a test may have put in place of asyncio's, and the monotonic one.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::abi;
use crate::call::method;
use crate::loop_state::LoopState;
use crate::time::number;

/// `time.monotonic()`
#[inline]
pub fn monotonic() -> f64 {
    abi::now() as f64 / 1e9
}

/// `loop.time()`
#[inline]
pub fn time(slf: &Bound<'_, LoopState>) -> PyResult<f64> {
    number(&method(slf.as_any(), intern!(slf.py(), "time"))?)
}

/// A moment of `loop.time()`, in the time of `monotonic`, as the reactor's alarm takes it.
pub fn in_monotonic(slf: &Bound<'_, LoopState>, when: f64) -> PyResult<f64> {
    Ok(if is_plain(slf)? { when } else { when - time(slf)? + monotonic() })
}

/// Whether `time` is asyncio's own, which is `monotonic`. A subclass may override it, and tests patch either.
fn is_plain(slf: &Bound<'_, LoopState>) -> PyResult<bool> {
    static ASYNCIOS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static MONOTONIC: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static MODULE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = slf.py();
    let asyncios = ASYNCIOS.import(py, "asyncguest._compat", "loop_time")?;
    let monotonic = MONOTONIC.import(py, "asyncguest._compat", "monotonic")?;
    let module = MODULE.import(py, "asyncio", "base_events")?;
    let used = slf.getattr(intern!(py, "time"))?;
    let is_asyncios =
        used.getattr_opt(intern!(py, "__func__"))?.is_some_and(|function| function.is(asyncios));
    let clock = module.getattr(intern!(py, "time"))?;
    Ok(is_asyncios && clock.getattr(intern!(py, "monotonic"))?.is(monotonic))
}
