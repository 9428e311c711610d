//! L1. Sockets that the library's thread reads while the host is away: none, for there are no sockets of the library's here yet.

use std::io;

use super::handle::OsFd;

pub(crate) struct ReadSet(std::convert::Infallible);

impl ReadSet {
    pub(crate) fn new() -> io::Result<ReadSet> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn add(&self, _fd: OsFd, _bits: u64) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn arm(&self, _fd: OsFd, _bits: u64) {
        match self.0 {}
    }

    pub(crate) fn remove(&self, _fd: OsFd) {
        match self.0 {}
    }

    pub(crate) fn take(&self, _readable: impl FnMut(u64)) {
        match self.0 {}
    }

    pub(crate) fn close_in_child(&self) {
        match self.0 {}
    }
}
