//! Flow control: the protocol is told when more is queued than it asked for, and when that is gone.
//!
//! The arithmetic of the limits is asyncio's own, in Python: `_transport.py`.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::{is_exit, Transport};
use crate::call::{method, method1};

/// Bytes: asyncio's limits, until others are set.
pub const HIGH: usize = 64 * 1024;
pub const LOW: usize = HIGH / 4;

fn is_at_most(py: Python<'_>, size: usize, limit: Option<Py<PyAny>>, otherwise: usize) -> PyResult<bool> {
    match limit {
        None => Ok(size <= otherwise),
        Some(limit) => limit.bind(py).ge(size),
    }
}

/// More is queued than before.
pub fn maybe_pause(transport: &Bound<'_, Transport>) -> PyResult<()> {
    let py = transport.py();
    let (size, high) = {
        let state = transport.get().state();
        (state.queue.len(), state.high_water.as_ref().map(|it| it.clone_ref(py)))
    };
    if is_at_most(py, size, high, HIGH)? || !transport.get().change_paused(true) {
        return Ok(());
    }
    tell(transport, intern!(py, "pause_writing"))
}

/// Less is queued than before.
pub fn maybe_resume(transport: &Bound<'_, Transport>) -> PyResult<()> {
    let py = transport.py();
    let (paused, size, low) = {
        let state = transport.get().state();
        (state.protocol_paused, state.queue.len(), state.low_water.as_ref().map(|it| it.clone_ref(py)))
    };
    if !paused || !is_at_most(py, size, low, LOW)? || !transport.get().change_paused(false) {
        return Ok(());
    }
    tell(transport, intern!(py, "resume_writing"))
}

fn tell(transport: &Bound<'_, Transport>, name: &Bound<'_, PyString>) -> PyResult<()> {
    let (py, this) = (transport.py(), transport.get());
    let Err(error) = method(&this.protocol(py), name) else { return Ok(()) };
    if is_exit(py, &error) {
        return Err(error);
    }
    let context = PyDict::new(py);
    context.set_item("message", format!("protocol.{name}() failed"))?;
    context.set_item("exception", error.into_value(py))?;
    context.set_item("transport", transport)?;
    context.set_item("protocol", this.protocol(py))?;
    method1(&this.event_loop(py), intern!(py, "call_exception_handler"), &context)?;
    Ok(())
}
