//! What a transport could not send yet.
//!
//! Owns: references to bytes objects, which nobody can change, and to the addresses of datagrams. Guarded by the transport's
//! lock, under which no object may end: what is done with is handed out.

use std::collections::VecDeque;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::socket::MOST_PIECES;

/// Bytes: no socket takes more at once.
const PLENTY: usize = 8 << 20;

/// Bytes from `start` on.
pub struct Chunk {
    pub bytes: Py<PyBytes>,
    pub start: usize,
    /// Where a datagram goes; None: where the socket is connected to.
    pub to: Option<Py<PyAny>>,
}

impl Chunk {
    pub fn rest<'a>(&'a self, py: Python<'a>) -> &'a [u8] {
        &self.bytes.as_bytes(py)[self.start..]
    }

    pub fn of(bytes: Py<PyBytes>) -> Chunk {
        Chunk { bytes, start: 0, to: None }
    }

    pub fn again(&self, py: Python<'_>) -> Chunk {
        let to = self.to.as_ref().map(|to| to.clone_ref(py));
        Chunk { bytes: self.bytes.clone_ref(py), start: self.start, to }
    }
}

/// First in, first out.
#[derive(Default)]
pub struct Queue {
    pub(super) chunks: VecDeque<Chunk>,
    /// Bytes that each chunk counts for beside its own.
    pub header: usize,
    /// Of all together.
    pub(super) length: usize,
}

impl Queue {
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// `chunk` is not empty, unless it is a datagram.
    pub fn push(&mut self, py: Python<'_>, chunk: Chunk) {
        self.length += chunk.rest(py).len() + self.header;
        self.chunks.push_back(chunk);
    }

    /// For Python's garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.chunks.iter().try_for_each(|chunk| visit.call(&chunk.to))
    }

    /// What one call of the system can take, and little more than it ever does take.
    pub fn head(&self, py: Python<'_>) -> Vec<Chunk> {
        let mut length = 0;
        let mut head = Vec::new();
        for chunk in self.chunks.iter().take(MOST_PIECES) {
            length += chunk.rest(py).len();
            head.push(chunk.again(py));
            if length >= PLENTY {
                break;
            }
        }
        head
    }

    /// So much has been sent. Returns what has gone by it.
    pub fn advance(&mut self, py: Python<'_>, mut sent: usize) -> Vec<Chunk> {
        let mut done = Vec::new();
        while let Some(first) = self.chunks.front_mut() {
            let left = first.rest(py).len();
            if sent < left {
                first.start += sent;
                self.length -= sent;
                break;
            }
            sent -= left;
            self.length -= left;
            done.extend(self.chunks.pop_front());
        }
        done
    }
}
