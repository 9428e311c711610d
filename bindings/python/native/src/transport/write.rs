//! Writing: what the system takes is sent at once, the rest is queued and sent when the fd is writable again.
//!
//! A bytes object is queued as it is. All else is copied, since its owner may change it after `write` has returned.

use std::io::IoSlice;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};

use super::queue::Chunk;
use super::{end, flow, is_exit, Side, Transport};
use crate::call::{method1, method_with};
use crate::memory::with_bytes;

/// `asyncio.constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES`.
const QUIET_WRITES: u32 = 5;

/// Raises what forbids a call of `name`.
fn check(transport: &Bound<'_, Transport>, name: &str) -> PyResult<()> {
    let state = transport.get().state();
    if state.eof {
        return Err(PyRuntimeError::new_err(format!("Cannot call {name}() after write_eof()")));
    }
    if state.empty_waiter.is_some() {
        return Err(PyRuntimeError::new_err(format!("unable to {name}; sendfile is in progress")));
    }
    Ok(())
}

/// Whether the connection is lost, so that what is written goes nowhere. Says so in the log, from the fifth time on.
pub fn is_lost(transport: &Bound<'_, Transport>) -> PyResult<bool> {
    let this = transport.get();
    let before = this.conn_lost();
    if before == 0 && (this.kind.is_socket || !this.state().closing) {
        return Ok(false);
    }
    this.state().count_lost_write();
    if before >= QUIET_WRITES {
        let (logger, warning) = (super::logger(transport.py())?, intern!(transport.py(), "warning"));
        method_with(logger, warning, (this.kind.lost_write,))?;
    }
    Ok(true)
}

/// The data of a `write`, if it is a bytes object; None: it is something like it.
pub fn bytes_of<'a, 'py>(data: &'a Bound<'py, PyAny>) -> PyResult<Option<&'a Bound<'py, PyBytes>>> {
    let bytes = data.cast::<PyBytes>().ok();
    if bytes.is_none() && !data.is_instance_of::<PyByteArray>() && !data.is_instance_of::<PyMemoryView>() {
        return Err(PyTypeError::new_err(format!(
            "data argument must be a bytes-like object, not '{}'",
            data.get_type().name()?
        )));
    }
    Ok(bytes)
}

/// Whether nothing is to be written.
pub fn is_empty(data: &Bound<'_, PyAny>, bytes: Option<&Bound<'_, PyBytes>>) -> PyResult<bool> {
    match bytes {
        Some(bytes) => Ok(bytes.as_bytes().is_empty()),
        None => Ok(!data.is_truthy()?),
    }
}

/// `transport.write(data)`.
pub fn write(transport: &Bound<'_, Transport>, data: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = transport.py();
    let bytes = bytes_of(data)?;
    check(transport, "write")?;
    if is_empty(data, bytes)? || is_lost(transport)? {
        return Ok(());
    }
    let sent = match bytes {
        Some(bytes) => send_now(transport, bytes.as_bytes()).map(|sent| (sent, None)),
        None => {
            let sent = with_bytes(data, |bytes| {
                let sent = send_now(transport, bytes)?;
                Ok((sent, (sent < bytes.len()).then(|| PyBytes::new(py, &bytes[sent..]))))
            });
            match sent {
                // Its items do not lie side by side: while others' data waits, that is the caller's affair alone.
                Err(error) if !transport.get().state().queue.is_empty() => return Err(error),
                sent => sent.and_then(|sent| sent),
            }
        }
    };
    let chunk = match (sent, bytes) {
        (Err(error), _) if is_exit(py, &error) => return Err(error),
        (Err(error), _) => return fail(transport, error),
        (Ok((sent, _)), Some(bytes)) if sent < bytes.as_bytes().len() => {
            Chunk { start: sent, ..Chunk::of(bytes.clone().unbind()) }
        }
        (Ok((_, Some(rest))), _) => Chunk::of(rest.unbind()),
        _ => return Ok(()),
    };
    if transport.get().state().queue.is_empty() {
        super::watch(transport, Side::Write)?;
    }
    transport.get().state().queue.push(py, chunk);
    flow::maybe_pause(transport)
}

/// How much the system takes now: nothing if something waits already.
fn send_now(transport: &Bound<'_, Transport>, bytes: &[u8]) -> PyResult<usize> {
    let py = transport.py();
    let sock = {
        let state = transport.get().state();
        match &state.sock {
            Some(sock) if state.queue.is_empty() => sock.bind(py).clone(),
            _ => return Ok(0),
        }
    };
    let sent = (transport.get().kind.send)(py, super::fd_of(&sock)?, bytes);
    Ok(sent.map_err(|error| super::os_error(py, &error))?.unwrap_or(0))
}

