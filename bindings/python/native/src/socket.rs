//! The system's calls for the data of a socket. None of them waits, and none raises SIGPIPE.
//!
//! Owns: nothing; the socket is the caller's, and does not block. A file for each system has the calls themselves, and one each
//! those for datagrams and pipes, which no native transport uses on Windows. The interpreter lock is kept, but for a large
//! send, which takes longer than to let go of it and to come back. Host thread.

#![allow(unsafe_code)]

#[cfg(unix)]
pub mod datagram;
#[cfg(unix)]
pub mod pipe;

#[cfg(unix)]
#[path = "socket/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "socket/windows.rs"]
mod system;

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::marker::PhantomData;

use pyo3::Python;

pub use system::{CLOSED, MOST_PIECES};

/// Bytes from which on other threads may run while the system copies.
const LARGE: usize = 128 * 1024;

/// Memory that the system may write to, and that need not have been written to yet.
pub struct Room<'a> {
    start: *mut u8,
    length: usize,
    lent: PhantomData<&'a mut [u8]>,
}

// SAFETY: what it stands for is a `&mut [u8]`, which another thread may have too; a `&Room` lends nothing.
unsafe impl Send for Room<'_> {}
// SAFETY: as above.
unsafe impl Sync for Room<'_> {}

impl<'a> Room<'a> {
    /// # Safety
    /// Nobody else reads or writes `length` bytes from `start` on, as long as `'a` lasts.
    pub unsafe fn new(start: *mut u8, length: usize) -> Room<'a> {
        Room { start, length, lent: PhantomData }
    }
}

impl<'a> From<&'a mut [u8]> for Room<'a> {
    fn from(memory: &'a mut [u8]) -> Room<'a> {
        Room { start: memory.as_mut_ptr(), length: memory.len(), lent: PhantomData }
    }
}

/// Receives; None: there is nothing now. 0 is the end.
pub fn receive(fd: i32, room: Room<'_>) -> Result<Option<usize>> {
    // SAFETY: there is room for as many bytes as it is told.
    without_waiting(|| unsafe { system::receive(fd, room.start, room.length) })
}

/// How many bytes `receive` would find.
pub fn received(fd: i32) -> usize {
    system::received(fd)
}

/// Sends; returns how much of it, or None: there is no room now.
pub fn send(py: Python<'_>, fd: i32, bytes: &[u8]) -> Result<Option<usize>> {
    let send = || without_waiting(|| system::send(fd, bytes));
    if bytes.len() < LARGE {
        send()
    } else {
        py.detach(send)
    }
}

/// The same for several pieces, at most `MOST_PIECES`.
pub fn send_pieces(py: Python<'_>, fd: i32, pieces: &[IoSlice<'_>]) -> Result<Option<usize>> {
    let total: usize = pieces.iter().map(|piece| piece.len()).sum();
    let send = || without_waiting(|| system::send_pieces(fd, pieces));
    if total < LARGE {
        send()
    } else {
        py.detach(send)
    }
}

/// `call`: what it has moved, or a number below 0 for the system's last error.
fn without_waiting(mut call: impl FnMut() -> isize) -> Result<Option<usize>> {
    loop {
        match once(&mut call) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

fn once(call: impl FnOnce() -> isize) -> Result<Option<usize>> {
    let count = call();
    if count >= 0 {
        return Ok(Some(count as usize));
    }
    let error = Error::last_os_error();
    match error.kind() {
        ErrorKind::WouldBlock => Ok(None),
        _ => Err(error),
    }
}
