//! The calls of Winsock. A socket that asyncio has made not to block is all that they are for: no call can say so by itself.

use std::io::IoSlice;
use std::ptr::null_mut;

use windows_sys::Win32::Networking::WinSock::{
    ioctlsocket, recv, send as winsock_send, WSASend, FIONREAD, SOCKET, WSAENOTSOCK,
};

/// How many pieces one call takes. Winsock names no limit; it locks the memory of each.
pub const MOST_PIECES: usize = 64;

/// What the system says of a socket that was closed.
pub const CLOSED: i32 = WSAENOTSOCK;

/// A SOCKET as Python has it, which is a number that an int of C holds.
fn socket(fd: i32) -> SOCKET {
    fd as SOCKET
}

/// An int of C, as Winsock counts bytes; what does not fit is for the next call.
fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// # Safety
/// There is room for `length` bytes from `start` on.
pub unsafe fn receive(fd: i32, start: *mut u8, length: usize) -> isize {
    // SAFETY: as above.
    unsafe { recv(socket(fd), start, count(length), 0) as isize }
}

pub fn received(fd: i32) -> usize {
    let mut count = 0;
    // SAFETY: it writes one number.
    match unsafe { ioctlsocket(socket(fd), FIONREAD, &mut count) } {
        0 => count as usize,
        _ => 0,
    }
}

pub fn send(fd: i32, bytes: &[u8]) -> isize {
    // SAFETY: the system alone reads them, in this call.
    unsafe { winsock_send(socket(fd), bytes.as_ptr(), count(bytes.len()), 0) as isize }
}

pub fn send_pieces(fd: i32, pieces: &[IoSlice<'_>]) -> isize {
    let mut sent = 0;
    // SAFETY: an IoSlice is a WSABUF, by its documentation; the system alone reads the pieces, in this call, which is not
    // an overlapped one.
    let status = unsafe {
        WSASend(socket(fd), pieces.as_ptr().cast(), pieces.len() as u32, &mut sent, 0, null_mut(), None)
    };
    match status {
        0 => sent as isize,
        _ => -1,
    }
}
