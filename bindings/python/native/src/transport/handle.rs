//! What the loop runs when the fd of a transport is ready: one side of the transport, in the context in which the watching
//! was asked for.
//!
//! To the loop's Python code it is an `asyncio.Handle`, by the names that the loop uses of one. Native code calls `ready`.
//! One is made for each time that the watching begins, as asyncio does it: what is queued of an earlier one is cancelled.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::{is_exit, Transport};
use crate::arguments::Arguments;
use crate::call::{copy_context, is_method_in_c, method1, run_in};

/// The number is asyncio's EVENT_READ or EVENT_WRITE.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Read = 1,
    Write = 2,
}

impl Side {
    fn method(self, py: Python<'_>) -> &Bound<'_, PyString> {
        match self {
            Side::Read => intern!(py, "_read_ready"),
            Side::Write => intern!(py, "_write_ready"),
        }
    }
}

/// One watching.
#[pyclass(frozen, module = "asyncguest._native")]
pub struct TransportHandle {
    transport: Py<Transport>,
    /// The transport has none any more when its `connection_lost` has been called, and has raised.
    event_loop: Py<PyAny>,
    side: Side,
    /// The transport's method, as it was when the watching began, and what it takes.
    method: Py<PyAny>,
    args: Arguments,
    context: Py<PyAny>,
    cancelled: AtomicBool,
    /// It was put into the ring since there is more to be read, and need not be found.
    again: AtomicBool,
}

impl TransportHandle {
    /// In the transport's context, or a copy of the current one.
    pub fn new(transport: &Bound<'_, Transport>, side: Side) -> PyResult<TransportHandle> {
        let context = match transport.get().context(transport.py()) {
            Some(context) => context,
            None => copy_context(transport.py())?,
        };
        let py = transport.py();
        let name = side.method(py);
        let bound = transport.getattr(name)?;
        let (method, args) = match is_method_in_c(&bound, transport) {
            true => {
                (transport.get_type().getattr(name)?, Arguments::One(transport.clone().into_any().unbind()))
            }
            false => (bound, Arguments::None),
        };
        Ok(TransportHandle {
            method: method.unbind(),
            args,
            transport: transport.clone().unbind(),
            event_loop: transport.get().event_loop(transport.py()).unbind(),
            side,
            context: context.unbind(),
            cancelled: AtomicBool::new(false),
            again: AtomicBool::new(false),
        })
    }

    /// The fd is ready for this side. What the protocol raises is told to it or to the loop; SystemExit and KeyboardInterrupt
    /// come out, and so does what asyncio has its handles report. Returns whether it is known to be ready still.
    pub fn ready(&self, py: Python<'_>) -> PyResult<bool> {
        run_in(self.context.bind(py), self.method.bind(py), &self.args)?.is_truthy()
    }

    /// For people.
    fn callback_name(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("{}.{}()", self.transport.bind(py).get_type().name()?, self.side.method(py)))
    }

    /// `ready`, and the loop is told what that leaves to it: what an `asyncio.Handle` does by `_run`.
    pub fn run(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let (py, this) = (slf.py(), slf.get());
        this.leave_ring();
        let error = match this.ready(py) {
            Ok(more) => return Ok(more && !this.is_cancelled()),
            Err(error) => error,
        };
        if is_exit(py, &error) {
            return Err(error);
        }
        let context = PyDict::new(py);
        context.set_item("message", format!("Exception in callback {}", this.callback_name(py)?))?;
        context.set_item("exception", error.into_value(py))?;
        context.set_item("handle", slf)?;
        method1(this.event_loop.bind(py), intern!(py, "call_exception_handler"), &context)?;
        Ok(false)
    }

    /// It is put into the ring without having been found.
    pub fn go_again(&self) {
        self.again.store(true, Relaxed);
    }

    pub fn goes_again(&self) -> bool {
        self.again.load(Relaxed)
    }

    pub fn leave_ring(&self) {
        self.again.store(false, Relaxed);
    }

    pub fn context(&self) -> &Py<PyAny> {
        &self.context
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Relaxed)
    }
}

#[pymethods]
impl TransportHandle {
    fn _run(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::run(slf).map(drop)
    }

    /// Never runs any more.
    fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    /// Whether it is.
    fn cancelled(&self) -> bool {
        self.is_cancelled()
    }

    #[getter]
    fn _cancelled(&self) -> bool {
        self.is_cancelled()
    }

    #[getter]
    fn _context(&self) -> &Py<PyAny> {
        &self.context
    }

    #[getter]
    fn _callback<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.transport.bind(py).getattr(self.side.method(py))
    }

    #[getter]
    fn _args<'py>(&self, py: Python<'py>) -> Bound<'py, PyTuple> {
        PyTuple::empty(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let cancelled = if self.is_cancelled() { "cancelled " } else { "" };
        Ok(format!("<Handle {cancelled}{}>", self.callback_name(py)?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.transport)?;
        visit.call(&self.event_loop)?;
        visit.call(&self.method)?;
        self.args.traverse(&visit)?;
        visit.call(&self.context)
    }
}
