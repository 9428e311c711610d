//! The state of an event loop that its iterations need. asyncio's code sets and reads some of it by its own names, which are
//! properties here.
//!
//! The loop's own thread; what another one may do says so in `loop_core`.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::OnceLock;

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::clock::{in_monotonic, monotonic};
use crate::guarded::Guarded;
use crate::nested::Nested;
use crate::reactor::Reactor;
use crate::ring::{Entry, Ready};
use crate::share::Share;
use crate::spare::Spare;
use crate::timer::TimerHandle;
use crate::timers::Timers;

/// What of a loop's state an iteration needs.
#[pyclass(frozen, subclass, module = "asyncguest._native")]
pub struct LoopState {
    pub ready: Py<Ready>,
    pub timers: Timers,
    pub spare: Spare,
    pub nested: Nested,
    reactor: OnceLock<Py<Reactor>>,
    /// fd to `SelectorKey`: the selector's own map.
    keys: Guarded<Py<PyDict>>,
    pub closed: AtomicBool,
    debug: AtomicBool,
    tracks_origins: AtomicBool,
    pub stopping: AtomicBool,
    /// `run_forever` of the package is about to call `_run_once` for the first time.
    pub runs_forever: AtomicBool,
    /// The host's loop is in charge and will not look here by itself: what becomes due has to wake it.
    pub idle: AtomicBool,
    /// 0: the loop does not run.
    thread: AtomicU64,
    /// Seconds as bits: what counts as the same moment, and when an iteration that is not guest's looks again.
    resolution: AtomicU64,
    look_at: AtomicU64,
    /// How many entries of an iteration are left.
    pub left: AtomicUsize,
    /// What is being run: its context is entered, and so is its task.
    pub running: Guarded<Option<Entry>>,
    /// What `outside` sets, from the first time on until the loop is closed.
    pub asyncgen_hooks: Guarded<Option<Py<PyTuple>>>,
    pub after_iteration: Guarded<Option<Py<PyAny>>>,
    hosted_run: Guarded<Option<Py<PyAny>>>,
    /// Deliveries on the stack: more than one while callbacks stand in nested host loops.
    pub depth: AtomicUsize,
    pub share: Share,
    /// Deliveries whose time was over before their work.
    pub budget_spent: AtomicU64,
    /// Deliveries since one whose last look has found something.
    pub in_vain: AtomicUsize,
}

impl LoopState {
    pub fn new(py: Python<'_>) -> PyResult<LoopState> {
        Ok(LoopState {
            ready: Py::new(py, Ready::default())?,
            timers: Timers::new(py),
            spare: Spare::default(),
            nested: Nested::default(),
            reactor: OnceLock::new(),
            keys: Guarded::new(PyDict::new(py).unbind()),
            closed: AtomicBool::new(true), // until it is set up
            debug: AtomicBool::new(false),
            tracks_origins: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            runs_forever: AtomicBool::new(false),
            idle: AtomicBool::new(false),
            thread: AtomicU64::new(0),
            resolution: AtomicU64::new(0),
            look_at: AtomicU64::new(0),
            left: AtomicUsize::new(0),
            running: Guarded::default(),
            asyncgen_hooks: Guarded::default(),
            after_iteration: Guarded::default(),
            hosted_run: Guarded::default(),
            depth: AtomicUsize::new(0),
            share: Share::default(),
            budget_spent: AtomicU64::new(0),
            in_vain: AtomicUsize::new(0),
        })
    }

    /// See `LoopCore`.
    pub fn wait_in(&self, py: Python<'_>, reactor: Py<Reactor>, keys: Py<PyDict>) {
        drop(self.keys.replace(py, keys));
        let _ = self.reactor.set(reactor); // a second one is that of a second __init__, and is closed by its maker
    }

    #[inline]
    pub fn is_debug(&self) -> bool {
        self.debug.load(Relaxed)
    }

    /// Debug mode has changed how much of coroutines' origins is kept, or asyncio has on its behalf and is to undo it.
    pub fn changes_origins(&self) -> bool {
        self.is_debug() || self.tracks_origins()
    }

    pub fn tracks_origins(&self) -> bool {
        self.tracks_origins.load(Relaxed)
    }

    pub fn resolution(&self) -> f64 {
        f64::from_bits(self.resolution.load(Relaxed))
    }

    pub fn reactor(&self) -> PyResult<&Py<Reactor>> {
        self.reactor.get().ok_or_else(|| {
            PyRuntimeError::new_err(
                "this loop was not set up: call super().__init__() first of all in __init__",
            )
        })
    }

