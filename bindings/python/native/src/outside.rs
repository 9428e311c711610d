//! What the thread's asyncio state is outside of the guest's code: the host's, which is put back.
//!
//! Owns: that state, between `enter` and `leave`. Each of the steps is taken, also if one before it fails.

use std::sync::atomic::Ordering::Relaxed;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyTuple};

use crate::call::{call, call0, call2, call_with, method, method1};
use crate::guarded::Guarded;
use crate::loop_state::LoopState;
use crate::ring::Entry;

/// The host's state.
pub struct Outside {
    /// The running loop; None if that is the guest's own.
    running: Option<Py<PyAny>>,
    /// The current task: of the code that stands in a nested host loop, or of host code that has begun one itself.
    task: Option<Py<PyAny>>,
    /// None if they are the guest's own: code of the guest stands further out.
    asyncgen_hooks: Option<Py<PyTuple>>,
    /// None if debug mode was off, and what has turned it on keeps it; or if code of the guest stands further out.
    origin_depth: Option<Py<PyAny>>,
    /// sniffio's thread-local, and the library that it names.
    sniffio: Option<(Py<PyAny>, Py<PyAny>)>,
    /// The callback that stands in a nested host loop.
    callback: Option<Entry>,
}

/// The functions that the state is changed by.
struct Functions {
    running_loop: Py<PyAny>,
    set_running_loop: Py<PyAny>,
    swap_current_task: Py<PyAny>,
    get_asyncgen_hooks: Py<PyAny>,
    set_asyncgen_hooks: Py<PyAny>,
    get_origin_depth: Py<PyAny>,
    set_origin_depth: Py<PyAny>,
    modules: Py<PyDict>,
    /// How many frames of a coroutine's origin debug mode keeps.
    debug_depth: Py<PyAny>,
}

impl Functions {
    fn here(py: Python<'_>) -> PyResult<&Functions> {
        static FUNCTIONS: PyOnceLock<Functions> = PyOnceLock::new();
        FUNCTIONS.get_or_try_init(py, || {
            let (compat, sys) = (py.import("asyncguest._compat")?, py.import("sys")?);
            let of = |module: &Bound<'_, PyModule>, name: &str| module.getattr(name).map(Bound::unbind);
            Ok(Functions {
                running_loop: of(&compat, "running_loop")?,
                set_running_loop: of(&compat, "set_running_loop")?,
                swap_current_task: of(&compat, "swap_current_task")?,
                get_asyncgen_hooks: of(&sys, "get_asyncgen_hooks")?,
                set_asyncgen_hooks: of(&sys, "set_asyncgen_hooks")?,
                get_origin_depth: of(&sys, "get_coroutine_origin_tracking_depth")?,
                set_origin_depth: of(&sys, "set_coroutine_origin_tracking_depth")?,
                modules: sys.getattr("modules")?.cast_into::<PyDict>()?.unbind(),
                debug_depth: of(&compat, "ORIGIN_DEPTH")?,
            })
        })
    }
}

impl Outside {
    /// Puts the guest's state in place.
    pub fn enter(slf: &Bound<'_, LoopState>) -> PyResult<Outside> {
        let (py, core) = (slf.py(), slf.get());
        let is = Functions::here(py)?;
        let before = call0(is.running_loop.bind(py))?;
        let running = (!before.is(slf)).then(|| before.unbind());
        let origin_depth = match core.changes_origins() && core.depth.load(Relaxed) == 0 {
            true => Some(call0(is.get_origin_depth.bind(py))?.unbind()),
            false => None,
        };
        let callback = core.nested.enter(core.running.replace(py, None), py);
        core.depth.fetch_add(1, Relaxed);
        let (task, asyncgen_hooks, sniffio) = (None, None, None);
        let mut outside = Outside { running, task, asyncgen_hooks, origin_depth, sniffio, callback };
        match outside.put_in_place(slf, is) {
            Ok(()) => Ok(outside),
            Err(error) => {
                let _ = outside.leave(slf); // what went wrong first is told
                Err(error)
            }
        }
    }

