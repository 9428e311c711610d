//! The transport of datagrams, with asyncio's names: of Internet and Unix sockets, connected or not.
//!
//! One datagram is received at a time, and its callback called. If there is another one then, the loop runs the transport again
//! in its next iteration, where asyncio's comes to it by way of the system's poller.

use std::sync::atomic::Ordering::Relaxed;

use pyo3::exceptions::{PyBlockingIOError, PyOSError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::kind::{Kind, SOCKET_LOST};
use super::queue::{Chunk, Queue};
use super::{address, flow, os_error, read, watch, write, Side, Transport};
use crate::call::{call, method1, method2, method_with};
use crate::memory::with_bytes;
use crate::socket;
use crate::socket::datagram::{receive_from, send_to};

/// Bytes that count for a datagram that waits, beside its own. From CPython 3.13 on, which sends empty ones, too.
const HEADER: usize = 8;

static DATAGRAM: Kind = Kind {
    read_error: "Fatal read error on datagram transport",
    write_error: "Fatal write error on datagram transport",
    lost_write: SOCKET_LOST,
    is_socket: true,
    reads: true,
    harmless: None,
    receive: |_, fd, room| socket::receive(fd, room),
    send: socket::send,
    send_pieces: socket::send_pieces,
};

/// A datagram socket.
#[pyclass(frozen, subclass, extends = Transport, module = "asyncguest._native")]
pub struct DatagramTransport {
    family: i32,
    sends_empty: bool,
}

#[pymethods]
impl DatagramTransport {
    #[new]
    #[pyo3(signature = (r#loop, sock, protocol, address=None, waiter=None, extra=None))]
    fn new(
        r#loop: Bound<'_, PyAny>,
        sock: Bound<'_, PyAny>,
        protocol: Py<PyAny>,
        address: Option<Bound<'_, PyAny>>,
        waiter: Option<Py<PyAny>>,
        extra: Option<Bound<'_, PyAny>>,
    ) -> PyResult<PyClassInitializer<DatagramTransport>> {
        drop(waiter); // it is for `__init__`
        let py = sock.py();
        let address = match address {
            Some(address) if address.is_truthy()? => Some(address.unbind()),
            _ => None,
        };
        let family = sock.getattr(intern!(py, "family"))?.extract()?;
        let sends_empty = py.version_info() >= (3, 13);
        let base = Transport::new(&DATAGRAM, r#loop, sock, protocol, extra)?;
        {
            let mut state = base.state();
            state.address = address;
            state.queue.header = if sends_empty { HEADER } else { 0 };
        }
        let this = DatagramTransport { family, sends_empty };
        Ok(PyClassInitializer::from(base).add_subclass(this))
    }

    /// What the system refuses is told to the protocol, and no end.
    #[pyo3(signature = (data, addr=None))]
    fn sendto(
        slf: &Bound<'_, Self>,
        data: &Bound<'_, PyAny>,
        addr: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let (py, transport, this) = (slf.py(), slf.as_super(), slf.as_super().get());
        let bytes = write::bytes_of(data)?;
        if !slf.get().sends_empty && write::is_empty(data, bytes)? {
            return Ok(());
        }
        let fixed = this.state().address.as_ref().map(|address| address.bind(py).clone());
        if let (Some(fixed), Some(addr)) = (&fixed, &addr) {
            if !addr.is(fixed) && !addr.eq(fixed)? {
                return Err(PyValueError::new_err(format!(
                    "Invalid address: must be None or {}",
                    fixed.str()?
                )));
            }
        }
        let has_ended = this.sock(py).is_none();
        if (has_ended || fixed.is_some()) && write::is_lost(transport)? {
            return Ok(());
        }
        let to = fixed.or(addr);
        if this.state().queue.is_empty() {
            match send(slf, data, to.as_ref()) {
                Ok(true) => return Ok(()),
                Ok(false) if this.state().lost => return Ok(()), // nobody will send it later
                Ok(false) => watch(transport, Side::Write)?,
                Err(error) => return failed(transport, error, DATAGRAM.write_error),
            }
        }
        let bytes = match bytes {
            Some(bytes) => bytes.clone(),
            None => call(&py.get_type::<PyBytes>(), (data,))?.cast_into()?,
        };
        this.state().queue.push(py, Chunk { to: to.map(Bound::unbind), ..Chunk::of(bytes.unbind()) });
        flow::maybe_pause(transport)
    }

    /// What the protocol raises is for the loop's exception handler, and the socket stays open. Returns whether there is more.
    fn _read_ready(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let (py, transport) = (slf.py(), slf.as_super());
        let Some(reading) = read::begin(transport) else { return Ok(false) };
        let received = super::fd_of(&reading.sock).and_then(|fd| {
            let buffer = transport.get().read_buffer();
            let received = buffer.receive(py, reading.max_size, |room| receive_from(fd, room));
            received.map_err(|error| os_error(py, &error))
        });
        match received {
            Ok(Some((data, from))) => {
                let from = address::to_python(py, &from)?;
                method2(&reading.protocol, intern!(py, "datagram_received"), data.as_any(), &from)?;
                let more = &transport.get().expects_much;
                if !more.load(Relaxed) {
                    more.store(super::fd_of(&reading.sock).is_ok_and(|fd| socket::received(fd) > 0), Relaxed);
                }
                Ok(more.load(Relaxed))
            }
            Ok(None) => {
                transport.get().expects_much.store(false, Relaxed); // from here on it is asked for again
                Ok(false)
            }
            Err(error) => failed(transport, error, DATAGRAM.read_error).map(|()| false),
        }
    }

    fn _write_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, transport, this) = (slf.py(), slf.as_super(), slf.as_super().get());
        loop {
            let first = this.state().queue.first(py);
            let Some(first) = first.filter(|_| !this.state().lost) else { break };
            let sent = send(slf, first.bytes.bind(py), first.to.as_ref().map(|to| to.bind(py)));
            if matches!(sent, Ok(false)) {
                break;
            }
            let gone = this.state().queue.pop(py);
            drop(gone); // the lock is not held
            if let Err(error) = sent {
                let told = failed(transport, error, DATAGRAM.write_error);
                if this.state().lost && !this.event_loop(py).is_none() {
                    this.stop_watching(py, Side::Write)?; // it was the last one, so that nobody else does
                }
                return told;
            }
        }
        write::went(transport)
    }
}

