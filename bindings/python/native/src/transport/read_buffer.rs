//! Where the transports of one loop receive before they know how much there is.
//!
//! Owns: the memory. Lent for one system call, which may let go of the interpreter lock: nothing is locked then.

use std::io::Result;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::socket::Room;

/// One per loop.
#[pyclass(frozen, module = "asyncguest._native")]
#[derive(Default)]
pub struct ReadBuffer(Mutex<Vec<u8>>);

#[pymethods]
impl ReadBuffer {
    #[new]
    fn new() -> ReadBuffer {
        ReadBuffer::default()
    }
}

impl ReadBuffer {
    /// The bytes of which `take` says how many it has written, at most `most`, and what else it says; None: nothing now.
    pub fn receive<'py, A>(
        &self,
        py: Python<'py>,
        most: usize,
        take: impl FnOnce(Room<'_>) -> Result<Option<(usize, A)>>,
    ) -> Result<Option<(Bound<'py, PyBytes>, A)>> {
        let mut memory = std::mem::take(&mut *self.memory());
        if memory.len() < most {
            memory = vec![0; most];
        }
        let taken = take(Room::from(&mut memory[..most]));
        let data = taken.map(|taken| taken.map(|(count, also)| (PyBytes::new(py, &memory[..count]), also)));
        *self.memory() = memory;
        data
    }

    fn memory(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
