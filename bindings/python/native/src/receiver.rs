//! Who waits for what a toolkit tells: the values that have come, or why none will, and the task that waits for them.
//!
//! Owns: these. A toolkit tells on any thread; all else is the host thread's. What a task awaits is a future of its loop's, and
//! in another async library what the package's `_waiting` says.

use std::collections::VecDeque;
use std::thread::{self, ThreadId};

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyString, PyTuple};

use crate::call::{call, call0, call_with, method, method1};
use crate::error::{GuestError, SourceGone};
use crate::guarded::Guarded;
use crate::loop_state::LoopState;

/// Takes what one connection tells.
#[pyclass(frozen, module = "asyncguest._native")]
pub struct Receiver {
    way: Way,
    thread: ThreadId,
    filter: Option<Py<PyAny>>,
    /// The first value is the only one.
    once: bool,
    /// So many values are kept, the newest ones.
    most: usize,
    state: Guarded<State>,
}

/// How the library waits whose code has made it.
enum Way {
    Asyncio(Py<LoopState>),
    /// See `_waiting.Waiting`.
    Other(Py<PyAny>),
}

struct State {
    is_open: bool,
    values: VecDeque<Py<PyAny>>,
    /// What has come instead of a value.
    error: Option<Py<PyAny>>,
    waiter: Option<Py<PyAny>>,
}

impl State {
    fn has_come(&self) -> bool {
        !self.values.is_empty() || self.error.is_some()
    }
}

impl Way {
    fn here(py: Python<'_>) -> PyResult<Way> {
        static OTHERS: PyOnceLock<Py<PyList>> = PyOnceLock::new();
        static RUNNING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        static OTHER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        if OTHERS.import(py, "asyncguest._waiting", "others")?.is_empty() {
            let running = call0(RUNNING.import(py, "asyncguest._compat", "running_loop")?)?;
            if let Ok(running) = running.cast_into::<LoopState>() {
                if running.get().is_hosted(py) {
                    return Ok(Way::Asyncio(running.unbind()));
                }
            }
        }
        let found = call0(OTHER.import(py, "asyncguest._waiting", "waiting_here")?)?;
        Ok(match found.cast_into::<LoopState>() {
            Ok(asyncio) => Way::Asyncio(asyncio.unbind()),
            Err(other) => Way::Other(other.into_inner().unbind()),
        })
    }

    fn waiter<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Way::Asyncio(of) => method(of.bind(py), intern!(py, "create_future")),
            Way::Other(way) => method(way.bind(py), intern!(py, "waiter")),
        }
    }

    /// Lets the task go on, later; once more does nothing.
    fn wake(&self, waiter: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = waiter.py();
        match self {
            Way::Asyncio(_) => {
                if !method(waiter, intern!(py, "done"))?.is_truthy()? {
                    method1(waiter, intern!(py, "set_result"), &py.None().into_bound(py))?;
                }
                Ok(())
            }
            Way::Other(way) => method1(way.bind(py), intern!(py, "wake"), waiter).map(drop),
        }
    }

    /// Has `function(what)` called on the host thread, while the run lasts. Any thread.
    fn soon(&self, function: Bound<'_, PyAny>, what: Bound<'_, PyAny>) -> PyResult<()> {
        let py = function.py();
        match self {
            Way::Asyncio(of) => {
                let of = of.bind(py);
                match method_soon(of, function, what) {
                    Err(error) if error.is_instance_of::<PyRuntimeError>(py) => Ok(()), // the run is over
                    ended => ended,
                }
            }
            Way::Other(way) => call(&way.bind(py).getattr(intern!(py, "soon"))?, (function, what)).map(drop),
        }
    }
}

fn method_soon(
    of: &Bound<'_, LoopState>,
    function: Bound<'_, PyAny>,
    what: Bound<'_, PyAny>,
) -> PyResult<()> {
    call(&of.getattr(intern!(of.py(), "call_soon_threadsafe"))?, (function, what)).map(drop)
}

