//! A callback that was asked for: what `call_soon` returns, with the public face of `asyncio.Handle`.
//!
//! Owns: the callback and its arguments, until it is cancelled. asyncio's class is written in Python and cannot be extended
//! here, so this one says by `__class__` that it is one: that is what `isinstance` asks, and `super()` in asyncio's methods,
//! which are used for all that is no part of a callback's way: the `repr`, and how timers compare. `type()` tells.

use std::mem::{forget, take};

use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};

use crate::arguments::Arguments;
use crate::call::{call, handling, let_go, method_with, run_in};
use crate::guarded::Guarded;
use crate::loop_state::LoopState;

/// What `call_soon` returns.
#[pyclass(frozen, subclass, weakref, module = "asyncguest._native")]
pub struct Handle {
    state: Guarded<State>,
}

/// All of a handle. The default is that of a spare one.
#[derive(Default)]
pub struct State {
    owner: Option<Py<LoopState>>,
    context: Option<Py<PyAny>>,
    /// None: cancelled.
    callback: Option<Py<PyAny>>,
    args: Arguments,
    cancelled: bool,
    /// Debug mode: where it was made.
    source: Option<Py<PyAny>>,
    /// Debug mode: what it was before it was cancelled.
    repr: Option<Py<PyAny>>,
}

impl State {
    #[inline]
    pub fn of(
        owner: Py<LoopState>,
        callback: Py<PyAny>,
        args: Arguments,
        context: Py<PyAny>,
        source: Option<Py<PyAny>>,
    ) -> State {
        let (owner, callback, context) = (Some(owner), Some(callback), Some(context));
        State { owner, context, callback, args, cancelled: false, source, repr: None }
    }

    /// The callback and its arguments, to be let go of when the look at the state has ended.
    fn cancel(&mut self) -> [Option<Py<PyAny>>; 2] {
        self.cancelled = true;
        [self.callback.take(), take(&mut self.args).into_any()]
    }

    #[inline]
    fn let_go(&mut self, py: Python<'_>) {
        let_go_of(py, self.callback.take());
        let_go_of(py, take(&mut self.args).into_any());
        let_go_of(py, self.context.take());
        let_go_of(py, self.owner.take().map(Py::into_any));
        let_go_of(py, self.source.take());
        let_go_of(py, self.repr.take());
    }
}

#[inline]
fn let_go_of(py: Python<'_>, object: Option<Py<PyAny>>) {
    if let Some(object) = object {
        let_go(py, object);
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if self.owner.is_some() || self.callback.is_some() {
            Python::try_attach(|py| self.let_go(py));
        }
    }
}

impl Handle {
    pub fn of(state: State) -> Handle {
        Handle { state: Guarded::new(state) }
    }

    /// One that is empty becomes another one.
    #[inline]
    pub fn fill(&self, py: Python<'_>, state: State) {
        forget(self.state.replace(py, state));
    }

    /// Lets go of all that it has.
    #[inline]
    pub fn clear(&self, py: Python<'_>) {
        let mut gone = self.state.replace(py, State::default());
        gone.let_go(py);
        forget(gone); // there is nothing left in it
    }

    #[inline]
    pub fn is_cancelled(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.cancelled)
    }

    pub fn owner<'py>(&self, py: Python<'py>) -> Option<Bound<'py, LoopState>> {
        self.state.with(py, |state| state.owner.as_ref().map(|it| it.clone_ref(py).into_bound(py)))
    }

    pub fn callback<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.state.with(py, |state| state.callback.as_ref().map(|it| it.clone_ref(py).into_bound(py)))
    }

    /// None: cancelled.
    pub fn args(&self, py: Python<'_>) -> Option<Arguments> {
        self.state.with(py, |state| state.callback.as_ref().map(|_| state.args.clone_ref(py)))
    }

    pub fn context<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.state.with(py, |state| state.context.as_ref().map(|it| it.clone_ref(py).into_bound(py)))
    }

    /// Runs the callback in its context, unless it is cancelled. What it raises is told to the loop's exception handler;
    /// SystemExit and KeyboardInterrupt pass.
    #[inline]
    pub fn run(this: &Bound<'_, Handle>) -> PyResult<()> {
        let (py, handle) = (this.py(), this.get());
        let wanted = handle.state.with(py, |state| {
            let (callback, context) = (state.callback.as_ref()?, state.context.as_ref()?);
            Some((callback.clone_ref(py), state.args.clone_ref(py), context.clone_ref(py)))
        });
        let Some((callback, args, context)) = wanted else { return Ok(()) };
        let ran = run_in(context.bind(py), callback.bind(py), &args);
        context.drop_ref(py);
        callback.drop_ref(py);
        if let Some(args) = args.into_any() {
            args.drop_ref(py);
        }
        match ran {
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
        let is_debug = handle.owner(py).is_some_and(|owner| owner.get().is_debug());
        let repr = if is_debug { Some(this.repr()?.into_any().unbind()) } else { None };
        let gone = handle.state.with(py, |state| {
            state.repr = repr;
            state.cancel()
        });
        gone.into_iter().for_each(|object| let_go_of(py, object));
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
    fn get_context<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.context(py)
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
    fn _args<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.args(py).map(|args| args.tuple(py)).transpose()
    }

    #[getter]
    fn _cancelled(&self, py: Python<'_>) -> bool {
        self.is_cancelled(py)
    }

    #[getter]
    fn _loop<'py>(&self, py: Python<'py>) -> Option<Bound<'py, LoopState>> {
        self.owner(py)
    }

    #[getter]
    fn _context<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.context(py)
    }

    #[getter]
    fn _source_traceback(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.source.as_ref().map(|it| it.clone_ref(py)))
    }

    #[getter]
    fn _repr(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.repr.as_ref().map(|it| it.clone_ref(py)))
    }

    // ---- for the garbage collector

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state
            .visited(|state| {
                visit.call(&state.owner)?;
                visit.call(&state.context)?;
                visit.call(&state.callback)?;
                visit.call(&state.source)?;
                state.args.traverse(&visit)
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        let gone = self.state.with(py, State::cancel);
        gone.into_iter().for_each(|object| let_go_of(py, object));
    }
}