    pub fn keys<'py>(&self, py: Python<'py>) -> Bound<'py, PyDict> {
        self.keys.with(py, |keys| keys.clone_ref(py)).into_bound(py)
    }

    /// Whether a callback could run at once.
    pub fn has_ready(&self, py: Python<'_>) -> bool {
        self.ready.get().count(py) != 0 || self.after_iteration.with(py, |callback| callback.is_some())
    }

    /// Whether part of an iteration is left, by its budget or since a callback of it stands in a nested host loop.
    pub fn is_cut(&self) -> bool {
        self.left.load(Relaxed) != 0
    }

    /// When the earliest timer that was not cancelled is due, in the time of `time()`.
    pub fn next_deadline(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.timers.prune(py)?;
        self.timers.earliest(py)
    }

    pub fn is_hosted(&self, py: Python<'_>) -> bool {
        self.hosted_run.with(py, |run| run.is_some())
    }

    /// Whether the loop runs, also as a guest.
    pub fn is_claimed(&self) -> bool {
        self.thread.load(Relaxed) != 0
    }

    /// Whether it is time to look at the reactor, though something is ready.
    pub fn is_to_look(&self) -> bool {
        monotonic() >= f64::from_bits(self.look_at.load(Relaxed))
    }

    pub fn look_again_in(&self, seconds: f64) {
        self.look_at.store((monotonic() + seconds).to_bits(), Relaxed);
    }

    /// An entry has run, and is not the running one any more.
    #[inline]
    pub fn let_go(&self, py: Python<'_>, entry: Entry) {
        match entry {
            Entry::Own(handle) => self.spare.keep(py, handle),
            other => other.release(py),
        }
    }

    /// The guest has something to do: one wake-up, however much follows before its delivery.
    pub fn rouse_if_idle(&self, py: Python<'_>) -> PyResult<()> {
        if self.idle.swap(false, Relaxed) {
            self.reactor()?.get().wake(py);
        }
        Ok(())
    }

    /// Lets go of all that is queued, and returns it. The iteration that goes on, if any, has nothing left.
    pub fn take_queued<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let all = PyList::empty(py);
        for entry in self.ready.get().take_all(py).into_iter().chain(self.nested.take_parked(py)) {
            all.append(entry.object())?;
        }
        all.append(self.timers.heap(py))?;
        self.timers.become_list(PyList::empty(py));
        self.left.store(0, Relaxed);
        Ok(all)
    }

    /// A timer was cancelled. A guest must not be woken for one that is not there any more.
    pub fn timer_stopped(&self, slf: &Bound<'_, LoopState>, timer: &Bound<'_, TimerHandle>) -> PyResult<()> {
        let py = slf.py();
        if !timer.get().is_scheduled() {
            return Ok(());
        }
        if !self.idle.load(Relaxed) {
            return self.timers.note_cancelled(timer);
        }
        let before = self.timers.earliest(py)?;
        self.timers.note_cancelled(timer)?;
        let when = self.next_deadline(py)?;
        if when == before {
            return Ok(());
        }
        let at = when.map(|when| in_monotonic(slf, when)).transpose()?;
        self.reactor()?.get().alarm_to(py, at)
    }
}

#[pymethods]
impl LoopState {
    // ---- state

    #[getter]
    fn get_idle(&self) -> bool {
        self.idle.load(Relaxed)
    }

    #[setter]
    fn set_idle(&self, idle: bool) {
        self.idle.store(idle, Relaxed);
    }

    #[getter]
    fn get_depth(&self) -> usize {
        self.depth.load(Relaxed)
    }

    #[getter]
    fn get_budget_spent(&self) -> u64 {
        self.budget_spent.load(Relaxed)
    }

    #[getter]
    fn get_reactor(&self, py: Python<'_>) -> PyResult<Py<Reactor>> {
        self.reactor().map(|reactor| reactor.clone_ref(py))
    }

    /// The handle that is being run.
    #[getter]
    fn get_running_handle(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.running.with(py, |running| running.as_ref().map(|entry| entry.object().clone_ref(py)))
    }

    /// Called once, when what was ready at the beginning of this iteration has run, and before anything else does.
    #[getter]
    fn get_after_iteration(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.after_iteration.with(py, |callback| callback.as_ref().map(|it| it.clone_ref(py)))
    }