impl Receiver {
    /// An emission, inside of it. True: the toolkit is to go no further with it.
    pub fn arrive(
        slf: &Bound<'_, Receiver>,
        args: &Bound<'_, PyTuple>,
        copied: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let (py, receiver) = (slf.py(), slf.get());
        if !receiver.state.with(py, |state| state.is_open) {
            return Ok(false);
        }
        match receiver.take(args, copied) {
            Ok(None) => Ok(false),
            Ok(Some((value, stops))) => {
                receiver.tell(slf, value, false)?;
                Ok(stops)
            }
            Err(error) => {
                let error = error.into_value(py).into_bound(py).into_any();
                receiver.tell(slf, error, true)?;
                Ok(false)
            }
        }
    }

    /// The value of an emission, and whether the toolkit is to stop; None if it is not wanted.
    fn take<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        copied: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<(Bound<'py, PyAny>, bool)>> {
        let py = args.py();
        let mut stops = false;
        if let Some(filter) = &self.filter {
            let wanted = call_with(filter.bind(py), args, None)?;
            if !wanted.is_truthy()? {
                return Ok(None);
            }
            stops = wanted.cast::<PyString>().is_ok_and(|wanted| wanted == "break");
        }
        let args = match copied {
            Some(copied) => &call(copied, (args,))?.cast_into::<PyTuple>()?,
            None => args,
        };
        let value = match args.len() {
            0 => py.None().into_bound(py),
            1 => args.get_item(0)?,
            _ => args.clone().into_any(),
        };
        Ok(Some((value, stops)))
    }

    fn tell(&self, slf: &Bound<'_, Receiver>, what: Bound<'_, PyAny>, is_error: bool) -> PyResult<()> {
        let py = slf.py();
        if thread::current().id() != self.thread {
            let name = if is_error { intern!(py, "_end") } else { intern!(py, "_put") };
            return self.way.soon(slf.getattr(name)?, what);
        }
        match is_error {
            true => self.end(py, what.unbind()),
            false => self.put(py, what.unbind()),
        }
    }

    fn put(&self, py: Python<'_>, value: Py<PyAny>) -> PyResult<()> {
        let dropped = self.state.with(py, |state| {
            if !state.is_open {
                return Some(value); // another thread's came first, or it is over
            }
            state.is_open = !self.once;
            let full = state.values.len() >= self.most;
            let oldest = if full { state.values.pop_front() } else { None };
            state.values.push_back(value);
            oldest
        });
        drop(dropped);
        self.wake(py)
    }

    fn end(&self, py: Python<'_>, error: Py<PyAny>) -> PyResult<()> {
        let dropped = self.state.with(py, |state| {
            if state.error.is_some() || (self.once && !state.is_open) {
                return Some(error);
            }
            state.is_open &= !self.once;
            state.error.replace(error)
        });
        drop(dropped);
        self.wake(py)
    }

    fn wake(&self, py: Python<'_>) -> PyResult<()> {
        match self.state.with(py, |state| state.waiter.as_ref().map(|waiter| waiter.clone_ref(py))) {
            Some(waiter) => self.way.wake(waiter.bind(py)),
            None => Ok(()),
        }
    }
}

#[pymethods]
impl Receiver {
    /// For the code that runs here; GuestError if it is no guest's.
    #[new]
    #[pyo3(signature = (filter, /, *, once=false, latest=false))]
    fn new(py: Python<'_>, filter: Option<Py<PyAny>>, once: bool, latest: bool) -> PyResult<Receiver> {
        let state = State { is_open: true, values: VecDeque::new(), error: None, waiter: None };
        Ok(Receiver {
            way: Way::here(py)?,
            thread: thread::current().id(),
            filter,
            once,
            most: if latest { 1 } else { usize::MAX },
            state: Guarded::new(state),
        })
    }

    // ---- what toolkits call

    /// An event, inside its emission; raises nothing. `copied(args)`: those that outlive it, None if all do. Returns True if the
    /// toolkit is to go no further with it. Any thread.
    #[pyo3(signature = (args, copied=None))]
    fn arrived(
        slf: &Bound<'_, Self>,
        args: &Bound<'_, PyTuple>,
        copied: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        Self::arrive(slf, args, copied)
    }

