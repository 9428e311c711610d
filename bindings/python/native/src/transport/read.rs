//! Reading: one look at the socket when it is ready, and what came of it goes to the protocol at once. Nothing is read ahead,
//! so that `pause_reading`, `set_protocol` and `close` hold from the moment in which they are called.

use std::sync::atomic::Ordering::Relaxed;

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::end;
use super::{in_debug, is_exit, log_debug, Transport};
use crate::call::{method, method1};
use crate::memory::{new_bytes, with_memory};
use crate::socket;

const GET_BUFFER: &str = "Fatal error: protocol.get_buffer() call failed.";
const BUFFER_UPDATED: &str = "Fatal error: protocol.buffer_updated() call failed.";
const DATA_RECEIVED: &str = "Fatal error: protocol.data_received() call failed.";
const EOF_RECEIVED: &str = "Fatal error: protocol.eof_received() call failed.";

/// Bytes that are received into their own object, if there is at least half of it and was the last time: asking costs less
/// than copying. A larger object the allocator would give back to the system each time.
const MUCH: usize = 64 * 1024;

/// What a transport needs to read.
pub struct Reading<'py> {
    pub sock: Bound<'py, PyAny>,
    pub protocol: Bound<'py, PyAny>,
    buffered: bool,
    pub max_size: usize,
}

/// None: the connection is lost.
pub fn begin<'py>(transport: &Bound<'py, Transport>) -> Option<Reading<'py>> {
    let py = transport.py();
    let state = transport.get().state();
    if state.lost {
        return None;
    }
    Some(Reading {
        sock: state.sock.as_ref()?.bind(py).clone(),
        protocol: state.protocol.as_ref()?.bind(py).clone(),
        buffered: state.buffered,
        max_size: state.max_size,
    })
}

/// The socket is readable. In the context that the protocol is called in: nothing is received where that cannot be entered.
pub fn ready(transport: &Bound<'_, Transport>) -> PyResult<()> {
    let py = transport.py();
    let Some(reading) = begin(transport) else { return Ok(()) };
    if reading.buffered {
        return ready_buffered(transport, &reading);
    }
    match receive(transport, &reading) {
        Ok(Some(data)) if !data.is_empty()? => {
            match method1(&reading.protocol, intern!(py, "data_received"), &data) {
                Ok(_) => Ok(()),
                Err(error) => fatal_unless_exit(transport, error, DATA_RECEIVED),
            }
        }
        Ok(Some(_)) => eof(transport),
        Ok(None) => Ok(()),
        Err(error) => fatal_unless_exit(transport, error, transport.get().kind.read_error),
    }
}

fn ready_buffered(transport: &Bound<'_, Transport>, reading: &Reading<'_>) -> PyResult<()> {
    let py = transport.py();
    let protocol = &reading.protocol;
    let buffer = method1(protocol, intern!(py, "get_buffer"), super::minus_one(py)).and_then(|buffer| {
        match buffer.len()? {
            0 => Err(PyRuntimeError::new_err("get_buffer() returned an empty buffer")),
            _ => Ok(buffer),
        }
    });
    let buffer = match buffer {
        Ok(buffer) => buffer,
        Err(error) => return fatal_unless_exit(transport, error, GET_BUFFER),
    };
    let received = super::fd_of(&reading.sock).and_then(|fd| {
        let received = with_memory(&buffer, |memory| socket::receive(fd, memory))?;
        received.map_err(|error| super::os_error(py, &error))
    });
    drop(buffer);
    match received {
        Ok(Some(0)) => eof(transport),
        Ok(Some(count)) => {
            match method1(protocol, intern!(py, "buffer_updated"), count.into_pyobject(py)?.as_any()) {
                Ok(_) => Ok(()),
                Err(error) => fatal_unless_exit(transport, error, BUFFER_UPDATED),
            }
        }
        Ok(None) => Ok(()),
        Err(error) => fatal_unless_exit(transport, error, transport.get().kind.read_error),
    }
}

/// What there is, at most `max_size`; None: nothing now. No bytes are the end.
pub fn receive<'py>(
    transport: &Bound<'py, Transport>,
    reading: &Reading<'py>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let (py, this) = (transport.py(), transport.get());
    let fd = super::fd_of(&reading.sock)?;
    if this.expects_much.load(Relaxed) {
        let much = socket::received(fd).min(reading.max_size).min(MUCH);
        if much >= MUCH / 2 {
            let (data, count) = new_bytes(py, much, |room| (this.kind.receive)(py, fd, room))?;
            let count = count.map_err(|error| super::os_error(py, &error))?;
            return Ok(count.map(|count| match count < much {
                true => PyBytes::new(py, &data.as_bytes()[..count]).into_any(), // somebody else reads it, too
                false => data.into_any(),
            }));
        }
    }
    let data = this.read_buffer().receive(py, reading.max_size, |room| {
        Ok((this.kind.receive)(py, fd, room)?.map(|count| (count, ())))
    });
    let data = data.map_err(|error| super::os_error(py, &error))?.map(|(data, ())| data);
    this.expects_much.store(data.as_ref().is_some_and(|data| data.as_bytes().len() >= MUCH / 2), Relaxed);
    Ok(data.map(Bound::into_any))
}

/// The peer sends no more.
fn eof(transport: &Bound<'_, Transport>) -> PyResult<()> {
    let (py, this) = (transport.py(), transport.get());
    if in_debug(&this.event_loop(py))? {
        log_debug(py, ("%r received EOF", transport))?;
    }
    match method(&this.protocol(py), intern!(py, "eof_received")) {
        Err(error) => fatal_unless_exit(transport, error, EOF_RECEIVED),
        Ok(keep_open) if keep_open.is_truthy()? => this.stop_watching(py, super::Side::Read),
        Ok(_) => end::close(transport),
    }
}

pub fn fatal_unless_exit(transport: &Bound<'_, Transport>, error: PyErr, message: &str) -> PyResult<()> {
    if is_exit(transport.py(), &error) {
        return Err(error);
    }
    end::fatal(transport, error, message)
}