/// `transport.writelines(list_of_data)`: as few system calls as can be.
pub fn write_lines(transport: &Bound<'_, Transport>, list_of_data: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = transport.py();
    check(transport, "writelines")?;
    if !list_of_data.is_truthy()? {
        return Ok(());
    }
    let mut chunks = Vec::new();
    for data in list_of_data.try_iter()? {
        let data = data?;
        let bytes = match data.cast_into::<PyBytes>() {
            Ok(bytes) => bytes,
            Err(other) => with_bytes(&other.into_inner(), |bytes| PyBytes::new(py, bytes))?,
        };
        if !bytes.as_bytes().is_empty() {
            chunks.push(Chunk::of(bytes.unbind()));
        }
    }
    if chunks.is_empty() || is_lost(transport)? {
        return Ok(());
    }
    let was_empty = {
        let mut state = transport.get().state();
        let was_empty = state.queue.is_empty();
        for chunk in chunks {
            state.queue.push(py, chunk);
        }
        was_empty
    };
    if was_empty {
        match flush(transport) {
            Err(error) if is_exit(py, &error) => return Err(error),
            Err(error) => return drop_queue(transport, error),
            Ok(()) => {}
        }
        if transport.get().state().queue.is_empty() {
            return Ok(());
        }
        super::watch(transport, Side::Write)?;
    }
    flow::maybe_pause(transport)
}

/// The fd is writable.
pub fn ready(transport: &Bound<'_, Transport>) -> PyResult<()> {
    let (py, this) = (transport.py(), transport.get());
    if this.state().lost {
        return Ok(());
    }
    match flush(transport) {
        Err(error) if is_exit(py, &error) => return Err(error),
        Err(error) => {
            this.stop_watching(py, Side::Write)?;
            return drop_queue(transport, error);
        }
        Ok(()) => {}
    }
    went(transport)
}

/// Some of what was queued has gone: the protocol is told, and what was to come after all of it comes.
pub fn went(transport: &Bound<'_, Transport>) -> PyResult<()> {
    let (py, this) = (transport.py(), transport.get());
    if this.kind.is_socket || this.state().queue.is_empty() {
        flow::maybe_resume(transport)?; // it may write. asyncio's pipes tell when all has gone, whatever the limit is
    }
    if !this.state().queue.is_empty() {
        return Ok(());
    }
    this.stop_watching(py, Side::Write)?;
    if let Some(waiter) = this.undone_waiter(py)? {
        method1(&waiter, intern!(py, "set_result"), py.None().bind(py))?;
    }
    let (lost, closing, eof) = {
        let state = this.state();
        (state.lost, state.closing, state.eof)
    };
    if lost {
        Ok(())
    } else if closing {
        if !this.kind.reads {
            this.stop_watching(py, Side::Read)?;
        }
        end::connection_lost(transport, py.None().bind(py))
    } else if eof {
        shut_down(transport)
    } else {
        Ok(())
    }
}

/// It cannot be written any more.
fn fail(transport: &Bound<'_, Transport>, error: PyErr) -> PyResult<()> {
    let this = transport.get();
    if !this.kind.is_socket {
        this.state().count_lost_write();
    }
    end::fatal(transport, error, this.kind.write_error)
}

/// Sends of what is queued what the system takes in one call.
fn flush(transport: &Bound<'_, Transport>) -> PyResult<()> {
    let (py, this) = (transport.py(), transport.get());
    let (head, sock) = {
        let state = this.state();
        (state.queue.head(py), state.sock.as_ref().map(|sock| sock.bind(py).clone()))
    };
    let Some(sock) = sock.filter(|_| !head.is_empty()) else { return Ok(()) };
    let fd = super::fd_of(&sock)?;
    let sent = match &head[..] {
        [only] => (this.kind.send)(py, fd, only.rest(py)),
        many => {
            let pieces: Vec<_> = many.iter().map(|chunk| IoSlice::new(chunk.rest(py))).collect();
            (this.kind.send_pieces)(py, fd, &pieces)
        }
    };
    if let Some(sent) = sent.map_err(|error| super::os_error(py, &error))? {
        let done = this.state().queue.advance(py, sent);
        drop(done); // the lock is not held
    }
    Ok(())
}

/// The fd takes no more for good.
fn drop_queue(transport: &Bound<'_, Transport>, error: PyErr) -> PyResult<()> {
    let (py, this) = (transport.py(), transport.get());
    let queue = this.state().take_queue();
    drop(queue);
    let value = error.value(py).clone();
    fail(transport, error)?;
    if let Some(waiter) = this.undone_waiter(py)? {
        method1(&waiter, intern!(py, "set_exception"), &value)?;
    }
    Ok(())
}

/// `transport.write_eof()`.
pub fn write_eof(transport: &Bound<'_, Transport>) -> PyResult<()> {
    let at_once = {
        let mut state = transport.get().state();
        if state.closing || state.eof {
            return Ok(());
        }
        state.eof = true;
        state.queue.is_empty()
    };
    if at_once {
        shut_down(transport)
    } else {
        Ok(())
    }
}

fn shut_down(transport: &Bound<'_, Transport>) -> PyResult<()> {
    const SHUT_WR: i32 = 1;
    let py = transport.py();
    method_with(&transport.get().sock(py), intern!(py, "shutdown"), (SHUT_WR,)).map(drop)
}
