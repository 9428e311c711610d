//! The end: close, abort, what is fatal, and `connection_lost`, which comes once.

use pyo3::exceptions::{PyConnectionError, PyOSError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{in_debug, logger, Side, Transport};
use crate::call::{call_with, method, method1};

/// `transport.close()`: what is queued is sent first.
pub fn close(transport: &Bound<'_, Transport>) -> PyResult<()> {
    let (py, this) = (transport.py(), transport.get());
    if std::mem::replace(&mut this.state().closing, true) {
        return Ok(());
    }
    let at_once = {
        let mut state = this.state();
        state.lost |= state.queue.is_empty();
        state.lost
    };
    if at_once || this.kind.reads {
        this.stop_watching(py, Side::Read)?;
    }
    if at_once {
        this.stop_watching(py, Side::Write)?;
        lose_soon(transport, py.None().bind(py))?;
    }
    Ok(())
}

/// What is queued is given up.
pub fn force_close(transport: &Bound<'_, Transport>, error: &Bound<'_, PyAny>) -> PyResult<()> {
    let (py, this) = (transport.py(), transport.get());
    let (queue, was_closing) = {
        let mut state = this.state();
        if std::mem::replace(&mut state.lost, true) {
            return Ok(());
        }
        (state.take_queue(), std::mem::replace(&mut state.closing, true))
    };
    if !queue.is_empty() {
        this.stop_watching(py, Side::Write)?;
    }
    if !was_closing || !this.kind.reads {
        this.stop_watching(py, Side::Read)?;
    }
    lose_soon(transport, error)
}

/// Reports what is no ordinary end, and gives the connection up.
pub fn fatal(transport: &Bound<'_, Transport>, error: PyErr, message: &str) -> PyResult<()> {
    let (py, this) = (transport.py(), transport.get());
    let event_loop = this.event_loop(py);
    let value = error.into_value(py).into_bound(py).into_any();
    if is_harmless(this, &value)? {
        if in_debug(&event_loop)? {
            let options = PyDict::new(py);
            options.set_item("exc_info", &value)?;
            let told = ("%r: %s", transport, message).into_pyobject(py)?;
            call_with(&logger(py)?.getattr(intern!(py, "debug"))?, &told, Some(&options))?;
        }
    } else if !event_loop.is_none() {
        let context = PyDict::new(py);
        context.set_item("message", message)?;
        context.set_item("exception", &value)?;
        context.set_item("transport", transport)?;
        context.set_item("protocol", this.protocol(py))?;
        method1(&event_loop, intern!(py, "call_exception_handler"), &context)?;
    }
    force_close(transport, &value)
}

fn is_harmless(this: &Transport, error: &Bound<'_, PyAny>) -> PyResult<bool> {
    match this.kind.harmless {
        _ if !error.is_instance_of::<PyOSError>() => Ok(false),
        Some(number) => error.getattr(intern!(error.py(), "errno"))?.eq(number),
        None => Ok(true),
    }
}

fn lose_soon(transport: &Bound<'_, Transport>, error: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = transport.py();
    let lost = transport.getattr(intern!(py, "_call_connection_lost"))?;
    let call_soon = transport.get().event_loop(py).getattr(intern!(py, "call_soon"))?;
    let options = match transport.get().context(py) {
        Some(context) => {
            let options = PyDict::new(py);
            options.set_item(intern!(py, "context"), context)?;
            Some(options)
        }
        None => None,
    };
    call_with(&call_soon, &(lost, error).into_pyobject(py)?, options.as_ref()).map(drop)
}

/// Tells the protocol, and lets go of everything.
pub fn connection_lost(transport: &Bound<'_, Transport>, error: &Bound<'_, PyAny>) -> PyResult<()> {
    let (py, this) = (transport.py(), transport.get());
    let protocol = {
        let mut state = this.state();
        state.lost = true;
        state.protocol.as_ref().map(|protocol| protocol.bind(py).clone())
    };
    let Some(protocol) = protocol else { return Ok(()) };
    let told = method1(&protocol, intern!(py, "connection_lost"), error);
    let (sock, server, _loop, _protocol) = {
        let mut state = this.state();
        (state.sock.take(), state.server.take(), state.event_loop.take(), state.protocol.take())
    };
    if let Some(sock) = sock {
        method(sock.bind(py), intern!(py, "close"))?;
    }
    if let Some(server) = server {
        method1(transport, intern!(py, "_leave"), server.bind(py))?;
    }
    told?;
    if let Some(waiter) = this.undone_waiter(py)? {
        let error = PyConnectionError::new_err("Connection is closed by peer").into_value(py);
        method1(&waiter, intern!(py, "set_exception"), error.bind(py).as_any())?;
    }
    Ok(())
}
