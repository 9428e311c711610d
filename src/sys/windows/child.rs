//! L1. Waiting for one child process.
//!
//! Owns: a handle of the process, which is signalled when that has ended. Host thread.

use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};

use super::handle::OsFd;
use super::waitid::{exit, open};
use crate::sys::exit::ChildExit;

/// A process: never another one with the same number.
pub(crate) struct Child(OwnedHandle);

impl Child {
    pub(super) fn open(pid: i32) -> io::Result<Child> {
        open(pid).map(Child)
    }

    /// How it has ended; `None` while it runs. Nothing has to be reaped: the number is not asked for.
    pub(crate) fn reap(&self, _pid: i32) -> io::Result<Option<ChildExit>> {
        exit(&self.0)
    }

    pub(crate) fn close_in_child(&self) {}

    /// For the poller.
    pub(super) fn handle(&self) -> OsFd {
        self.0.as_raw_handle() as OsFd
    }
}
