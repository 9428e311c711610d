//! The calls of POSIX and Linux. A socket may block: each call says that it must not.

use std::io::IoSlice;

/// How many pieces one call takes: the system's IOV_MAX.
pub const MOST_PIECES: usize = 1024;

/// What the system says of a socket that was closed.
pub const CLOSED: i32 = libc::EBADF;

/// # Safety
/// There is room for `length` bytes from `start` on.
pub unsafe fn receive(fd: i32, start: *mut u8, length: usize) -> isize {
    // SAFETY: as above.
    unsafe { libc::recv(fd, start.cast(), length, libc::MSG_DONTWAIT) }
}

pub fn received(fd: i32) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: it writes one int.
    let status = unsafe { libc::ioctl(fd, libc::FIONREAD, &mut count) };
    match usize::try_from(count) {
        Ok(count) if status == 0 => count,
        _ => 0,
    }
}

pub fn send(fd: i32, bytes: &[u8]) -> isize {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the system alone reads them, in this call.
    unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), flags) }
}

pub fn send_pieces(fd: i32, pieces: &[IoSlice<'_>]) -> isize {
    // SAFETY: all zeros is an empty message without an address.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = pieces.as_ptr().cast_mut().cast(); // an IoSlice is an iovec, by its documentation
    message.msg_iovlen = pieces.len() as _;
    // SAFETY: the system alone reads the pieces, in this call.
    unsafe { libc::sendmsg(fd, &message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) }
}
