//! A callback that was asked for: what `call_soon` returns, with the public face of `asyncio.Handle`.
//!
//! Owns: the callback and its arguments, until it is cancelled. asyncio's class is written in Python and cannot be extended
//! here, so this one says by `__class__` that it is one: that is what `isinstance` asks, and `super()` in asyncio's methods,
//! which are used for all that is no part of a callback's way: the `repr`, and how timers compare. `type()` tells.

use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};

use crate::call::{call, handling, let_go, method_with, run_in};
use crate::guarded::Guarded;
use crate::loop_state::LoopState;

/// What `call_soon` returns.
#[pyclass(frozen, subclass, weakref, module = "asyncguest._native")]
pub struct Handle {
    owner: Py<LoopState>,
    context: Py<PyAny>,
    /// Debug mode: where it was made.
    source: Option<Py<PyAny>>,
    state: Guarded<State>,
}

struct State {
    cancelled: bool,
    /// None: cancelled.
    callback: Option<Py<PyAny>>,
    args: Option<Py<PyTuple>>,
    /// Debug mode: what it was before it was cancelled.
    repr: Option<Py<PyAny>>,
}

impl State {
    /// The callback and its arguments, to be dropped when the look at the state has ended.
    fn take_callback(&mut self) -> State {
        State { cancelled: true, callback: self.callback.take(), args: self.args.take(), repr: None }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let gone = (self.callback.take(), self.args.take().map(Py::into_any));
        if gone.0.is_none() && gone.1.is_none() {
            return;
        }
        Python::try_attach(|py| {
            for object in [gone.0, gone.1].into_iter().flatten() {
                let_go(py, object);
            }
        });
    }
}

impl Handle {
    pub fn of(
        owner: Py<LoopState>,
        callback: Py<PyAny>,
        args: Py<PyTuple>,
        context: Py<PyAny>,
        source: Option<Py<PyAny>>,
    ) -> Handle {
        let state = State { cancelled: false, callback: Some(callback), args: Some(args), repr: None };
        Handle { owner, context, source, state: Guarded::new(state) }
    }

    #[inline]
    pub fn is_cancelled(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.cancelled)
    }

    pub fn owner(&self) -> &Py<LoopState> {
        &self.owner
    }

    pub fn callback<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.state.with(py, |state| state.callback.as_ref().map(|it| it.clone_ref(py).into_bound(py)))
    }

    pub fn args<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyTuple>> {
        self.state.with(py, |state| state.args.as_ref().map(|it| it.clone_ref(py).into_bound(py)))
    }

    pub fn context(&self) -> &Py<PyAny> {
        &self.context
    }

    /// Runs the callback in its context, unless it is cancelled. What it raises is told to the loop's exception handler;
    /// SystemExit and KeyboardInterrupt pass.
    #[inline]
    pub fn run(this: &Bound<'_, Handle>) -> PyResult<()> {
        let (py, handle) = (this.py(), this.get());
        let wanted = handle.state.with(py, |state| {
            let callback = state.callback.as_ref()?.clone_ref(py);
            Some((callback.into_bound(py), state.args.as_ref()?.clone_ref(py).into_bound(py)))
        });
        let Some((callback, args)) = wanted else { return Ok(()) };
        match run_in(handle.context.bind(py), &callback, &args) {
            Ok(result) => let_go(py, result.unbind()),
            Err(error) => failed(this, error)?,
        }
        Ok(())
    }

    /// As `cancel`; whether it was not cancelled before.
    pub fn stop(this: &Bound<'_, Handle>) -> PyResult<bool> {
        let (py, handle) = (this.py(), this.get());
        if handle.state.with(py, |state| std::mem::replace(&mut state.cancelled, true)) {
            return Ok(false);
        }
        let repr = if handle.owner.get().is_debug() { Some(this.repr()?.into_any().unbind()) } else { None };
        drop(handle.state.with(py, |state| {
            state.repr = repr;
            state.take_callback()
        }));
        Ok(true)
    }
}

/// What the callback has raised.
#[cold]
pub fn failed(this: &Bound<'_, Handle>, error: PyErr) -> PyResult<()> {
    static REPORT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = this.py();
    if error.is_instance_of::<PySystemExit>(py) || error.is_instance_of::<PyKeyboardInterrupt>(py) {
        return Err(error);
    }
    let error = error.into_value(py).into_bound(py).into_any();
    let report = REPORT.import(py, "asyncguest._compat", "report_failure")?;
    handling(py, &error, || call(report, (this, &error))).map(drop)
}

/// A class of asyncio's events.
pub fn asyncio_class<'py>(
    py: Python<'py>,
    class: &'static PyOnceLock<Py<PyType>>,
    name: &str,
) -> PyResult<&'py Bound<'py, PyType>> {
    class.import(py, "asyncio.events", name)
}

fn plain(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    asyncio_class(py, &CLASS, "Handle")
}

#[pymethods]
impl Handle {
    #[getter]
    fn __class__<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyType>> {
        plain(py)
    }

    /// The callback is not called any more.
    fn cancel(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::stop(slf).map(drop)
    }

    /// Whether it was cancelled.
    fn cancelled(&self, py: Python<'_>) -> bool {
        self.is_cancelled(py)
    }

    /// The context that the callback runs in.
    fn get_context(&self, py: Python<'_>) -> Py<PyAny> {
        self.context.clone_ref(py)
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        method_with(plain(slf.py())?, intern!(slf.py(), "__repr__"), (slf,))
    }

    // ---- asyncio's own names, for asyncio's own code

    fn _run(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::run(slf)
    }

    fn _repr_info<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        method_with(plain(slf.py())?, intern!(slf.py(), "_repr_info"), (slf,))
    }

    #[getter]
    fn _callback<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.callback(py)
    }

    #[getter]
    fn _args<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyTuple>> {
        self.args(py)
    }

    #[getter]
    fn _cancelled(&self, py: Python<'_>) -> bool {
        self.is_cancelled(py)
    }

    #[getter]
    fn _loop(&self, py: Python<'_>) -> Py<LoopState> {
        self.owner.clone_ref(py)
    }

    #[getter]
    fn _context(&self, py: Python<'_>) -> Py<PyAny> {
        self.context.clone_ref(py)
    }

    #[getter]
    fn _source_traceback(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.source.as_ref().map(|it| it.clone_ref(py))
    }

    #[getter]
    fn _repr(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.repr.as_ref().map(|it| it.clone_ref(py)))
    }

    // ---- for the garbage collector

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.owner)?;
        visit.call(&self.context)?;
        visit.call(&self.source)?;
        self.state
            .visited(|state| {
                visit.call(&state.callback)?;
                visit.call(&state.args)
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.state.with(py, State::take_callback));
    }
}
