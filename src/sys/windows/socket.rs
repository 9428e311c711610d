//! L1. Sockets: not here yet. Every way to one is refused, so that there never is one.

use std::convert::Infallible;
use std::ffi::CStr;
use std::io;

use super::handle::OsFd;
use crate::sys::address::Address;

/// There is none on this system.
pub(crate) struct Socket(Infallible);

/// What a socket is set to besides.
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

    pub(crate) fn is_adopted(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn give_back(self) {
        match self.0 {}
    }

    pub(crate) fn fd(&self) -> OsFd {
        match self.0 {}
    }

    pub(crate) fn connect(&self, _to: &Address) -> io::Result<bool> {
        match self.0 {}
    }

    pub(crate) fn is_connected(&self) -> io::Result<bool> {
        match self.0 {}
    }

    pub(crate) fn receive(&self, _into: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn send(&self, _slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn receive_from(&self, _into: &mut [u8]) -> io::Result<(usize, Address)> {
        match self.0 {}
    }

    pub(crate) fn send_to(&self, _slices: &[io::IoSlice<'_>], _to: Option<&Address>) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn bind(&self, _at: &Address) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn end_writing(&self) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn reset_when_closed(&self) {
        match self.0 {}
    }

    pub(crate) fn listen(&self, _at: &Address, _backlog: i32) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn accept(&self) -> io::Result<Socket> {
        match self.0 {}
    }

    pub(crate) fn local(&self) -> io::Result<Address> {
        match self.0 {}
    }

    pub(crate) fn peer(&self) -> io::Result<Address> {
        match self.0 {}
    }

    pub(crate) fn set(&self, _option: SocketOption, _on: bool) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn close_in_child(&self) {
        match self.0 {}
    }
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
