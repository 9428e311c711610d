//! Where the transports of one loop receive before they know how much there is.
//!
//! Owns: the memory. Lent for one system call, with the interpreter lock held.

use std::io::Result;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::socket::{self, Room};

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
    /// Receives at most `most` bytes; None: there is nothing now. No bytes are the end.
    pub fn receive<'py>(&self, py: Python<'py>, fd: i32, most: usize) -> Result<Option<Bound<'py, PyBytes>>> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() < most {
            *memory = vec![0; most];
        }
        let count = socket::receive(fd, Room::from(&mut memory[..most]))?;
        Ok(count.map(|count| PyBytes::new(py, &memory[..count])))
    }
}
