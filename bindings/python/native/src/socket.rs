//! The system's calls for the data of a socket. None of them waits, and none raises SIGPIPE.
//!
//! Owns: nothing; the fd is the caller's. The interpreter lock is kept, but for a large send, which takes longer than to let
//! go of it and to come back. Host thread.

#![allow(unsafe_code)]

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::marker::PhantomData;

use pyo3::Python;

/// Bytes from which on other threads may run while the system copies.
const LARGE: usize = 128 * 1024;

/// How many pieces one call takes: the system's IOV_MAX.
pub const MOST_PIECES: usize = 1024;

/// Memory that the system may write to, and that need not have been written to yet.
pub struct Room<'a> {
    start: *mut u8,
    length: usize,
    lent: PhantomData<&'a mut [u8]>,
}

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
    without_waiting(|| unsafe { libc::recv(fd, room.start.cast(), room.length, libc::MSG_DONTWAIT) })
}

/// How many bytes `receive` would find.
pub fn received(fd: i32) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: it writes one int.
    let status = unsafe { libc::ioctl(fd, libc::FIONREAD, &mut count) };
    match usize::try_from(count) {
        Ok(count) if status == 0 => count,
        _ => 0,
    }
}

/// Sends; returns how much of it, or None: there is no room now.
pub fn send(py: Python<'_>, fd: i32, bytes: &[u8]) -> Result<Option<usize>> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the caller keeps the bytes alive; the system alone reads them.
    let send = || without_waiting(|| unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), flags) });
    if bytes.len() < LARGE {
        send()
    } else {
        py.detach(send)
    }
}

/// The same for several pieces, at most `MOST_PIECES`.
pub fn send_pieces(py: Python<'_>, fd: i32, pieces: &[IoSlice<'_>]) -> Result<Option<usize>> {
    let total: usize = pieces.iter().map(|piece| piece.len()).sum();
    let send = || {
        // SAFETY: all zeros is an empty message without an address.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = pieces.as_ptr().cast_mut().cast(); // an IoSlice is an iovec, by its documentation
        message.msg_iovlen = pieces.len() as _;
        // SAFETY: the caller keeps the pieces alive; the system alone reads them.
        without_waiting(|| unsafe { libc::sendmsg(fd, &message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) })
    };
    if total < LARGE {
        send()
    } else {
        py.detach(send)
    }
}

fn without_waiting(call: impl Fn() -> isize) -> Result<Option<usize>> {
    loop {
        let count = call();
        if count >= 0 {
            return Ok(Some(count as usize));
        }
        let error = Error::last_os_error();
        match error.kind() {
            ErrorKind::WouldBlock => return Ok(None),
            ErrorKind::Interrupted => {}
            _ => return Err(error),
        }
    }
}
