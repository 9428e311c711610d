//! Handles that were run and that nobody has kept: they are used again, which takes half as long as to make one.
//!
//! Owns: the handles, which are empty.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::guarded::Guarded;
use crate::handle::{Handle, State};
use crate::memory::{has_weak_references, is_held_here_alone};

/// What is more is freed.
const MOST: usize = 128;

/// Of one loop.
#[derive(Default)]
pub struct Spare(Guarded<Vec<Py<Handle>>>);

impl Spare {
    /// A handle of this state.
    #[inline]
    pub fn handle(&self, py: Python<'_>, state: State) -> PyResult<Py<Handle>> {
        while let Some(spare) = self.0.with(py, Vec::pop) {
            // The garbage collector may have shown it to somebody.
            if is_free(spare.bind(py)) {
                spare.get().fill(py, state);
                return Ok(spare);
            }
            spare.drop_ref(py);
        }
        Py::new(py, Handle::of(state))
    }

    /// Keeps a handle that has run, if it can become another one: nobody else has it, and it is no timer's.
    #[inline]
    pub fn keep(&self, py: Python<'_>, handle: Py<Handle>) {
        let bound = handle.bind(py);
        if bound.is_exact_instance_of::<Handle>() && is_free(bound) {
            handle.get().clear(py);
            if self.0.with(py, |spare| spare.len()) < MOST {
                return self.0.with(py, |spare| spare.push(handle));
            }
        }
        handle.drop_ref(py);
    }
}

/// Whether nobody else knows it, weakly or otherwise.
#[inline]
fn is_free(handle: &Bound<'_, Handle>) -> bool {
    static OFFSET: PyOnceLock<usize> = PyOnceLock::new();
    let offset =
        OFFSET.get_or_try_init(handle.py(), || handle.get_type().getattr("__weakrefoffset__")?.extract());
    is_held_here_alone(handle) && offset.is_ok_and(|offset| !has_weak_references(handle, *offset))
}
