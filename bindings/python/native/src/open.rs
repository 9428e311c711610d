//! The reactors that are not closed: for the child of a fork, and for figures.
//!
//! Owns: a weak reference to each, by its address; one whose reactor is gone makes room for the next one at that address.
//! Any thread, with the interpreter lock.
//!
//! It is Rust's own and no set of Python's, since no Python code may run below a function of this module: when the
//! interpreter goes, CPython ends the threads that run Python code by unwinding their stacks, and Rust's cannot be.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

/// Locked for a moment, and never while anything of Python's is freed.
static OPEN: Mutex<BTreeMap<usize, Py<PyWeakrefReference>>> = Mutex::new(BTreeMap::new());

fn references() -> MutexGuard<'static, BTreeMap<usize, Py<PyWeakrefReference>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn address(reactor: &Bound<'_, PyAny>) -> usize {
    reactor.as_ptr().addr()
}

/// It is open from here on.
pub fn add(reactor: &Bound<'_, PyAny>) -> PyResult<()> {
    let reference = PyWeakrefReference::new(reactor)?.unbind();
    let before = references().insert(address(reactor), reference);
    drop(before); // the lock is not held
    Ok(())
}

/// It is closed.
pub fn discard(reactor: &Bound<'_, PyAny>) {
    let reference = references().remove(&address(reactor));
    drop(reference); // the lock is not held
}

/// The reactors that are not closed. Any thread.
#[pyfunction]
pub fn open_reactors(py: Python<'_>) -> Vec<Py<PyAny>> {
    let references: Vec<_> = references().values().map(|reference| reference.clone_ref(py)).collect();
    references.iter().filter_map(|reference| reference.bind(py).upgrade()).map(Bound::unbind).collect()
}
