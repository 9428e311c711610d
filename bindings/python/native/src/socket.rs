//! The system's calls for the data of a socket or a pipe. None of them waits, unless it is a pipe that another process has
//! made blocking, which has it too; and none raises SIGPIPE, unless it is a pipe and somebody has undone that Python ignores it.
//!
//! Owns: nothing; the fd is the caller's. The interpreter lock is kept for sockets, but for a large send, which takes longer
//! than to let go of it and to come back. For pipes it is let go of: what such a call waits for may have to come from another
//! thread. Host thread.

#![allow(unsafe_code)]

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::marker::PhantomData;
use std::mem::{offset_of, size_of, zeroed};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::slice::from_raw_parts;

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

// SAFETY: what it stands for is a `&mut [u8]`, which another thread may have too.
unsafe impl Send for Room<'_> {}

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

/// The same from a pipe, or whatever the fd is.
pub fn read(py: Python<'_>, fd: i32, room: Room<'_>) -> Result<Option<usize>> {
    py.detach(move || {
        let room = room;
        // SAFETY: there is room for as many bytes as it is told.
        without_waiting(|| unsafe { libc::read(fd, room.start.cast(), room.length) })
    })
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

/// The same to a pipe, or whatever the fd is.
pub fn write(py: Python<'_>, fd: i32, bytes: &[u8]) -> Result<Option<usize>> {
    // SAFETY: the caller keeps the bytes alive; the system alone reads them.
    py.detach(|| without_waiting(|| unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) }))
}

/// The same for several pieces, at most `MOST_PIECES`.
pub fn write_pieces(py: Python<'_>, fd: i32, pieces: &[IoSlice<'_>]) -> Result<Option<usize>> {
    // SAFETY: as above; an IoSlice is an iovec, by its documentation.
    py.detach(|| without_waiting(|| unsafe { libc::writev(fd, pieces.as_ptr().cast(), pieces.len() as _) }))
}

/// Who has sent a datagram.
pub enum Sender {
    Internet(SocketAddr),
    /// A Unix socket, by its path, and by its name, which begins with a NUL and is in no file system.
    Path(Vec<u8>),
    Abstract(Vec<u8>),
    Nameless,
}

/// Receives one datagram, of which the system drops what is more than the room; None: there is none now.
pub fn receive_from(fd: i32, room: Room<'_>) -> Result<Option<(usize, Sender)>> {
    // SAFETY: all zeros is an address.
    let mut from: libc::sockaddr_storage = unsafe { zeroed() };
    let mut length: libc::socklen_t = 0;
    let count = without_waiting(|| {
        length = size_of::<libc::sockaddr_storage>() as _;
        let (start, from) = (room.start.cast(), (&raw mut from).cast());
        // SAFETY: there is room for as many bytes as it is told, twice.
        unsafe { libc::recvfrom(fd, start, room.length, libc::MSG_DONTWAIT, from, &mut length) }
    })?;
    Ok(count.map(|count| (count, sender(&from, length as usize))))
}

fn sender(from: &libc::sockaddr_storage, length: usize) -> Sender {
    if length == 0 {
        return Sender::Nameless;
    }
    let from: *const libc::sockaddr_storage = from;
    // SAFETY: there is room for any address, and the family says which one it is.
    unsafe {
        match i32::from((*from).ss_family) {
            libc::AF_INET => {
                let from = &*from.cast::<libc::sockaddr_in>();
                let host = u32::from_be(from.sin_addr.s_addr).into();
                Sender::Internet(SocketAddrV4::new(host, u16::from_be(from.sin_port)).into())
            }
            libc::AF_INET6 => {
                let from = &*from.cast::<libc::sockaddr_in6>();
                let (host, port) = (from.sin6_addr.s6_addr.into(), u16::from_be(from.sin6_port));
                let flow = u32::from_be(from.sin6_flowinfo);
                Sender::Internet(SocketAddrV6::new(host, port, flow, from.sin6_scope_id).into())
            }
            _ => {
                let path = offset_of!(libc::sockaddr_un, sun_path);
                let path = from_raw_parts(from.cast::<u8>().add(path), length.saturating_sub(path));
                match path.iter().position(|byte| *byte == 0) {
                    Some(0) => Sender::Abstract(path.to_vec()),
                    end => Sender::Path(path[..end.unwrap_or(path.len())].to_vec()),
                }
            }
        }
    }
}

/// Sends one datagram. Whether there was room for it.
pub fn send_to(fd: i32, bytes: &[u8], to: &SocketAddr) -> Result<bool> {
    // SAFETY: all zeros is an address, of either kind.
    let (mut v4, mut v6): (libc::sockaddr_in, libc::sockaddr_in6) = unsafe { (zeroed(), zeroed()) };
    let (to, length): (*const libc::sockaddr, usize) = match to {
        SocketAddr::V4(to) => {
            v4.sin_family = libc::AF_INET as _;
            v4.sin_port = to.port().to_be();
            v4.sin_addr.s_addr = u32::from(*to.ip()).to_be();
            ((&raw const v4).cast(), size_of::<libc::sockaddr_in>())
        }
        SocketAddr::V6(to) => {
            v6.sin6_family = libc::AF_INET6 as _;
            v6.sin6_port = to.port().to_be();
            v6.sin6_flowinfo = to.flowinfo().to_be();
            v6.sin6_addr.s6_addr = to.ip().octets();
            v6.sin6_scope_id = to.scope_id();
            ((&raw const v6).cast(), size_of::<libc::sockaddr_in6>())
        }
    };
    let (start, flags) = (bytes.as_ptr().cast(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
    // SAFETY: the bytes and the address are alive; the system alone reads them.
    let sent = without_waiting(|| unsafe { libc::sendto(fd, start, bytes.len(), flags, to, length as _) })?;
    Ok(sent.is_some())
}

fn without_waiting(mut call: impl FnMut() -> isize) -> Result<Option<usize>> {
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
