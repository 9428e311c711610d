//! A connection to a signal: what is connected, and how that is taken back.
//!
//! Owns: what is connected, if the sender does not. Host thread, except that a sender emits, and goes, on any.
//!
//! ```text
//! sender --holds--> Slot --> Receiver <-- the task that waits
//!                    ^                       |
//!                    `------ weakly ---- Connection
//! ```
//! Senders tell their end by nothing else than that they let the slot go.

use pyo3::exceptions::{PyException, PyRuntimeError, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyWeakrefMethods, PyWeakrefReference};

use crate::call::{call, method1};
use crate::guarded::Guarded;
use crate::memory::is_held_here_alone;
use crate::receiver::Receiver;

/// What is connected.
#[pyclass(frozen, weakref, module = "asyncguest._native")]
pub struct Slot {
    receiver: Py<Receiver>,
    /// Makes what outlives the emission of its arguments.
    copied: Option<Py<PyAny>>,
}

#[pymethods]
impl Slot {
    #[pyo3(signature = (*args))]
    fn __call__(&self, args: &Bound<'_, PyTuple>) -> PyResult<()> {
        let py = args.py();
        let copied = self.copied.as_ref().map(|copied| copied.bind(py));
        Receiver::arrive(self.receiver.bind(py), args, copied).map(drop)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.receiver)?;
        visit.call(&self.copied)
    }
}

/// One, until it is called.
#[pyclass(frozen, module = "asyncguest._native")]
pub struct Connection {
    source: Py<PyAny>,
    /// `is_alive(made)` is asked before a disconnect, of what `source.connect` has returned. Else that is not kept: with many
    /// libraries it is the slot itself, for they are decorators, too.
    alive: Option<(Py<PyAny>, Py<PyAny>)>,
    held: Guarded<Held>,
}

enum Held {
    /// The sender holds it: when it lets go, it is gone, and `receiver` is told.
    Weakly(Py<PyWeakrefReference>),
    /// The sender holds it weakly.
    Here(Py<PyAny>),
    Over,
}

/// Connects `receiver` by `source.connect`. What is connected is `kind(receiver)`, or, None, a slot of ours, which hands
/// arguments on as `copied(args)` makes them.
#[pyfunction]
#[pyo3(signature = (source, receiver, /, *, kind=None, copied=None, is_alive=None))]
pub fn connect(
    source: &Bound<'_, PyAny>,
    receiver: &Bound<'_, Receiver>,
    kind: Option<&Bound<'_, PyAny>>,
    copied: Option<Py<PyAny>>,
    is_alive: Option<Py<PyAny>>,
) -> PyResult<Connection> {
    let py = source.py();
    let slot = match kind {
        Some(kind) => call(kind, (receiver,))?,
        None => Bound::new(py, Slot { receiver: receiver.clone().unbind(), copied })?.into_any(),
    };
    let made = method1(source, intern!(py, "connect"), &slot).inspect_err(|error| {
        if is_cut(py, error) {
            let _ = disconnect(source, &slot); // if it had come so far
        }
    })?;
    let alive = is_alive.map(|is_alive| (is_alive, made.unbind()));
    let held = match is_held_here_alone(&slot) {
        true => Held::Here(slot.unbind()),
        false => Held::Weakly(PyWeakrefReference::new_with(&slot, receiver)?.unbind()),
    };
    Ok(Connection { source: source.clone().unbind(), alive, held: Guarded::new(held) })
}

#[pymethods]
impl Connection {
    /// Disconnects. Harmless if the sender is gone.
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let slot = match self.held.replace(py, Held::Over) {
            Held::Weakly(watch) => watch.bind(py).upgrade(), // from here on it may go
            Held::Here(slot) => return disconnect(self.source.bind(py), slot.bind(py)),
            Held::Over => None,
        };
        let Some(slot) = slot else { return Ok(()) };
        let source = self.source.bind(py);
        match self.is_there(py).and_then(|is_there| if is_there { disconnect(source, &slot) } else { Ok(()) })
        {
            // The sender is just being destroyed.
            Err(error)
                if error.is_instance_of::<PyTypeError>(py) || error.is_instance_of::<PyRuntimeError>(py) =>
            {
                Ok(())
            }
            ended => ended,
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.source)?;
        if let Some((is_alive, made)) = &self.alive {
            visit.call(is_alive)?;
            visit.call(made)?;
        }
        self.held
            .visited(|held| match held {
                Held::Weakly(watch) => visit.call(watch),
                Held::Here(slot) => visit.call(slot),
                Held::Over => Ok(()),
            })
            .unwrap_or(Ok(()))
    }
}

impl Connection {
    fn is_there(&self, py: Python<'_>) -> PyResult<bool> {
        match &self.alive {
            Some((is_alive, made)) => call(is_alive.bind(py), (made,))?.is_truthy(),
            None => Ok(true),
        }
    }
}

/// `source.disconnect(slot)`, a second time if the first one is cut.
fn disconnect(source: &Bound<'_, PyAny>, slot: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = source.py();
    let once = || method1(source, intern!(py, "disconnect"), slot).map(drop);
    once().inspect_err(|error| {
        if is_cut(py, error) {
            let _ = once(); // it says so, if the first one had come so far
        }
    })
}

/// By Ctrl-C, at any line of a sender that is written in Python.
fn is_cut(py: Python<'_>, error: &PyErr) -> bool {
    !error.is_instance_of::<PyException>(py)
}
