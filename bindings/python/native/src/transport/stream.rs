//! The transport of a connected stream socket, with asyncio's names: those of `asyncio.Transport`, and those by which asyncio's
//! own code uses it.

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;

use super::kind::{Kind, SOCKET_LOST};
use super::{or_none, read, write, Transport};
use crate::call::{method, method1};
use crate::socket;

static STREAM: Kind = Kind {
    read_error: "Fatal read error on socket transport",
    write_error: "Fatal write error on socket transport",
    lost_write: SOCKET_LOST,
    is_socket: true,
    reads: true,
    harmless: None,
    receive: |_, fd, room| socket::receive(fd, room),
    send: socket::send,
    send_pieces: socket::send_pieces,
};

/// A connected stream socket.
#[pyclass(frozen, subclass, extends = Transport, module = "asyncguest._native")]
pub struct StreamTransport;

#[pymethods]
impl StreamTransport {
    #[new]
    #[pyo3(signature = (r#loop, sock, protocol, waiter=None, extra=None, server=None, context=None))]
    #[allow(clippy::too_many_arguments)] // asyncio's
    fn new(
        r#loop: Bound<'_, PyAny>,
        sock: Bound<'_, PyAny>,
        protocol: Py<PyAny>,
        waiter: Option<Py<PyAny>>,
        extra: Option<Bound<'_, PyAny>>,
        server: Option<Py<PyAny>>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<PyClassInitializer<StreamTransport>> {
        drop(waiter); // it is for `__init__`
        let base = Transport::new(&STREAM, r#loop, sock, protocol, extra)?;
        base.state().server = server;
        base.state().context = context;
        Ok(PyClassInitializer::from(base).add_subclass(StreamTransport))
    }

    // ---- asyncio.Transport

    fn write(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        write::write(slf.as_super(), data)
    }

    fn writelines(slf: &Bound<'_, Self>, list_of_data: &Bound<'_, PyAny>) -> PyResult<()> {
        write::write_lines(slf.as_super(), list_of_data)
    }

    fn write_eof(slf: &Bound<'_, Self>) -> PyResult<()> {
        write::write_eof(slf.as_super())
    }

    fn can_write_eof(&self) -> bool {
        true
    }

    // ---- what asyncio's own code uses: sendfile, start_tls, SSLProtocol, servers

    fn _read_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        read::ready(slf.as_super())
    }

    fn _write_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        write::ready(slf.as_super())
    }

    fn _make_empty_waiter<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.as_super().get());
        if this.state().empty_waiter.is_some() {
            return Err(PyRuntimeError::new_err("Empty waiter is already set"));
        }
        let waiter = method(&this.event_loop(py), intern!(py, "create_future"))?;
        let is_empty = {
            let mut state = this.state();
            state.empty_waiter = Some(waiter.clone().unbind());
            state.queue.is_empty()
        };
        if is_empty {
            method1(&waiter, intern!(py, "set_result"), py.None().bind(py))?;
        }
        Ok(waiter)
    }

    fn _reset_empty_waiter(slf: &Bound<'_, Self>) {
        let before = slf.as_super().get().state().empty_waiter.take();
        drop(before);
    }

    #[getter]
    fn _server<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyAny> {
        or_none(slf.py(), &slf.as_super().get().state().server)
    }

    #[getter]
    fn _eof(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().state().eof
    }

    #[getter]
    fn _empty_waiter<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyAny> {
        or_none(slf.py(), &slf.as_super().get().state().empty_waiter)
    }
}
