//! What is ready: the entries that the next iteration runs, in order.
//!
//! Owns: the queue, which Python sees as `loop._ready`, with what a deque can do: asyncio's own code and those who iterate
//! the loop by hand use it so.

use std::collections::VecDeque;

use pyo3::exceptions::PyIndexError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList, PyTuple};

use crate::arguments::Arguments;
use crate::call::method;
use crate::guarded::Guarded;
use crate::handle::Handle;
use crate::timer::TimerHandle;
use crate::transport::TransportHandle;

/// Something that can be run. A new kind of it is one more line in each of these methods: whatever stands for an fd in the
/// selector comes by `of`.
pub enum Entry {
    /// A handle of this loop's.
    Own(Py<Handle>),
    /// A transport whose fd is ready.
    Transport(Py<TransportHandle>),
    /// One that asyncio has made, or somebody else: it is run by its `_run()`.
    Foreign(Py<PyAny>),
}

impl Entry {
    pub fn of(object: Bound<'_, PyAny>) -> Entry {
        if object.is_exact_instance_of::<Handle>() || object.is_exact_instance_of::<TimerHandle>() {
            if let Ok(handle) = object.cast::<Handle>() {
                return Entry::Own(handle.clone().unbind());
            }
        }
        match object.cast_into_exact::<TransportHandle>() {
            Ok(handle) => Entry::Transport(handle.unbind()),
            Err(other) => Entry::Foreign(other.into_inner().unbind()),
        }
    }

    /// Returns whether it is known to be ready again.
    #[inline]
    pub fn run(&self, py: Python<'_>) -> PyResult<bool> {
        match self {
            Entry::Own(handle) => Handle::run(handle.bind(py)).map(|()| false),
            Entry::Transport(handle) => TransportHandle::run(handle.bind(py)),
            Entry::Foreign(handle) => method(handle.bind(py), intern!(py, "_run")).map(|_| false),
        }
    }

    /// Whether it is in the ring since it was known to be ready again: what is found of it says the same.
    pub fn goes_again(&self) -> bool {
        matches!(self, Entry::Transport(handle) if handle.get().goes_again())
    }

    /// It is taken out of the ring, and may not be run.
    fn left(self, py: Python<'_>) -> Py<PyAny> {
        if let Entry::Transport(handle) = &self {
            handle.get().leave_ring();
        }
        self.object().clone_ref(py)
    }

    #[inline]
    pub fn is_cancelled(&self, py: Python<'_>) -> PyResult<bool> {
        match self {
            Entry::Own(handle) => Ok(handle.get().is_cancelled(py)),
            Entry::Transport(handle) => Ok(handle.get().is_cancelled()),
            Entry::Foreign(handle) => handle.bind(py).getattr(intern!(py, "_cancelled"))?.is_truthy(),
        }
    }

    /// What it is run in: no context can be entered twice.
    pub fn context<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Entry::Own(handle) => Ok(handle.get().context(py).into_pyobject(py)?),
            Entry::Transport(handle) => Ok(handle.get().context().bind(py).clone()),
            Entry::Foreign(handle) => handle.bind(py).getattr(intern!(py, "_context")),
        }
    }

    /// What it calls; None: it is cancelled, or is called by no name.
    pub fn callback<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self {
            Entry::Own(handle) => Ok(handle.get().callback(py)),
            Entry::Transport(_) => Ok(None),
            Entry::Foreign(handle) => handle.bind(py).getattr_opt(intern!(py, "_callback")),
        }
    }

    /// With what.
    pub fn args(&self, py: Python<'_>) -> PyResult<Arguments> {
        if let Entry::Own(handle) = self {
            if let Some(args) = handle.get().args(py) {
                return Ok(args);
            }
        }
        Arguments::of(self.object().bind(py).getattr(intern!(py, "_args"))?.cast_into::<PyTuple>()?)
    }

    /// Lets go of it: at once, for the thread is known to be attached.
    #[inline]
    pub fn release(self, py: Python<'_>) {
        match self {
            Entry::Own(handle) => handle.drop_ref(py),
            Entry::Transport(handle) => handle.drop_ref(py),
            Entry::Foreign(handle) => handle.drop_ref(py),
        }
    }

    pub fn object(&self) -> &Py<PyAny> {
        match self {
            Entry::Own(handle) => handle.as_any(),
            Entry::Transport(handle) => handle.as_any(),
            Entry::Foreign(handle) => handle,
        }
    }

    pub fn clone_ref(&self, py: Python<'_>) -> Entry {
        match self {
            Entry::Own(handle) => Entry::Own(handle.clone_ref(py)),
            Entry::Transport(handle) => Entry::Transport(handle.clone_ref(py)),
            Entry::Foreign(handle) => Entry::Foreign(handle.clone_ref(py)),
        }
    }
}

