//! What the transports have in common, with asyncio's names, of whose private ones some are a little longer: which of the
//! three parts, reading, writing, the end, are public is said by the classes that derive from it in `_transport.py`.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use super::extra::Extra;
use super::kind::Kind;
use super::state::State;
use super::{end, flow, in_debug, log_debug, or_none, watch, ReadBuffer, Side};
use crate::call::{method, method_with};

/// A socket or a pipe.
#[pyclass(frozen, subclass, dict, weakref, module = "asyncguest._native")]
pub struct Transport {
    /// False in a transport that the garbage collector sees before it holds anything, when all of it is zero: CPython 3.11 makes
    /// the `__dict__` once the collector knows the object, and PyO3 writes the fields afterwards.
    is_made: AtomicBool,
    state: Mutex<State>,
    read_buffer: Py<ReadBuffer>,
    /// The last read was a large one; of datagrams: there were others behind the last one.
    pub expects_much: AtomicBool,
    pub fd: i32,
    pub kind: &'static Kind,
}

impl Transport {
    pub fn new(
        kind: &'static Kind,
        event_loop: Bound<'_, PyAny>,
        sock: Bound<'_, PyAny>,
        protocol: Py<PyAny>,
        extra: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Transport> {
        let py = sock.py();
        let read_buffer = event_loop.getattr("read_buffer")?.cast_into::<ReadBuffer>()?.unbind();
        let fd = method(&sock, intern!(py, "fileno"))?.extract()?;
        let extra = match extra {
            extra if kind.is_socket => Extra::of_socket(&sock, extra)?,
            Some(dict) => Extra::Made(dict.unbind()),
            None => Extra::Made(PyDict::new(py).into_any().unbind()),
        };
        let state = State {
            event_loop: Some(event_loop.unbind()),
            sock: Some(sock.unbind()),
            protocol: Some(protocol),
            server: None,
            extra: Some(extra),
            context: None,
            seldom: None,
            max_size: 256 * 1024,
            lost: false,
            lost_writes: 0,
            closing: false,
            paused: false,
            eof: false,
            protocol_paused: false,
            buffered: false,
        };
        Ok(Transport {
            is_made: AtomicBool::new(true),
            state: Mutex::new(state),
            read_buffer,
            expects_much: AtomicBool::new(false),
            fd,
            kind,
        })
    }

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

    /// asyncio's dict, the same each time.
    pub fn extra<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let extra = self.state().extra.as_ref().map(|extra| extra.again(py));
        let Some(extra) = extra else { return Ok(py.None().into_bound(py)) };
        let was_made = matches!(extra, Extra::Made(_));
        let dict = extra.make(py)?;
        if !was_made {
            let mut state = self.state();
            if let Some(Extra::Made(others)) = &state.extra {
                return Ok(others.bind(py).clone()); // of another thread, meanwhile
            }
            let before = state.extra.replace(Extra::Made(dict.clone_ref(py)));
            drop(state);
            drop(before);
        }
        Ok(dict.into_bound(py))
    }

    pub fn context<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.state().context.as_ref().map(|context| context.bind(py).clone())
    }

    pub fn is_reading(&self) -> bool {
        let state = self.state();
        !state.closing && !state.paused
    }

    /// asyncio's `_conn_lost`: above 0, what is written goes nowhere.
    pub fn conn_lost(&self) -> u32 {
        let state = self.state();
        state.lost_writes.saturating_add(u32::from(self.kind.is_socket && state.lost))
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
impl Transport {
    // ---- asyncio.BaseTransport

    #[pyo3(signature = (name, default=None))]
    fn get_extra_info<'py>(
        &self,
        py: Python<'py>,
        name: Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        method_with(&self.extra(py)?, intern!(py, "get"), (name, default))
    }

    fn is_closing(&self) -> bool {
        self.state().closing
    }

    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        end::close(slf)
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

    // ---- asyncio.ReadTransport

    #[pyo3(name = "_is_reading")]
    fn ask_reading(&self) -> bool {
        self.is_reading()
    }

    fn _pause_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
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

    fn _resume_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
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

    // ---- asyncio.WriteTransport

    fn _abort(slf: &Bound<'_, Self>) -> PyResult<()> {
        end::force_close(slf, slf.py().None().bind(slf.py()))
    }

    fn _get_write_buffer_size(&self) -> usize {
        self.state().queue.len()
    }

    // ---- what asyncio's own code uses

    /// Watches from here on, unless reading was paused meanwhile. Called when `connection_made` has been.
    fn _start_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.get().is_reading() {
            watch(slf, Side::Read)?;
        }
        Ok(())
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

    #[getter]
    fn _loop<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.event_loop(py)
    }

    #[getter]
    fn _sock<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.sock(py)
    }

    #[setter(_sock)]
    fn set_sock(&self, sock: Option<Py<PyAny>>) {
        let before = std::mem::replace(&mut self.state().sock, sock);
        drop(before);
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
    fn _extra<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.extra(py)
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
    fn _conn_lost(&self) -> u32 {
        self.conn_lost()
    }

    #[getter]
    fn _protocol_paused(&self) -> bool {
        self.state().protocol_paused
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
    fn _max_size(&self) -> usize {
        self.state().max_size
    }

    #[setter(_max_size)]
    fn set_max_size(&self, size: usize) {
        self.state().max_size = size;
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.is_made.load(Relaxed) {
            return Ok(());
        }
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
