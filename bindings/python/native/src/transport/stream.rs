//! The class, with asyncio's names: those of `asyncio.Transport`, and those by which asyncio's own code uses its transports.

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use super::queue::Queue;
use super::state::State;
use super::{end, flow, in_debug, log_debug, or_none, read, watch, write, ReadBuffer, Side};
use crate::call::{method, method1, method_with};

/// A connected stream socket.
#[pyclass(frozen, subclass, dict, weakref, module = "asyncguest._native")]
pub struct StreamTransport {
    state: Mutex<State>,
    read_buffer: Py<ReadBuffer>,
    /// The last read was a large one.
    pub expects_much: AtomicBool,
    pub fd: i32,
}

impl StreamTransport {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn read_buffer(&self) -> &ReadBuffer {
        self.read_buffer.get()
    }

    // What is gone is None, as in asyncio.

    pub fn event_loop<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        or_none(py, &self.state().event_loop)
    }

    pub fn protocol<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        or_none(py, &self.state().protocol)
    }

    pub fn sock<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        or_none(py, &self.state().sock)
    }

    /// Whether it was not so yet.
    pub fn change_paused(&self, paused: bool) -> bool {
        std::mem::replace(&mut self.state().protocol_paused, paused) != paused
    }

    /// The future of `_make_empty_waiter`, if nothing has become of it yet.
    pub fn undone_waiter<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let waiter = self.state().empty_waiter.as_ref().map(|waiter| waiter.bind(py).clone());
        match waiter {
            Some(waiter) if !method(&waiter, intern!(py, "done"))?.is_truthy()? => Ok(Some(waiter)),
            _ => Ok(None),
        }
    }

    pub fn stop_watching(&self, py: Python<'_>, side: Side) -> PyResult<()> {
        let name = match side {
            Side::Read => intern!(py, "_remove_reader"),
            Side::Write => intern!(py, "_remove_writer"),
        };
        method_with(&self.event_loop(py), name, (self.fd,)).map(drop)
    }
}

#[pymethods]
impl StreamTransport {
    #[new]
    #[pyo3(signature = (r#loop, sock, protocol, waiter=None, extra=None, server=None))]
    fn new(
        py: Python<'_>,
        r#loop: Bound<'_, PyAny>,
        sock: Bound<'_, PyAny>,
        protocol: Py<PyAny>,
        waiter: Option<Py<PyAny>>,
        extra: Option<Py<PyAny>>,
        server: Option<Py<PyAny>>,
    ) -> PyResult<StreamTransport> {
        drop(waiter); // it is for `__init__`
        let read_buffer = r#loop.getattr("read_buffer")?.cast_into::<ReadBuffer>()?.unbind();
        let fd = method(&sock, intern!(py, "fileno"))?.extract()?;
        let state = State {
            event_loop: Some(r#loop.unbind()),
            sock: Some(sock.unbind()),
            protocol: Some(protocol),
            server,
            extra: Some(extra.unwrap_or_else(|| PyDict::new(py).into_any().unbind())),
            empty_waiter: None,
            high_water: None,
            low_water: None,
            queue: Queue::default(),
            max_size: 256 * 1024,
            conn_lost: 0,
            closing: false,
            paused: false,
            eof: false,
            protocol_paused: false,
            buffered: false,
        };
        Ok(StreamTransport {
            state: Mutex::new(state),
            read_buffer,
            expects_much: AtomicBool::new(false),
            fd,
        })
    }

    // ---- asyncio.Transport

    #[pyo3(signature = (name, default=None))]
    fn get_extra_info<'py>(
        &self,
        py: Python<'py>,
        name: Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let extra = or_none(py, &self.state().extra); // the lock is not held when the name's hash is asked for
        method_with(&extra, intern!(py, "get"), (name, default))
    }

