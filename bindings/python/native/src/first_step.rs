//! A task that begins at once: its first step is taken back out of the queue and run on the spot, inside whatever is being run.

use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError, PySystemExit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

use crate::call::{call_with, handling, method, method1, run_in};
use crate::handle::failed;
use crate::loop_state::LoopState;
use crate::outside::Outside;
use crate::ring::Entry;

/// Makes a task of `coroutine`, by `create_task`, and runs its first step, in the guest's state: what it needs for one that
/// host code begins. `judge.interrupted(error)`, `judge.left(error)`: what has come out of that.
pub fn begin<'py>(
    slf: &Bound<'py, LoopState>,
    judge: &Bound<'py, PyAny>,
    coroutine: &Bound<'py, PyAny>,
    name: Option<&Bound<'py, PyAny>>,
    context: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let outside = unless_made(coroutine, Outside::enter(slf))?;
    let made = unless_made(coroutine, make_task(slf, coroutine, name, context));
    let begun = made.and_then(|(task, is_plain)| {
        let is_new = is_plain || !has_begun(&task, coroutine)?;
        match if is_new { first_step(slf, &task) } else { Ok(()) } {
            Err(error) if leaves(py, &error) => {
                method1(judge, intern!(py, "interrupted"), error.value(py))?;
            }
            ended => ended?,
        }
        Ok(task)
    });
    match begun {
        Ok(task) => outside.leave_for(slf, judge, &py.None().into_bound(py)).map(|()| task),
        Err(error) => {
            let value = error.value(py).clone().into_any();
            handling(py, &value, || outside.leave_for(slf, judge, &value))?;
            Err(error)
        }
    }
}

/// What has failed before there was a task closes the coroutine, which nobody awaits then.
fn unless_made<T>(coroutine: &Bound<'_, PyAny>, made: PyResult<T>) -> PyResult<T> {
    if made.is_err() {
        method(coroutine, intern!(coroutine.py(), "close"))?;
    }
    made
}

fn leaves(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PySystemExit>(py) || error.is_instance_of::<PyKeyboardInterrupt>(py)
}

/// By `create_task`, or as that would make it, which is told.
fn make_task<'py>(
    slf: &Bound<'py, LoopState>,
    coroutine: &Bound<'py, PyAny>,
    name: Option<&Bound<'py, PyAny>>,
    context: Option<&Bound<'py, PyAny>>,
) -> PyResult<(Bound<'py, PyAny>, bool)> {
    let py = slf.py();
    let options = PyDict::new(py);
    for (key, value) in [(intern!(py, "name"), name), (intern!(py, "context"), context)] {
        if let Some(value) = value {
            options.set_item(key, value)?; // a factory or an override may know of no context
        }
    }
    let is_plain = is_plain(slf)?;
    let make = if is_plain {
        options.set_item(intern!(py, "loop"), slf)?;
        tasks(py)?.getattr(intern!(py, "Task"))?
    } else {
        slf.getattr(intern!(py, "create_task"))?
    };
    Ok((call_with(&make, &PyTuple::new(py, [coroutine])?, Some(&options))?, is_plain))
}

fn tasks(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static TASKS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    TASKS.import(py, "asyncio", "tasks")
}

/// Whether `create_task` makes an `asyncio.Task` and does nothing else that matters here: it is asyncio's own, below the
/// package's, which keeps tasks, and has no factory. A subclass may override it, and tools patch either.
fn is_plain(slf: &Bound<'_, LoopState>) -> PyResult<bool> {
    static OWN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static ASYNCIOS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static BASE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = slf.py();
    if slf.get().is_debug() {
        return Ok(false); // in which a task remembers where it was made
    }
    let name = intern!(py, "create_task");
    let own = OWN.import(py, "asyncguest._loop", "own_create_task")?;
    let asyncios = ASYNCIOS.import(py, "asyncguest._compat", "create_task")?;
    let base = BASE.import(py, "asyncio", "BaseEventLoop")?;
    let used = slf.getattr(name)?.getattr_opt(intern!(py, "__func__"))?;
    Ok(used.is_some_and(|function| function.is(own))
        && base.getattr(name)?.is(asyncios)
        && slf.getattr(intern!(py, "_task_factory"))?.is_none())
}

/// Runs a task that was just made of `coroutine` up to its first suspension. What passes out of that comes out of here.
pub fn run_first_step(
    slf: &Bound<'_, LoopState>,
    task: &Bound<'_, PyAny>,
    coroutine: &Bound<'_, PyAny>,
) -> PyResult<()> {
    match has_begun(task, coroutine)? {
        true => Ok(()), // an eager task factory has run it, and what is queued now is the second one
        false => first_step(slf, task),
    }
}

fn first_step(slf: &Bound<'_, LoopState>, task: &Bound<'_, PyAny>) -> PyResult<()> {
    let (py, core) = (slf.py(), slf.get());
    let Some(entry) = core.ready.get().last(py) else { return Ok(()) };
    let Some(callback) = entry.callback(py)? else { return Ok(()) };
    let of = callback.getattr_opt(intern!(py, "__self__"))?;
    if !of.is_some_and(|of| of.is(task)) {
        return Ok(()); // a loop of the user's has queued it elsewhere
    }
    let (context, args) = (entry.context(py)?, entry.args(py)?);
    drop(core.ready.get().take_last(py));
    let outer = core.running.replace(py, Some(entry.clone_ref(py)));
    let outcome = run_in(&context, &callback, &args);
    drop(core.running.replace(py, outer));
    match outcome {
        // Its context is entered already by the code that called us, and cannot be twice. (A task's step raises nothing
        // else of the kind.) So it waits its turn.
        Err(error) if error.is_instance_of::<PyRuntimeError>(py) => match &entry {
            Entry::Own(handle) if method(task, intern!(py, "done"))?.is_truthy()? => {
                failed(handle.bind(py), error)?; // it has run, and could not be left
            }
            _ => core.ready.get().push(py, entry),
        },
        ended => {
            core.let_go(py, entry);
            ended?;
        }
    }
    Ok(())
}

/// Of a coroutine in another language than Python it is not known.
fn has_begun(task: &Bound<'_, PyAny>, coroutine: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = task.py();
    let suspended = coroutine.getattr_opt(intern!(py, "cr_suspended"))?;
    Ok(suspended.is_some_and(|it| it.is_truthy().unwrap_or(false))
        || method(task, intern!(py, "done"))?.is_truthy()?)
}
