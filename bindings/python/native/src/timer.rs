//! A callback that was asked for at a time: what `call_later` and `call_at` return, with the public face of
//! `asyncio.TimerHandle`.
//!
//! Owns: the time, and whether it stands among the loop's timers.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pyo3::class::basic::CompareOp;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use crate::call::method_with;
use crate::handle::{asyncio_class, Handle};

/// What `call_later` and `call_at` return.
#[pyclass(frozen, extends = Handle, module = "asyncguest._native")]
pub struct TimerHandle {
    /// The number as it was given, and what of it fits into an f64.
    when: Py<PyAny>,
    seconds: f64,
    /// Which of two that are due at the same time comes first.
    serial: u64,
    scheduled: AtomicBool,
}

/// What timers are ordered by.
pub type Due = (f64, u64);

impl TimerHandle {
    pub fn of(when: Py<PyAny>, seconds: f64, serial: u64) -> TimerHandle {
        TimerHandle { when, seconds, serial, scheduled: AtomicBool::new(true) }
    }

    #[inline]
    pub fn due(&self) -> Due {
        (self.seconds, self.serial)
    }

    pub fn is_scheduled(&self) -> bool {
        self.scheduled.load(Relaxed)
    }

    /// It is not among the loop's timers any more.
    pub fn leave(&self) {
        self.scheduled.store(false, Relaxed);
    }
}

fn timed(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    asyncio_class(py, &CLASS, "TimerHandle")
}

#[pymethods]
impl TimerHandle {
    #[getter]
    fn __class__<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyType>> {
        timed(py)
    }

    /// The callback is not called any more.
    fn cancel(slf: &Bound<'_, Self>) -> PyResult<()> {
        let handle = slf.as_super();
        let stopped = Handle::stop(handle);
        if !matches!(stopped, Ok(false)) {
            // Also if the callback's repr has failed, in debug mode.
            if let Some(owner) = handle.get().owner(slf.py()) {
                owner.get().timer_stopped(&owner, slf)?;
            }
        }
        stopped.map(drop)
    }

    /// When it is due, in the time of the loop's `time()`.
    fn when(&self, py: Python<'_>) -> Py<PyAny> {
        self.when.clone_ref(py)
    }

    fn __richcmp__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        how: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let name = match how {
            CompareOp::Lt => intern!(py, "__lt__"),
            CompareOp::Le => intern!(py, "__le__"),
            CompareOp::Eq => intern!(py, "__eq__"),
            CompareOp::Ne => intern!(py, "__ne__"),
            CompareOp::Gt => intern!(py, "__gt__"),
            CompareOp::Ge => intern!(py, "__ge__"),
        };
        method_with(timed(py)?, name, (slf, other))
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.when.bind(py).hash()
    }

    // ---- asyncio's own names, for asyncio's own code

    fn _repr_info<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        method_with(timed(slf.py())?, intern!(slf.py(), "_repr_info"), (slf,))
    }

    #[getter]
    fn _when(&self, py: Python<'_>) -> Py<PyAny> {
        self.when.clone_ref(py)
    }

    #[getter]
    fn _scheduled(&self) -> bool {
        self.is_scheduled()
    }

    #[setter(_scheduled)]
    fn set_scheduled(&self, scheduled: bool) {
        self.scheduled.store(scheduled, Relaxed);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.when)
    }
}
