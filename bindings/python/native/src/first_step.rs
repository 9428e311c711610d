//! A task that begins at once: its first step is taken back out of the queue and run on the spot, inside whatever is being run.

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;

use crate::call::{method, run_in};
use crate::handle::failed;
use crate::loop_state::LoopState;
use crate::ring::Entry;

/// Runs a task that was just made of `coroutine` up to its first suspension. What passes out of that comes out of here.
pub fn run_first_step(
    slf: &Bound<'_, LoopState>,
    task: &Bound<'_, PyAny>,
    coroutine: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let (py, core) = (slf.py(), slf.get());
    let Some(entry) = core.ready.get().last(py) else { return Ok(()) };
    let Some(callback) = entry.callback(py)? else { return Ok(()) };
    let of = callback.getattr_opt(intern!(py, "__self__"))?;
    if !of.is_some_and(|of| of.is(task)) || has_begun(task, coroutine)? {
        return Ok(()); // an eager task factory has run it, and what is queued now is the second one
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
            entry.release(py);
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
