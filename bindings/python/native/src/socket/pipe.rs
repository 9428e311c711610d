//! The calls for a pipe, or whatever the fd is. None waits, unless another process has made the pipe blocking, which has it
//! too; and none raises SIGPIPE, unless somebody has undone that Python ignores it.
//!
//! The interpreter lock is let go of: what such a call waits for may have to come from another thread. And a signal that
//! interrupts it has its handlers called, as Python's own calls have it (PEP 475); what one of them raises is the error.

use std::io::{Error, ErrorKind, IoSlice, Result};

use pyo3::Python;

use super::{once, Room};

/// Reads; None: there is nothing now. 0 is the end.
pub fn read(py: Python<'_>, fd: i32, room: Room<'_>) -> Result<Option<usize>> {
    interruptible(py, || {
        let room = &room;
        // SAFETY: there is room for as many bytes as it is told.
        unsafe { libc::read(fd, room.start.cast(), room.length) }
    })
}

/// Writes; returns how much of it, or None: there is no room now.
pub fn write(py: Python<'_>, fd: i32, bytes: &[u8]) -> Result<Option<usize>> {
    // SAFETY: the caller keeps the bytes alive; the system alone reads them.
    interruptible(py, || unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) })
}

/// The same for several pieces, at most `MOST_PIECES`.
pub fn write_pieces(py: Python<'_>, fd: i32, pieces: &[IoSlice<'_>]) -> Result<Option<usize>> {
    // SAFETY: as above; an IoSlice is an iovec, by its documentation.
    interruptible(py, || unsafe { libc::writev(fd, pieces.as_ptr().cast(), pieces.len() as _) })
}

fn interruptible(py: Python<'_>, call: impl Fn() -> isize + Sync) -> Result<Option<usize>> {
    loop {
        match py.detach(|| once(&call)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                py.check_signals().map_err(Error::other)?
            }
            outcome => return outcome,
        }
    }
}
