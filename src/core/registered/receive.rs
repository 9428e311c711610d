//! L2. What streams read into: buffers of the guest's, lent for as long as a callback looks at them.
//!
//! Owns: the buffers that nobody uses at present. Host thread only. One is enough but for nested loops, where the views of the
//! callbacks on the stack stay valid.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use crate::core::waiting::inbox::Chunk;

/// As much as one read takes,
const SIZE: usize = 64 * 1024;
/// and when there is no memory for that.
const LITTLE: usize = 2048;
/// So many are kept.
const SPARE: usize = 2;

#[derive(Default)]
pub(crate) struct Receive {
    // Boxed: who reads has room for what it tells next, and nearly always tells nothing.
    #[allow(clippy::vec_box)]
    spare: RefCell<Vec<Box<Chunk>>>,
}

/// A buffer in use; it goes back when this is dropped, also by an exception that leaves the callback.
pub(crate) struct Received {
    /// Until the drop.
    chunk: Option<Box<Chunk>>,
    home: Rc<Receive>,
}

impl Receive {
    /// Fills a buffer by `read`, which says how much of it is filled.
    pub(crate) fn fill(
        self: &Rc<Self>,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<Received> {
        let spare = self.spare.borrow_mut().pop();
        let mut chunk = match spare {
            Some(chunk) => chunk,
            None => Box::new(Chunk { bytes: zeros(SIZE).or_else(|_| zeros(LITTLE))?, length: 0 }),
        };
        let length = read(&mut chunk.bytes);
        chunk.length = *length.as_ref().unwrap_or(&0);
        let received = Received { chunk: Some(chunk), home: self.clone() };
        length.map(|_| received)
    }

    /// What was read elsewhere.
    pub(crate) fn take_over(self: &Rc<Self>, chunk: Chunk) -> Received {
        Received { chunk: Some(Box::new(chunk)), home: self.clone() }
    }
}

fn zeros(size: usize) -> io::Result<Box<[u8]>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size)?;
    bytes.resize(size, 0);
    Ok(bytes.into())
}

impl Received {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.chunk.as_ref().map_or(&[], |chunk| &chunk.bytes[..chunk.length])
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        let mut spare = self.home.spare.borrow_mut();
        if spare.len() < SPARE {
            spare.extend(self.chunk.take_if(|chunk| chunk.bytes.len() == SIZE));
        }
    }
}
