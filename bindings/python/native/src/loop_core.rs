//! What is asked of an event loop: the methods that users, and CPython's tasks and futures, call by name, and those by which
//! the package drives it. The rest of the loop is asyncio's, in Python: `_cpython_loop.py`.
//!
//! The loop's own thread, except where a method says otherwise.

use std::sync::atomic::Ordering::Relaxed;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::arguments::Arguments;
use crate::clock::{in_monotonic, own_time};
use crate::first_step::{begin, run_first_step};
use crate::handle::Handle;
use crate::iteration::{iterate, look, queue_due, run_once, run_ready};
use crate::loop_state::LoopState;
use crate::outside::Inside;
use crate::own::is_own;
use crate::reactor::Reactor;
use crate::schedule;
use crate::timer::TimerHandle;
use crate::turn;

/// The base class of the package's loops.
#[pyclass(frozen, subclass, extends = LoopState, module = "asyncguest._native")]
pub struct LoopCore;

#[pymethods]
impl LoopCore {
    #[new]
    #[pyo3(signature = (*_args, **_options))]
    fn new(
        py: Python<'_>,
        _args: &Bound<'_, PyTuple>,
        _options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<LoopCore>> {
        Ok(PyClassInitializer::from(LoopState::new(py)?).add_subclass(LoopCore))
    }

    /// The native guest that the loop waits in, and the map of its selector from fd to key.
    #[pyo3(signature = (reactor, keys, /))]
    fn wait_in(slf: &Bound<'_, Self>, reactor: Py<Reactor>, keys: Py<PyDict>) {
        slf.as_super().get().wait_in(slf.py(), reactor, keys);
    }

    // ---- what users and asyncio's own code ask for

    /// Calls `callback(*args)` in the next iteration. As a guest: from any code on the host thread.
    #[pyo3(signature = (callback, *args, context=None))]
    fn call_soon(
        slf: &Bound<'_, Self>,
        callback: Bound<'_, PyAny>,
        args: Bound<'_, PyTuple>,
        context: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<Handle>> {
        schedule::call_soon(slf.as_super(), callback, Arguments::of(args)?, context)
    }

    /// The same from any thread.
    #[pyo3(signature = (callback, *args, context=None))]
    fn call_soon_threadsafe(
        slf: &Bound<'_, Self>,
        callback: Bound<'_, PyAny>,
        args: Bound<'_, PyTuple>,
        context: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<Handle>> {
        schedule::call_soon_threadsafe(slf.as_super(), callback, Arguments::of(args)?, context)
    }

    /// Calls `callback(*args)` at `when`, in the time of `time()`. As a guest: from any code on the host thread.
    #[pyo3(signature = (when, callback, *args, context=None))]
    fn call_at(
        slf: &Bound<'_, Self>,
        when: Bound<'_, PyAny>,
        callback: Bound<'_, PyAny>,
        args: Bound<'_, PyTuple>,
        context: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<TimerHandle>> {
        schedule::call_at(slf.as_super(), when, callback, Arguments::of(args)?, context)
    }

    /// Calls `callback(*args)` after `delay` seconds. As a guest: from any code on the host thread.
    #[pyo3(signature = (delay, callback, *args, context=None))]
    fn call_later<'py>(
        slf: &Bound<'py, Self>,
        delay: Bound<'py, PyAny>,
        callback: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        schedule::call_later(slf.as_super(), delay, callback, Arguments::of(args)?, context)
    }

    /// asyncio's own clock.
    fn time<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        own_time(slf.as_super())
    }

    // ---- asyncio's own hooks

    /// One iteration, or, the first time in a `run_forever`, all of them until the loop is stopped, or has another
    /// `_run_once`. Between two, signal handlers of Python's run as they would in the loop that calls it.
    fn _run_once(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, core) = (slf.py(), slf.as_super().get());
        let name = intern!(py, "_run_once");
        let own = py.get_type::<LoopCore>().getattr(name)?;
        let goes_on = core.runs_forever.swap(false, Relaxed);
        loop {
            let looked = run_once(slf.as_super())?;
            if !goes_on || core.stopping.load(Relaxed) || (looked && !is_own(slf, name, &own)?) {
                return Ok(());
            }
            py.check_signals()?;
        }
    }

    /// `run_forever` follows, which nobody has replaced.
    fn run_on(slf: &Bound<'_, Self>) {
        slf.as_super().get().runs_forever.store(true, Relaxed);
    }

    /// Any thread, and also late, when the loop is closed.
    fn _write_to_self(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.as_super().get().reactor()?.get().wake(slf.py());
        Ok(())
    }

    /// A timer that asyncio's own class has made.
    fn _timer_handle_cancelled(slf: &Bound<'_, Self>, timer: &Bound<'_, PyAny>) -> PyResult<()> {
        if timer.getattr("_scheduled")?.is_truthy()? {
            slf.as_super().get().timers.count_cancelled();
        }
        Ok(())
    }

    // ---- for the package

    /// The guest has something to do: one wake-up, however much follows before its delivery.
    fn rouse(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.as_super().get().idle.store(false, Relaxed);
        Self::_write_to_self(slf)
    }

    /// One iteration that waits for at most `wait` nanoseconds, if nothing is ready.
    #[pyo3(signature = (wait, until, /))]
    fn iterate(slf: &Bound<'_, Self>, wait: u64, until: f64) -> PyResult<()> {
        let (slf, core) = (slf.as_super(), slf.as_super().get());
        core.idle.store(false, Relaxed);
        core.nested.unpark(slf, core.ready.get())?;
        look(slf, if core.has_ready(slf.py()) { 0 } else { wait })?;
        iterate(slf, until).map(drop)
    }

    /// One delivery. See `turn`.
    #[pyo3(signature = (judge, token, budget, /))]
    fn deliver(
        slf: &Bound<'_, Self>,
        judge: &Bound<'_, PyAny>,
        token: u64,
        budget: f64,
    ) -> PyResult<Option<bool>> {
        turn::deliver(slf.as_super(), judge, token, budget)
    }

    /// The guest's state for a block of the package's own; `judge.left(error)` is told of its end.
    #[pyo3(signature = (judge=None, /))]
    fn inside(slf: &Bound<'_, Self>, judge: Option<Py<PyAny>>) -> Inside {
        Inside::of(slf.as_super().clone().unbind(), judge)
    }

    /// A task that begins at once, in the guest's state. See `first_step`.
    #[pyo3(signature = (judge, coroutine, name=None, context=None, /))]
    fn begin<'py>(
        slf: &Bound<'py, Self>,
        judge: &Bound<'py, PyAny>,
        coroutine: &Bound<'py, PyAny>,
        name: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        begin(slf.as_super(), judge, coroutine, name, context)
    }