    fn is_closing(&self) -> bool {
        self.state().closing
    }

    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        end::close(slf)
    }

    fn abort(slf: &Bound<'_, Self>) -> PyResult<()> {
        end::force_close(slf, slf.py().None().bind(slf.py()))
    }

    fn set_protocol(&self, py: Python<'_>, protocol: Bound<'_, PyAny>) -> PyResult<()> {
        static BUFFERED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let buffered = BUFFERED.import(py, "asyncio.protocols", "BufferedProtocol")?;
        let buffered = protocol.is_instance(buffered)?;
        let before = {
            let mut state = self.state();
            state.buffered = buffered;
            state.protocol.replace(protocol.unbind())
        };
        drop(before);
        Ok(())
    }

    fn get_protocol<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.protocol(py)
    }

    fn is_reading(&self) -> bool {
        let state = self.state();
        !state.closing && !state.paused
    }

    fn pause_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        if !this.is_reading() {
            return Ok(());
        }
        this.state().paused = true;
        this.stop_watching(py, Side::Read)?;
        if in_debug(&this.event_loop(py))? {
            log_debug(py, ("%r pauses reading", slf))?;
        }
        Ok(())
    }

    fn resume_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        {
            let mut state = this.state();
            if state.closing || !state.paused {
                return Ok(());
            }
            state.paused = false;
        }
        watch(slf, Side::Read)?;
        if in_debug(&this.event_loop(py))? {
            log_debug(py, ("%r resumes reading", slf))?;
        }
        Ok(())
    }

    fn write(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        write::write(slf, data)
    }

    fn writelines(slf: &Bound<'_, Self>, list_of_data: &Bound<'_, PyAny>) -> PyResult<()> {
        write::write_lines(slf, list_of_data)
    }

    fn write_eof(slf: &Bound<'_, Self>) -> PyResult<()> {
        write::write_eof(slf)
    }

    fn can_write_eof(&self) -> bool {
        true
    }

    fn get_write_buffer_size(&self) -> usize {
        self.state().queue.len()
    }

    // ---- what asyncio's own code uses: sendfile, start_tls, SSLProtocol, servers

    /// Watches from here on, unless reading was paused meanwhile. Called when `connection_made` has been.
    fn _start_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.get().is_reading() {
            watch(slf, Side::Read)?;
        }
        Ok(())
    }

    fn _read_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        read::ready(slf)
    }

    fn _write_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        write::ready(slf)
    }

    fn _maybe_pause_protocol(slf: &Bound<'_, Self>) -> PyResult<()> {
        flow::maybe_pause(slf)
    }

    #[pyo3(signature = (exc, message="Fatal error on transport"))]
    fn _fatal_error(slf: &Bound<'_, Self>, exc: Bound<'_, PyAny>, message: &str) -> PyResult<()> {
        end::fatal(slf, PyErr::from_value(exc), message)
    }

    fn _force_close(slf: &Bound<'_, Self>, exc: &Bound<'_, PyAny>) -> PyResult<()> {
        end::force_close(slf, exc)
    }

    fn _call_connection_lost(slf: &Bound<'_, Self>, exc: &Bound<'_, PyAny>) -> PyResult<()> {
        end::connection_lost(slf, exc)
    }

    fn _make_empty_waiter<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if self.state().empty_waiter.is_some() {
            return Err(PyRuntimeError::new_err("Empty waiter is already set"));
        }
        let waiter = method(&self.event_loop(py), intern!(py, "create_future"))?;
        let is_empty = {
            let mut state = self.state();
            state.empty_waiter = Some(waiter.clone().unbind());
            state.queue.is_empty()
        };
        if is_empty {
            method1(&waiter, intern!(py, "set_result"), py.None().bind(py))?;
        }
        Ok(waiter)
    }

    fn _reset_empty_waiter(&self) {
        let before = self.state().empty_waiter.take();
        drop(before);
    }

    #[getter]
    fn _loop<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.event_loop(py)
    }

    #[getter]
    fn _sock<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.sock(py)
    }

    #[getter]
    fn _sock_fd(&self) -> i32 {
        self.fd
    }

    #[getter]
    fn _protocol<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.protocol(py)
    }

    #[getter]
    fn _server<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        or_none(py, &self.state().server)
    }

    #[getter]
    fn _extra<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        or_none(py, &self.state().extra)
    }

    #[getter]
    fn _closing(&self) -> bool {
        self.state().closing
    }

    #[getter]
    fn _paused(&self) -> bool {
        self.state().paused
    }

    #[getter]
    fn _eof(&self) -> bool {
        self.state().eof
    }

    #[getter]
    fn _conn_lost(&self) -> u32 {
        self.state().conn_lost
    }

    #[getter]
    fn _protocol_paused(&self) -> bool {
        self.state().protocol_paused
    }

    #[getter]
    fn _empty_waiter<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        or_none(py, &self.state().empty_waiter)
    }

    #[getter]
    fn _high_water<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let high = self.state().high_water.as_ref().map(|it| it.bind(py).clone());
        Ok(high.map_or_else(|| flow::HIGH.into_pyobject(py).map(Bound::into_any), Ok)?)
    }

    #[setter(_high_water)]
    fn set_high_water(&self, limit: Py<PyAny>) {
        let before = self.state().high_water.replace(limit);
        drop(before);
    }

    #[getter]
    fn _low_water<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let low = self.state().low_water.as_ref().map(|it| it.bind(py).clone());
        Ok(low.map_or_else(|| flow::LOW.into_pyobject(py).map(Bound::into_any), Ok)?)
    }

    #[setter(_low_water)]
    fn set_low_water(&self, limit: Py<PyAny>) {
        let before = self.state().low_water.replace(limit);
        drop(before);
    }

    /// Bytes that are received at once.
    #[getter]
    fn max_size(&self) -> usize {
        self.state().max_size
    }

    #[setter]
    fn set_max_size(&self, size: usize) {
        self.state().max_size = size;
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.read_buffer)?;
        match self.state.try_lock() {
            Ok(state) => state.traverse(&visit),
            Err(_) => Ok(()),
        }
    }

    fn __clear__(&self) {
        let had = self.state().clear();
        drop(had);
    }
}
