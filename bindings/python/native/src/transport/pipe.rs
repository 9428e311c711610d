//! The transports of the two ends of a pipe, which may also be a stream socket or a terminal, with asyncio's names.

use pyo3::exceptions::{PyAssertionError, PyBrokenPipeError, PyOSError};
use pyo3::intern;
use pyo3::prelude::*;

use super::kind::Kind;
use super::{end, in_debug, logger, read, write, Transport};
use crate::call::{method1, method_with};
use crate::socket::pipe;

const PIPE_LOST: &str = "pipe closed by peer or os.write(pipe, data) raised exception.";

static READ_PIPE: Kind = Kind {
    read_error: "Fatal read error on pipe transport",
    write_error: "",
    lost_write: PIPE_LOST,
    is_socket: false,
    reads: true,
    harmless: Some(libc::EIO), // the end of a terminal
    receive: pipe::read,
    send: pipe::write,
    send_pieces: pipe::write_pieces,
};

static WRITE_PIPE: Kind = Kind {
    read_error: "",
    write_error: "Fatal write error on pipe transport",
    lost_write: PIPE_LOST,
    is_socket: false,
    reads: false,
    harmless: None,
    receive: pipe::read,
    send: pipe::write,
    send_pieces: pipe::write_pieces,
};

/// The end that is read.
#[pyclass(frozen, subclass, extends = Transport, module = "asyncguest._native")]
pub struct ReadPipeTransport;

#[pymethods]
impl ReadPipeTransport {
    #[new]
    #[pyo3(signature = (r#loop, pipe, protocol, waiter=None, extra=None))]
    fn new(
        r#loop: Bound<'_, PyAny>,
        pipe: Bound<'_, PyAny>,
        protocol: Py<PyAny>,
        waiter: Option<Py<PyAny>>,
        extra: Option<Bound<'_, PyAny>>,
    ) -> PyResult<PyClassInitializer<ReadPipeTransport>> {
        drop(waiter); // it is for `__init__`
        let base = Transport::new(&READ_PIPE, r#loop, pipe, protocol, extra)?;
        Ok(PyClassInitializer::from(base).add_subclass(ReadPipeTransport))
    }

    /// What the protocol raises is for the loop's exception handler, and the pipe stays open.
    fn _read_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, transport) = (slf.py(), slf.as_super());
        let Some(reading) = read::begin(transport) else { return Ok(()) };
        match read::receive(transport, &reading) {
            Ok(Some(data)) if !data.is_empty()? => {
                method1(&reading.protocol, intern!(py, "data_received"), &data).map(drop)
            }
            Ok(Some(_)) => {
                tell_closed_by_peer(transport)?;
                let eof = reading.protocol.getattr(intern!(py, "eof_received"))?;
                method1(&transport.get().event_loop(py), intern!(py, "call_soon"), &eof)?;
                end::close(transport)
            }
            Ok(None) => Ok(()),
            Err(error) if error.is_instance_of::<PyOSError>(py) => {
                end::fatal(transport, error, READ_PIPE.read_error)
            }
            Err(error) => Err(error),
        }
    }
}

/// The end that is written to.
#[pyclass(frozen, subclass, extends = Transport, module = "asyncguest._native")]
pub struct WritePipeTransport;

#[pymethods]
impl WritePipeTransport {
    #[new]
    #[pyo3(signature = (r#loop, pipe, protocol, waiter=None, extra=None))]
    fn new(
        r#loop: Bound<'_, PyAny>,
        pipe: Bound<'_, PyAny>,
        protocol: Py<PyAny>,
        waiter: Option<Py<PyAny>>,
        extra: Option<Bound<'_, PyAny>>,
    ) -> PyResult<PyClassInitializer<WritePipeTransport>> {
        drop(waiter);
        let base = Transport::new(&WRITE_PIPE, r#loop, pipe, protocol, extra)?;
        Ok(PyClassInitializer::from(base).add_subclass(WritePipeTransport))
    }

    fn write(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        if write::bytes_of(data).is_err() {
            return Err(PyAssertionError::new_err(data.repr()?.unbind()));
        }
        write::write(slf.as_super(), data)
    }

    /// The end of what is written is the end of the transport.
    fn write_eof(slf: &Bound<'_, Self>) -> PyResult<()> {
        end::close(slf.as_super())
    }

    fn can_write_eof(&self) -> bool {
        true
    }

    /// The peer is gone. (Its system says that there is something to be read.)
    fn _read_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, transport) = (slf.py(), slf.as_super());
        tell_closed_by_peer(transport)?;
        let error = match transport.get().state().queue.is_empty() {
            true => None,
            false => Some(PyBrokenPipeError::new_err(()).into_value(py)),
        };
        end::force_close(transport, error.into_pyobject(py)?.as_any())
    }

    fn _write_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        write::ready(slf.as_super())
    }
}

fn tell_closed_by_peer(transport: &Bound<'_, Transport>) -> PyResult<()> {
    let py = transport.py();
    if in_debug(&transport.get().event_loop(py))? {
        method_with(logger(py)?, intern!(py, "info"), ("%r was closed by peer", transport))?;
    }
    Ok(())
}