impl Queue {
    /// The first datagram.
    fn first(&self, py: Python<'_>) -> Option<Chunk> {
        self.chunks.front().map(|chunk| chunk.again(py))
    }

    /// The first datagram has gone.
    fn pop(&mut self, py: Python<'_>) -> Option<Chunk> {
        let first = self.chunks.pop_front()?;
        self.length -= first.rest(py).len() + self.header;
        Some(first)
    }
}

/// Sends a datagram, or asks the socket object to do it. Whether there was room for it.
fn send(
    slf: &Bound<'_, DatagramTransport>,
    data: &Bound<'_, PyAny>,
    to: Option<&Bound<'_, PyAny>>,
) -> PyResult<bool> {
    let (py, this) = (slf.py(), slf.as_super().get());
    let sock = this.sock(py);
    let fd = super::fd_of(&sock)?;
    let is_connected = this.extra(py)?.cast::<PyDict>()?.get_item(intern!(py, "peername"))?;
    let is_connected = is_connected.map_or(Ok(false), |name| name.is_truthy())?;
    let sent = if is_connected {
        with_bytes(data, |bytes| socket::send(py, fd, bytes).map(|sent| sent.is_some()))?
    } else if let Some(to) = to.and_then(|to| address::from_python(slf.get().family, to)) {
        with_bytes(data, |bytes| send_to(fd, bytes, &to))?
    } else {
        return match method_with(&sock, intern!(py, "sendto"), (data, to)) {
            Err(error) if error.is_instance_of::<PyBlockingIOError>(py) => Ok(false),
            sent => sent.map(|_| true),
        };
    };
    sent.map_err(|error| os_error(py, &error))
}

/// The system's errors are the protocol's, all others are fatal.
fn failed(transport: &Bound<'_, Transport>, error: PyErr, message: &str) -> PyResult<()> {
    let py = transport.py();
    if error.is_instance_of::<PyOSError>(py) {
        let error = error.into_value(py);
        let protocol = transport.get().protocol(py);
        return method1(&protocol, intern!(py, "error_received"), error.bind(py).as_any()).map(drop);
    }
    read::fatal_unless_exit(transport, error, message)
}
