//! L1. Winsock, which a process has to start before it uses sockets.
//!
//! Owns: one of Winsock's counts of users. Runs on any thread. Imports windows-sys only.

use std::io;
use std::mem::MaybeUninit;

use windows_sys::Win32::Networking::WinSock::{WSACleanup, WSAStartup};

/// While it lives, Winsock is there. The program's own calls are counted apart.
pub(super) struct Winsock(());

impl Winsock {
    /// Winsock 2.2.
    pub(super) fn start() -> io::Result<Winsock> {
        let mut data = MaybeUninit::uninit();
        // SAFETY: `data` is ours to write.
        match unsafe { WSAStartup(0x0202, data.as_mut_ptr()) } {
            0 => Ok(Winsock(())),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

impl Drop for Winsock {
    fn drop(&mut self) {
        // SAFETY: one for each start that succeeded.
        unsafe { WSACleanup() };
    }
}