    /// Runs the first step of a task that was just made of `coroutine`. See `first_step`.
    #[pyo3(signature = (task, coroutine, /))]
    fn run_first_step(
        slf: &Bound<'_, Self>,
        task: &Bound<'_, PyAny>,
        coroutine: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        run_first_step(slf.as_super(), task, coroutine)
    }

    /// Takes up what is ready, in a delivery, and queues its callbacks.
    fn look(slf: &Bound<'_, Self>) -> PyResult<()> {
        look(slf.as_super(), 0).map(drop)
    }

    fn queue_due_timers(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.as_super().get().timers.prune(slf.py())?;
        queue_due(slf.as_super())
    }

    fn run_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        run_ready(slf.as_super(), f64::INFINITY).map(drop)
    }

    /// What waited for a callback that has returned from its nested host loop is ready again.
    fn unpark(slf: &Bound<'_, Self>) -> PyResult<()> {
        let slf = slf.as_super();
        slf.get().nested.unpark(slf, slf.get().ready.get())
    }

    fn has_ready(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().has_ready(slf.py())
    }

    /// Whether something waits for a callback that stands, or stood, in a nested host loop.
    fn has_parked(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().nested.is_any_parked(slf.py())
    }

    /// Sets the alarm for the earliest timer.
    fn set_alarm(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, slf, core) = (slf.py(), slf.as_super(), slf.as_super().get());
        let at = core.next_deadline(py)?.map(|when| in_monotonic(slf, when)).transpose()?;
        core.reactor()?.get().alarm_to(py, at)
    }

    /// When the earliest timer that was not cancelled is due, in the time of `time()`.
    fn next_deadline(slf: &Bound<'_, Self>) -> PyResult<Option<f64>> {
        slf.as_super().get().next_deadline(slf.py())
    }

    /// `next_deadline` for another thread: it looks and touches nothing, so a timer that was cancelled counts too.
    fn earliest(slf: &Bound<'_, Self>) -> PyResult<Option<f64>> {
        slf.as_super().get().timers.earliest(slf.py())
    }

    /// Lets go of all that is queued, and returns it.
    fn take_queued<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        slf.as_super().get().take_queued(slf.py())
    }
}
