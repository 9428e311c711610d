//! What a transport could not send yet.
//!
//! Owns: references to bytes objects, which nobody can change. Guarded by the transport's lock, under which no object may
//! end: what is done with is handed out.

use std::collections::VecDeque;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::socket::MOST_PIECES;

/// Bytes: no socket takes more at once.
const PLENTY: usize = 8 << 20;

/// Bytes from `start` on.
pub struct Chunk {
    pub bytes: Py<PyBytes>,
    pub start: usize,
}

impl Chunk {
    pub fn rest<'a>(&'a self, py: Python<'a>) -> &'a [u8] {
        &self.bytes.as_bytes(py)[self.start..]
    }

    fn again(&self, py: Python<'_>) -> Chunk {
        Chunk { bytes: self.bytes.clone_ref(py), start: self.start }
    }
}

/// First in, first out.
#[derive(Default)]
pub struct Queue {
    chunks: VecDeque<Chunk>,
    /// Of all together.
    length: usize,
}

impl Queue {
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// `chunk` is not empty.
    pub fn push(&mut self, py: Python<'_>, chunk: Chunk) {
        self.length += chunk.rest(py).len();
        self.chunks.push_back(chunk);
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
