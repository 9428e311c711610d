//! L1. Sockets: made, connected, read, written and accepted without ever blocking.
//!
//! Owns: the fd of one socket, closed when it is dropped. Host thread. Imports libc only.
//!
//! No call raises SIGPIPE, and none is interrupted for its caller: what a signal has cut short is done again. That it does not
//! block each call asks for itself: O_NONBLOCK is the open file's, and who shares an adopted one may take it away.

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::{size_of, size_of_val, MaybeUninit};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use crate::sys::address::Address;

/// A socket of a connection, one that listens, or one for datagrams.
pub(crate) struct Socket {
    fd: OwnedFd,
    /// The flags that it had before it was adopted; `None`: the library has made it.
    adopted: Option<c_int>,
}

/// What a socket is set to besides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SocketOption {
    /// TCP: small writes are not held back.
    NoDelay,
    /// The system asks a silent peer now and then whether it is still there.
    KeepAlive,
    /// TCP over IPv6: takes no IPv4 connections.
    OnlyV6,
    /// Several sockets may listen at one address, and share what comes.
    ReusePort,
    ReuseAddress,
    /// UDP: may send to all hosts of a network at once.
    Broadcast,
}

/// How everything is sent.
const SEND: c_int = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;

impl Socket {
    /// A socket of that family and kind, [`STREAM`] or [`DATAGRAM`].
    pub(crate) fn new(family: i32, kind: i32) -> io::Result<Socket> {
        let flags = kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: no memory is involved.
        owned(unsafe { libc::socket(family, flags, 0) })
    }