    /// There will be no event any more: the sender was destroyed. Any thread.
    fn gone(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, receiver) = (slf.py(), slf.get());
        if !receiver.state.with(py, |state| state.is_open) {
            return Ok(());
        }
        let gone = SourceGone::new_err("the sender was destroyed while its event was waited for");
        receiver.tell(slf, gone.into_value(py).into_bound(py).into_any(), true)
    }

    /// The same, as the callback of a weak reference.
    #[pyo3(signature = (_watch, /))]
    fn __call__(slf: &Bound<'_, Self>, _watch: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::gone(slf)
    }

    fn _put(&self, py: Python<'_>, value: Py<PyAny>) -> PyResult<()> {
        self.put(py, value)
    }

    fn _end(&self, py: Python<'_>, error: Py<PyAny>) -> PyResult<()> {
        self.end(py, error)
    }

    // ---- what the waiting task calls

    /// How it waits in another library than asyncio, or None.
    #[getter]
    fn other(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match &self.way {
            Way::Asyncio(_) => None,
            Way::Other(way) => Some(way.clone_ref(py)),
        }
    }

    /// Whether `take` has something.
    fn has_come(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.has_come())
    }

    /// What to await, once, until it has. GuestError if another task does.
    fn wait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if self.state.with(py, |state| state.waiter.is_some()) {
            let says = "another task waits for this stream: each task needs an events(...) of its own";
            return Err(GuestError::new_err(says));
        }
        let waiter = self.way.waiter(py)?;
        let own = waiter.clone().unbind();
        let has_come = self.state.with(py, |state| {
            state.waiter = Some(own);
            state.has_come()
        });
        if has_come {
            self.way.wake(&waiter)?;
        }
        Ok(waiter)
    }

    /// It waits no more.
    fn waited(&self, py: Python<'_>) {
        drop(self.state.with(py, |state| state.waiter.take()));
    }

    /// The oldest value; if there is none, raises what has come instead. A filter's error is told once, the end always.
    #[pyo3(name = "take")]
    fn take_value(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let (value, error) = self.state.with(py, |state| match state.values.pop_front() {
            Some(value) => (Some(value), None),
            None => (None, state.error.as_ref().map(|error| error.clone_ref(py))),
        });
        let Some(error) = error else { return Ok(value.unwrap_or_else(|| py.None())) };
        let error = error.into_bound(py);
        // The end itself is never raised, for what is leads here.
        if error.is_instance_of::<GuestError>() && error.getattr(intern!(py, "__traceback__"))?.is_none() {
            let args = error.getattr(intern!(py, "args"))?.cast_into::<PyTuple>()?;
            return Err(PyErr::from_value(call_with(error.get_type().as_any(), &args, None)?));
        }
        drop(self.state.with(py, |state| state.error.take()));
        Err(PyErr::from_value(error))
    }

    /// Nothing is taken any more; `error`, if not None, is what a task that waits gets.
    #[pyo3(signature = (error=None, /))]
    fn close(&self, py: Python<'_>, error: Option<Py<PyAny>>) -> PyResult<()> {
        let is_final = error.is_none();
        let dropped = self.state.with(py, |state| {
            state.is_open = false;
            let before = if is_final { (state.error.take(), state.waiter.take()) } else { (None, None) };
            if state.error.is_none() {
                state.error = error;
            }
            (std::mem::take(&mut state.values), before)
        });
        drop(dropped);
        self.wake(py)
    }

    // ---- for the garbage collector

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.way {
            Way::Asyncio(of) => visit.call(of)?,
            Way::Other(way) => visit.call(way)?,
        }
        visit.call(&self.filter)?;
        self.state
            .visited(|state| {
                state.values.iter().try_for_each(|value| visit.call(value))?;
                visit.call(&state.error)?;
                visit.call(&state.waiter)
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(
            self.state.with(py, |state| {
                (std::mem::take(&mut state.values), state.error.take(), state.waiter.take())
            }),
        );
    }
}