    fn put_in_place(&mut self, slf: &Bound<'_, LoopState>, is: &Functions) -> PyResult<()> {
        let py = slf.py();
        if self.running.is_some() {
            call(is.set_running_loop.bind(py), (slf,))?;
        }
        let task = swap_task(slf, is, &py.None().into_bound(py))?;
        self.task = (!task.is_none()).then(|| task.unbind());
        let hooks = call0(is.get_asyncgen_hooks.bind(py))?.cast_into::<PyTuple>()?;
        let ours = asyncgen_hooks(slf)?;
        if !hooks.iter_borrowed().zip(ours.iter_borrowed()).all(|(hook, own)| hook.is(own)) {
            self.asyncgen_hooks = Some(hooks.unbind());
            call_with(is.set_asyncgen_hooks.bind(py), &ours, None)?;
        }
        if slf.get().is_debug() {
            if !slf.get().tracks_origins() {
                // asyncio notes the host's depth here: later it would find the guest's.
                let on = PyBool::new(py, true).to_owned();
                method1(slf, intern!(py, "_set_coroutine_origin_tracking"), &on)?;
            }
            call(is.set_origin_depth.bind(py), (&is.debug_depth,))?;
        }
        let Some(module) = is.modules.bind(py).get_item(intern!(py, "sniffio"))? else { return Ok(()) };
        // Another thread may be in the middle of importing it.
        let Some(local) = module.getattr_opt(intern!(py, "thread_local"))? else { return Ok(()) };
        let name = intern!(py, "name");
        self.sniffio = Some((local.clone().unbind(), local.getattr(name)?.unbind()));
        local.setattr(name, intern!(py, "asyncio"))
    }

    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.running)?;
        visit.call(&self.task)?;
        visit.call(&self.asyncgen_hooks)?;
        if let Some((local, library)) = &self.sniffio {
            visit.call(local)?;
            visit.call(library)?;
        }
        self.callback.as_ref().map_or(Ok(()), |entry| visit.call(entry.object()))
    }

    /// Puts the host's state back.
    pub fn leave(self, slf: &Bound<'_, LoopState>) -> PyResult<()> {
        let (py, core) = (slf.py(), slf.get());
        let is = Functions::here(py)?;
        let is_outermost = core.depth.fetch_sub(1, Relaxed) == 1;
        core.nested.leave(&self.callback, py);
        let ran = core.running.replace(py, self.callback);
        drop(ran);
        let task = match self.task {
            Some(task) => swap_task(slf, is, task.bind(py)).map(drop),
            None => Ok(()),
        };
        let sniffio = match self.sniffio {
            Some((local, library)) => local.bind(py).setattr(intern!(py, "name"), library),
            None => Ok(()),
        };
        let origin_depth = match self.origin_depth {
            Some(depth) => Some(Ok(depth.into_bound(py))),
            None => (is_outermost && core.tracks_origins())
                .then(|| slf.getattr(intern!(py, "_coroutine_origin_tracking_saved_depth"))),
        };
        let set_origins = |depth: PyResult<_>| call(is.set_origin_depth.bind(py), (depth?,)).map(drop);
        let origins = origin_depth.map_or(Ok(()), set_origins);
        let hooks = match self.asyncgen_hooks {
            Some(hooks) => call_with(is.set_asyncgen_hooks.bind(py), hooks.bind(py), None).map(drop),
            None => Ok(()),
        };
        let running = match self.running {
            Some(before) => put_back(before.into_bound(py), is),
            None => Ok(()),
        };
        task.and(sniffio).and(origins).and(hooks).and(running)
    }

    /// The same at the end of a block of a guest's, which `error` has left, if not None: `judge.left(error)` is told.
    pub fn leave_for(
        self,
        slf: &Bound<'_, LoopState>,
        judge: &Bound<'_, PyAny>,
        error: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let left = self.leave(slf);
        let told = method1(judge, intern!(slf.py(), "left"), error).map(drop);
        left.and(told)
    }
}

/// Those of this loop: the same until it is closed, so that they are known again.
fn asyncgen_hooks<'py>(slf: &Bound<'py, LoopState>) -> PyResult<Bound<'py, PyTuple>> {
    let py = slf.py();
    let kept = &slf.get().asyncgen_hooks;
    if let Some(hooks) = kept.with(py, |hooks| hooks.as_ref().map(|it| it.clone_ref(py))) {
        return Ok(hooks.into_bound(py));
    }
    let first = slf.getattr(intern!(py, "_asyncgen_firstiter_hook"))?;
    let hooks = PyTuple::new(py, [first, slf.getattr(intern!(py, "_asyncgen_finalizer_hook"))?])?;
    drop(kept.replace(py, Some(hooks.clone().unbind())));
    Ok(hooks)
}

/// Makes `task` the current one of this loop, which is the running one; returns the one before.
///
/// The prototype of parking a task so is from the asyncio tests of eager tasks.
fn swap_task<'py>(
    slf: &Bound<'py, LoopState>,
    is: &Functions,
    task: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    call2(is.swap_current_task.bind(slf.py()), slf, task)
}

/// The loop that ran before is the running one again.
fn put_back(mut before: Bound<'_, PyAny>, is: &Functions) -> PyResult<()> {
    static FIRST: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = before.py();
    let closed = !before.is_none()
        && method(&before, intern!(py, "is_closed")).and_then(|it| it.is_truthy()).unwrap_or(false);
    if closed {
        // That one has ended meanwhile.
        before = call0(FIRST.import(py, "asyncguest._running_loop", "first")?)?;
    }
    call(is.set_running_loop.bind(py), (before,)).map(drop)
}

/// `with loop.inside():`, the guest's state for a block of the package's own, outside of any delivery.
///
/// A `with` statement and not a pair of calls: between `__enter__` and the block no signal handler can raise.
/// `with loop.inside(judge):` tells `judge.left(error)` when it has ended, of a guest's.
#[pyclass(frozen, module = "asyncguest._native")]
pub struct Inside {
    owner: Py<LoopState>,
    judge: Option<Py<PyAny>>,
    outside: Guarded<Option<Outside>>,
}

impl Inside {
    pub fn of(owner: Py<LoopState>, judge: Option<Py<PyAny>>) -> Inside {
        Inside { owner, judge, outside: Guarded::new(None) }
    }
}

#[pymethods]
impl Inside {
    fn __enter__(&self, py: Python<'_>) -> PyResult<()> {
        let outside = Outside::enter(self.owner.bind(py))?;
        drop(self.outside.replace(py, Some(outside)));
        Ok(())
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: &Bound<'_, PyAny>,
        error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let Some(outside) = self.outside.replace(py, None) else { return Ok(()) };
        match &self.judge {
            Some(judge) => outside.leave_for(self.owner.bind(py), judge.bind(py), error),
            None => outside.leave(self.owner.bind(py)),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.owner)?;
        visit.call(&self.judge)?;
        let outside =
            self.outside.visited(|outside| outside.as_ref().map_or(Ok(()), |it| it.traverse(&visit)));
        outside.unwrap_or(Ok(()))
    }
}
