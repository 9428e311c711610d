//! L1. Sockets: not here yet. Every way to one is refused, so that there never is one.

use std::convert::Infallible;
use std::ffi::CStr;
use std::io;

use super::handle::OsFd;
use crate::sys::address::Address;

/// There is none on this system.
pub(crate) struct Socket(Infallible);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SocketOption {
    NoDelay,
    KeepAlive,
    OnlyV6,
    ReusePort,
    ReuseAddress,
    Broadcast,
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Socket {
    pub(crate) fn new(_family: i32, _kind: i32) -> io::Result<Socket> {
        unsupported()
    }

    pub(crate) fn adopt(_fd: OsFd, _kind: i32, _listening: bool) -> io::Result<Socket> {
        unsupported()
    }

    pub(crate) fn give_back(self) {
        match self.0 {}
    }
}

/// What there is no socket to call with.
macro_rules! never {
    ($($name:ident($($argument:ty),*) -> $result:ty;)*) => {
        impl Socket {
            $(pub(crate) fn $name(&self $(, _: $argument)*) -> $result {
                match self.0 {}
            })*
        }
    };
}

never! {
    is_adopted() -> bool;
    fd() -> OsFd;
    connect(&Address) -> io::Result<bool>;
    is_connected() -> io::Result<bool>;
    receive(&mut [u8]) -> io::Result<usize>;
    receive_from(&mut [u8]) -> io::Result<(usize, Address)>;
    send(&[io::IoSlice<'_>]) -> io::Result<usize>;
    send_to(&[io::IoSlice<'_>], Option<&Address>) -> io::Result<usize>;
    bind(&Address) -> io::Result<()>;
    listen(&Address, i32) -> io::Result<()>;
    accept() -> io::Result<Socket>;
    end_writing() -> io::Result<()>;
    reset_when_closed() -> ();
    local() -> io::Result<Address>;
    peer() -> io::Result<Address>;
    set(SocketOption, bool) -> io::Result<()>;
    close_in_child() -> ();
}

pub(crate) fn receive(_fd: OsFd, _into: &mut [u8]) -> io::Result<usize> {
    unsupported()
}

pub(crate) fn unix_address(_path: &CStr) -> Option<Address> {
    None
}

pub(crate) fn as_v6(given: &Address) -> Address {
    *given
}

pub(crate) const SOCKETS: bool = false;
pub(crate) const NUMBERS: i32 = 0;
pub(crate) const PASSIVE: i32 = 0;
pub(crate) const STREAM: i32 = 1;
pub(crate) const DATAGRAM: i32 = 2;
pub(crate) const V6: i32 = 23;