    /// Takes a socket over that somebody has made, if it is of that kind and listens or not; it no longer blocks from here
    /// on. When it fails, the fd stays the caller's.
    pub(crate) fn adopt(fd: RawFd, kind: i32, listening: bool) -> io::Result<Socket> {
        let listens = get(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN)? != 0;
        if get(fd, libc::SOL_SOCKET, libc::SO_TYPE)? != kind || listens != listening {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: no memory is involved.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
        // SAFETY: as above.
        if flags < 0 || unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it is open, and its owner gives it away.
        Ok(Socket { fd: unsafe { OwnedFd::from_raw_fd(fd) }, adopted: Some(flags) })
    }

    /// Whether somebody else has made it.
    pub(crate) fn is_adopted(&self) -> bool {
        self.adopted.is_some()
    }

    /// It is not kept after all: an adopted one goes back to its owner as it was, any other is closed.
    pub(crate) fn give_back(self) {
        if let Some(flags) = self.adopted {
            let fd = self.fd.into_raw_fd();
            // SAFETY: no memory is involved.
            unsafe { libc::fcntl(fd, libc::F_SETFL, flags) };
        }
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Begins to connect. Says whether that is all: else it is writable when [`Socket::is_connected`] has an answer.
    pub(crate) fn connect(&self, to: &Address) -> io::Result<bool> {
        // SAFETY: `length` bytes of the address are there; the call copies them.
        let done = unsafe { libc::connect(self.fd(), sockaddr(to), to.length) };
        match succeeded(done) {
            Err(e) if matches!(e.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR)) => Ok(false),
            done => done.map(|()| true),
        }
    }

    /// Whether the connection stands; an error if it has failed.
    pub(crate) fn is_connected(&self) -> io::Result<bool> {
        match get(self.fd(), libc::SOL_SOCKET, libc::SO_ERROR)? {
            0 => match self.peer() {
                Err(e) if e.raw_os_error() == Some(libc::ENOTCONN) => Ok(false),
                peer => peer.map(|_| true),
            },
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Takes what has come, 0 bytes at the end.
    pub(crate) fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        receive(self.fd(), into)
    }

    /// Takes one datagram, and tells whence it came. EMSGSIZE: it did not fit, and is gone.
    pub(crate) fn receive_from(&self, into: &mut [u8]) -> io::Result<(usize, Address)> {
        let mut from = [0u64; 16];
        let mut length = size_of_val(&from) as libc::socklen_t;
        // SAFETY: `into` and `from` are writable for their whole lengths.
        let size = again(|| unsafe {
            let (bytes, name) = (into.as_mut_ptr().cast(), from.as_mut_ptr().cast());
            libc::recvfrom(
                self.fd(),
                bytes,
                into.len(),
                libc::MSG_TRUNC | libc::MSG_DONTWAIT,
                name,
                &mut length,
            )
        })?;
        if size > into.len() {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        Ok((size, named(from, length)))
    }

    /// Sends some of what the slices have, in order.
    pub(crate) fn send(&self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        if let [slice] = slices {
            // SAFETY: the slice is readable for its whole length.
            return again(|| unsafe { libc::send(self.fd(), slice.as_ptr().cast(), slice.len(), SEND) });
        }
        self.send_to(slices, None)
    }

    /// The same to an address, as one datagram.
    pub(crate) fn send_to(&self, slices: &[io::IoSlice<'_>], to: Option<&Address>) -> io::Result<usize> {
        // SAFETY: all zero is an empty message.
        let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
        if let Some(to) = to {
            message.msg_name = sockaddr(to).cast_mut().cast();
            message.msg_namelen = to.length;
        }
        // An IoSlice is an iovec; the call does not write to them.
        message.msg_iov = slices.as_ptr().cast::<libc::iovec>().cast_mut();
        // Of another type in each libc.
        message.msg_iovlen = slices.len() as _;
        // SAFETY: the message and what it refers to outlive the call.
        again(|| unsafe { libc::sendmsg(self.fd(), &message, SEND) })
    }

    /// The peer is told that no more comes.
    pub(crate) fn end_writing(&self) -> io::Result<()> {
        // SAFETY: no memory is involved.
        succeeded(unsafe { libc::shutdown(self.fd(), libc::SHUT_WR) })
    }

    /// The peer learns that not all was read that it has sent: where the system still had it, closing would tell.
    pub(crate) fn reset_when_closed(&self) {
        let value = libc::linger { l_onoff: 1, l_linger: 0 };
        // What is no TCP knows no reset.
        let _ = self.set_value(libc::SOL_SOCKET, libc::SO_LINGER, &value);
    }

    pub(crate) fn bind(&self, at: &Address) -> io::Result<()> {
        // SAFETY: `length` bytes of the address are there; the call copies them.
        succeeded(unsafe { libc::bind(self.fd(), sockaddr(at), at.length) })
    }

    /// Binds to an address and begins to listen there.
    pub(crate) fn listen(&self, at: &Address, backlog: i32) -> io::Result<()> {
        self.bind(at)?;
        // SAFETY: no memory is involved.
        succeeded(unsafe { libc::listen(self.fd(), backlog) })
    }

    /// A connection that waits to be accepted.
    pub(crate) fn accept(&self) -> io::Result<Socket> {
        if let Some(flags) = self.adopted {
            // There is no flag of the call's for it. SAFETY: no memory is involved.
            unsafe { libc::fcntl(self.fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) };
        }
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let null = std::ptr::null_mut();
        // SAFETY: with NULL the peer's address is not asked for.
        let fd = again(|| unsafe { libc::accept4(self.fd(), null, null.cast(), flags) as isize })?;
        owned(fd as RawFd)
    }

    /// Where it is bound.
    pub(crate) fn local(&self) -> io::Result<Address> {
        self.name(libc::getsockname)
    }

    /// The other end.
    pub(crate) fn peer(&self) -> io::Result<Address> {
        self.name(libc::getpeername)
    }

    fn name(
        &self,
        ask: unsafe extern "C" fn(c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> c_int,
    ) -> io::Result<Address> {
        let mut sockaddr = [0u64; 16];
        let mut length = size_of_val(&sockaddr) as libc::socklen_t;
        // SAFETY: `length` bytes are writable there.
        succeeded(unsafe { ask(self.fd(), sockaddr.as_mut_ptr().cast(), &mut length) })?;
        Ok(named(sockaddr, length))
    }

    pub(crate) fn set(&self, option: SocketOption, on: bool) -> io::Result<()> {
        let (level, name) = match option {
            SocketOption::NoDelay => (libc::IPPROTO_TCP, libc::TCP_NODELAY),
            SocketOption::KeepAlive => (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
            SocketOption::OnlyV6 => (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
            SocketOption::ReusePort => (libc::SOL_SOCKET, libc::SO_REUSEPORT),
            SocketOption::ReuseAddress => (libc::SOL_SOCKET, libc::SO_REUSEADDR),
            SocketOption::Broadcast => (libc::SOL_SOCKET, libc::SO_BROADCAST),
        };
        self.set_value(level, name, &c_int::from(on))
    }

    fn set_value<T>(&self, level: c_int, name: c_int, value: &T) -> io::Result<()> {
        let size = size_of::<T>() as libc::socklen_t;
        // SAFETY: `value` is readable for its whole size.
        succeeded(unsafe { libc::setsockopt(self.fd(), level, name, std::ptr::from_ref(value).cast(), size) })
    }

    /// For a forked child, where it is never dropped.
    pub(crate) fn close_in_child(&self) {
        // SAFETY: the child's copy of an fd that nothing in the child uses any more.
        unsafe { libc::close(self.fd()) };
    }
}

/// [`Socket::receive`], by an fd that the caller knows to be open.
pub(crate) fn receive(fd: RawFd, into: &mut [u8]) -> io::Result<usize> {
    // SAFETY: `into` is writable for its whole length.
    again(|| unsafe { libc::recv(fd, into.as_mut_ptr().cast(), into.len(), libc::MSG_DONTWAIT) })
}

/// The address of a Unix socket; `None` if the path is empty or too long for one.
pub(crate) fn unix_address(path: &std::ffi::CStr) -> Option<Address> {
    const HEAD: usize = size_of::<libc::sa_family_t>();
    let path = path.to_bytes_with_nul();
    if path.len() < 2 || HEAD + path.len() > size_of::<libc::sockaddr_un>() {
        return None;
    }
    let bytes = [&(libc::AF_UNIX as libc::sa_family_t).to_ne_bytes(), path].concat();
    // SAFETY: all of the vector.
    unsafe { Address::copied(bytes.as_ptr(), bytes.len(), [libc::AF_UNIX, 0, 0]) }
}

/// Whether this system has them.
pub(crate) const SOCKETS: bool = true;
/// An IPv4 address as a socket of IPv6 names it (`::ffff:192.0.2.1`); any other as it is.
pub(crate) fn as_v6(given: &Address) -> Address {
    if given.family != libc::AF_INET {
        return *given;
    }
    // SAFETY: the array is as aligned and longer, and every bit pattern is an address.
    let v4 = unsafe { given.sockaddr.as_ptr().cast::<libc::sockaddr_in>().read() };
    // SAFETY: all zero is an address: plain numbers.
    let mut v6: libc::sockaddr_in6 = unsafe { MaybeUninit::zeroed().assume_init() };
    v6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
    v6.sin6_port = v4.sin_port;
    (v6.sin6_addr.s6_addr[10], v6.sin6_addr.s6_addr[11]) = (0xff, 0xff);
    v6.sin6_addr.s6_addr[12..].copy_from_slice(&v4.sin_addr.s_addr.to_ne_bytes());
    let mut sockaddr = [0u64; 16];
    // SAFETY: as above.
    unsafe { sockaddr.as_mut_ptr().cast::<libc::sockaddr_in6>().write(v6) };
    address(libc::AF_INET6, size_of::<libc::sockaddr_in6>() as u32, sockaddr)
}

/// What a server asks getaddrinfo for: TCP, at an address and a port in numbers, so that nothing is looked up.
pub(crate) const NUMBERS: i32 = libc::AI_NUMERICHOST | libc::AI_NUMERICSERV;
pub(crate) const PASSIVE: i32 = libc::AI_PASSIVE;
pub(crate) const STREAM: i32 = libc::SOCK_STREAM;
pub(crate) const DATAGRAM: i32 = libc::SOCK_DGRAM;
pub(crate) const V6: i32 = libc::AF_INET6;

/// What the system has written: the family is in its first two bytes.
fn named(sockaddr: [u64; 16], length: u32) -> Address {
    let [low, high, ..] = sockaddr[0].to_ne_bytes();
    address(libc::sa_family_t::from_ne_bytes([low, high]).into(), length, sockaddr)
}

/// One whose kind of socket nobody has said.
fn address(family: i32, length: u32, sockaddr: [u64; 16]) -> Address {
    Address { family, length, sockaddr, ..Address::default() }
}

fn sockaddr(address: &Address) -> *const libc::sockaddr {
    address.sockaddr.as_ptr().cast()
}

fn owned(fd: RawFd) -> io::Result<Socket> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made by the caller, and nobody else owns it.
    Ok(Socket { fd: unsafe { OwnedFd::from_raw_fd(fd) }, adopted: None })
}

fn succeeded(done: c_int) -> io::Result<()> {
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Calls until no signal interrupts it.
#[inline(always)]
fn again(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        if let Ok(count) = usize::try_from(call()) {
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn get(fd: RawFd, level: c_int, name: c_int) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let mut size = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: both are ours to write.
    let done = unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast::<c_void>(), &raw mut size) };
    succeeded(done).map(|()| value)
}

#[cfg(test)]
mod tests;