    #[setter]
    fn set_after_iteration(&self, py: Python<'_>, callback: Option<Py<PyAny>>) {
        drop(self.after_iteration.replace(py, callback));
    }

    /// The run that this loop belongs to, or None.
    #[getter]
    fn get_hosted_run(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.hosted_run.with(py, |run| run.as_ref().map(|it| it.clone_ref(py)))
    }

    #[setter]
    fn set_hosted_run(&self, py: Python<'_>, run: Option<Py<PyAny>>) {
        drop(self.hosted_run.replace(py, run));
    }

    // ---- the state of BaseEventLoop, by its names there

    #[getter]
    fn _ready(&self, py: Python<'_>) -> Py<Ready> {
        self.ready.clone_ref(py)
    }

    #[setter(_ready)]
    fn set_ready(&self, handles: &Bound<'_, PyAny>) -> PyResult<()> {
        let before = self.ready.get().take_all(handles.py());
        drop(before);
        self.ready.get().take_in(handles)
    }

    #[getter]
    fn _scheduled<'py>(&self, py: Python<'py>) -> Bound<'py, PyList> {
        self.timers.heap(py)
    }

    #[setter(_scheduled)]
    fn set_scheduled(&self, timers: Bound<'_, PyList>) {
        self.timers.become_list(timers);
    }

    #[getter]
    fn _timer_cancelled_count(&self) -> usize {
        self.timers.cancelled()
    }

    #[setter(_timer_cancelled_count)]
    fn set_timer_cancelled_count(&self, count: isize) {
        self.timers.set_cancelled(usize::try_from(count).unwrap_or(0)); // asyncio's own iteration counts down
    }

    #[getter]
    fn _debug(&self) -> bool {
        self.is_debug()
    }

    #[setter(_debug)]
    fn set_debug(&self, debug: &Bound<'_, PyAny>) -> PyResult<()> {
        self.debug.store(debug.is_truthy()?, Relaxed);
        Ok(())
    }

    #[getter]
    fn _coroutine_origin_tracking_enabled(&self) -> bool {
        self.tracks_origins()
    }

    #[setter(_coroutine_origin_tracking_enabled)]
    fn set_coroutine_origin_tracking_enabled(&self, enabled: &Bound<'_, PyAny>) -> PyResult<()> {
        self.tracks_origins.store(enabled.is_truthy()?, Relaxed);
        Ok(())
    }

    #[getter]
    fn _closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    #[setter(_closed)]
    fn set_closed(&self, py: Python<'_>, closed: bool) {
        self.closed.store(closed, Relaxed);
        drop(self.asyncgen_hooks.replace(py, None));
    }

    #[getter]
    fn _stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    #[setter(_stopping)]
    fn set_stopping(&self, stopping: bool) {
        self.stopping.store(stopping, Relaxed);
    }

    #[getter]
    fn _thread_id(&self) -> Option<u64> {
        Some(self.thread.load(Relaxed)).filter(|thread| *thread != 0)
    }

    #[setter(_thread_id)]
    fn set_thread_id(&self, thread: Option<u64>) {
        self.thread.store(thread.unwrap_or(0), Relaxed);
        self.runs_forever.store(thread.is_some() && self.runs_forever.load(Relaxed), Relaxed);
    }

    #[getter]
    fn _clock_resolution(&self) -> f64 {
        self.resolution()
    }

    #[setter(_clock_resolution)]
    fn set_clock_resolution(&self, seconds: f64) {
        self.resolution.store(seconds.to_bits(), Relaxed);
    }

    // ---- for the garbage collector

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.ready)?;
        self.timers.traverse(&visit)?;
        self.nested.traverse(&visit)?;
        if let Some(reactor) = self.reactor.get() {
            visit.call(reactor)?;
        }
        self.keys.visited(|keys| visit.call(keys)).unwrap_or(Ok(()))?;
        let running =
            self.running.visited(|running| running.as_ref().map_or(Ok(()), |it| visit.call(it.object())));
        running.unwrap_or(Ok(()))?;
        self.asyncgen_hooks.visited(|hooks| visit.call(hooks)).unwrap_or(Ok(()))?;
        for kept in [&self.after_iteration, &self.hosted_run] {
            kept.visited(|object| visit.call(object)).unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.running.replace(py, None));
        drop(self.asyncgen_hooks.replace(py, None));
        drop(self.after_iteration.replace(py, None));
        drop(self.hosted_run.replace(py, None));
        drop(self.nested.take_parked(py));
    }
}
