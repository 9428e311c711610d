//! Native transports: asyncio's transports of sockets and pipes, in Rust.
//!
//! ```text
//!  base kind    what they have in common; what they differ in
//!  stream       the class for connected sockets, with asyncio's names
//!  datagram     the one for datagrams; address: where they come from and go to
//!  pipe         the two for the ends of a pipe
//!  state queue  what one knows; what it could not send yet
//!  extra        what it tells of its socket
//!  read write   the data of a stream, in and out
//!  flow end     pause_writing and resume_writing; close, abort, errors, connection_lost
//!  handle       what the loop runs when its fd is ready
//!  read_buffer  where the transports of a loop receive
//! ```
//!
//! They behave as `_SelectorSocketTransport` of CPython's asyncio and its sisters do, of which the Python classes around them
//! (`_transport.py`, `_unix_transports.py`) take what is neither frequent nor needs the state. Differences, each where
//! asyncio's own behaviour is an error: `connection_lost` is called once, whatever the protocol and others do meanwhile; what
//! was written is counted in bytes, whatever the items of a memoryview are, and not any more when it has gone; data that its
//! owner may change is copied before it waits; what is sent after the end goes nowhere, also where it has an address of its
//! own.
//!
//! On Windows there is none for datagrams and pipes: there the data of both goes through CPython's proactor.
//!
//! Everything here is for the loop's thread, except the properties, which any thread may read.

#[cfg(unix)]
mod address;
mod base;
#[cfg(unix)]
mod datagram;
mod end;
mod extra;
mod flow;
mod handle;
mod kind;
#[cfg(unix)]
mod pipe;
mod queue;
mod read;
mod read_buffer;
mod state;
mod stream;
mod write;

use std::io::Error;

use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::call::{fileno, method, method_with};
use crate::error::of_system;
use crate::socket;
pub use base::Transport;
pub use handle::{Side, TransportHandle};
pub use read_buffer::ReadBuffer;

/// The classes.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ReadBuffer>()?;
    module.add_class::<Transport>()?;
    module.add_class::<stream::StreamTransport>()?;
    #[cfg(unix)]
    {
        module.add_class::<datagram::DatagramTransport>()?;
        module.add_class::<pipe::ReadPipeTransport>()?;
        module.add_class::<pipe::WritePipeTransport>()?;
    }
    module.add_class::<TransportHandle>()
}

/// From here on the loop runs the transport when its fd is ready for `side`.
fn watch(transport: &Bound<'_, Transport>, side: Side) -> PyResult<()> {
    let (py, this) = (transport.py(), transport.get());
    let handle = TransportHandle::new(transport, side)?;
    let watch = intern!(py, "watch_transport");
    method_with(&this.event_loop(py), watch, (this.fd, side as i32, handle)).map(drop)
}

fn or_none<'py>(py: Python<'py>, object: &Option<Py<PyAny>>) -> Bound<'py, PyAny> {
    object.as_ref().map_or_else(|| py.None().into_bound(py), |object| object.bind(py).clone())
}

/// What no transport keeps to itself.
fn is_exit(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PySystemExit>(py) || error.is_instance_of::<PyKeyboardInterrupt>(py)
}

fn in_debug(event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(!event_loop.is_none() && method(event_loop, intern!(event_loop.py(), "get_debug"))?.is_truthy()?)
}

fn logger(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    LOGGER.import(py, "asyncio.log", "logger")
}

fn log_debug<'py>(py: Python<'py>, what: (&str, &Bound<'py, Transport>)) -> PyResult<()> {
    method_with(logger(py)?, intern!(py, "debug"), what).map(drop)
}

fn minus_one(py: Python<'_>) -> &Bound<'_, PyAny> {
    static MINUS_ONE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    MINUS_ONE.get_or_init(py, || pyo3::types::PyInt::new(py, -1).into_any().unbind()).bind(py)
}

/// The fd of a socket or a file, asked for each time: its owner may have closed it, and the number can be another one's by now.
fn fd_of(file: &Bound<'_, PyAny>) -> PyResult<i32> {
    let py = file.py();
    match fileno(file).and_then(|fd| fd.extract()) {
        Ok(fd @ 0..) => Ok(fd),
        Err(error) if !error.is_instance_of::<PyValueError>(py) => Err(error), // files have that one when they are closed
        _ => Err(os_error(py, &Error::from_raw_os_error(socket::CLOSED))),
    }
}

/// What a call of the system has failed by; it may be what a signal handler has raised meanwhile.
fn os_error(py: Python<'_>, error: &Error) -> PyErr {
    if let Some(raised) = error.get_ref().and_then(|inner| inner.downcast_ref::<PyErr>()) {
        return raised.clone_ref(py);
    }
    of_system(py, error.raw_os_error().unwrap_or(0), "")
}