/// The queue.
#[pyclass(frozen, module = "asyncguest._native")]
#[derive(Default)]
pub struct Ready {
    entries: Guarded<VecDeque<Entry>>,
    /// For the next iteration, after all that this one queues: where asyncio's poller would find them.
    again: Guarded<Vec<Entry>>,
}

impl Ready {
    #[inline]
    pub fn push(&self, py: Python<'_>, entry: Entry) {
        self.entries.with(py, |entries| entries.push_back(entry));
    }

    /// Keeps one that was run and is known to be ready again, until the iteration has ended.
    pub fn push_again(&self, py: Python<'_>, entry: &Entry) {
        if let Entry::Transport(handle) = entry {
            handle.get().go_again();
            self.again.with(py, |again| again.push(entry.clone_ref(py)));
        }
    }

    /// An iteration has ended.
    #[inline]
    pub fn queue_again(&self, py: Python<'_>) {
        let again = self.again.with(py, std::mem::take);
        self.entries.with(py, |entries| entries.extend(again));
    }

    pub fn push_first(&self, py: Python<'_>, entry: Entry) {
        self.entries.with(py, |entries| entries.push_front(entry));
    }

    /// Puts one in where it has `before` others before it, or at the end.
    pub fn put(&self, py: Python<'_>, before: usize, entry: Entry) {
        self.entries.with(py, |entries| entries.insert(before.min(entries.len()), entry));
    }

    #[inline]
    pub fn take(&self, py: Python<'_>) -> Option<Entry> {
        self.entries.with(py, VecDeque::pop_front)
    }

    /// The one that came last.
    pub fn last(&self, py: Python<'_>) -> Option<Entry> {
        self.entries.with(py, |entries| entries.back().map(|it| it.clone_ref(py)))
    }

    pub fn take_last(&self, py: Python<'_>) -> Option<Entry> {
        self.entries.with(py, VecDeque::pop_back)
    }

    #[inline]
    pub fn count(&self, py: Python<'_>) -> usize {
        self.entries.with(py, |entries| entries.len())
    }

    /// Empties it. The caller drops what was in it.
    pub fn take_all(&self, py: Python<'_>) -> VecDeque<Entry> {
        self.queue_again(py);
        self.entries.with(py, std::mem::take)
    }

    /// Puts all of an iterable in, at the end.
    pub fn take_in(&self, objects: &Bound<'_, PyAny>) -> PyResult<()> {
        for object in objects.try_iter()? {
            self.push(objects.py(), Entry::of(object?));
        }
        Ok(())
    }

    pub fn list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let all: Vec<_> =
            self.entries.with(py, |entries| entries.iter().map(|it| it.object().clone_ref(py)).collect());
        PyList::new(py, all)
    }
}

fn empty() -> PyErr {
    PyIndexError::new_err("nothing is ready")
}

#[pymethods]
impl Ready {
    fn __len__(&self, py: Python<'_>) -> usize {
        self.count(py)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.list(py)?.try_iter()
    }

    fn __contains__(&self, object: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.list(object.py())?.contains(object)
    }

    fn __getitem__<'py>(&self, py: Python<'py>, place: isize) -> PyResult<Py<PyAny>> {
        self.entries
            .with(py, |entries| {
                let place = if place < 0 { place + entries.len() as isize } else { place };
                Some(entries.get(usize::try_from(place).ok()?)?.object().clone_ref(py))
            })
            .ok_or_else(empty)
    }

    fn append(&self, handle: Bound<'_, PyAny>) {
        self.push(handle.py(), Entry::of(handle));
    }

    fn appendleft(&self, handle: Bound<'_, PyAny>) {
        self.push_first(handle.py(), Entry::of(handle));
    }

    fn popleft(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.take(py).map(|entry| entry.left(py)).ok_or_else(empty)
    }

    fn pop(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.take_last(py).map(|entry| entry.left(py)).ok_or_else(empty)
    }

    fn clear(&self, py: Python<'_>) {
        drop(self.take_all(py).into_iter().map(|entry| entry.left(py)).collect::<Vec<_>>());
    }

    fn extend(&self, handles: &Bound<'_, PyAny>) -> PyResult<()> {
        self.take_in(handles)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Ready({})", self.list(py)?.repr()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let entries =
            self.entries.visited(|entries| entries.iter().try_for_each(|entry| visit.call(entry.object())));
        entries.unwrap_or(Ok(()))?;
        let again = self.again.visited(|again| again.iter().try_for_each(|entry| visit.call(entry.object())));
        again.unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.take_all(py));
    }
}
