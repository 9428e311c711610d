//! L1. Handles and sockets. Any thread. Imports windows-sys only.

use std::io;
use std::os::windows::io::{FromRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::{
    RtlNtStatusToDosError, ERROR_ACCESS_DENIED, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, HANDLE,
    INVALID_HANDLE_VALUE, NTSTATUS,
};
use windows_sys::Win32::Networking::WinSock::{INVALID_SOCKET, WSAENOTSOCK, WSAEOPNOTSUPP, WSANO_RECOVERY};

/// What the system calls a file descriptor: a SOCKET or a HANDLE, as a number.
pub type OsFd = usize;

/// The system's error numbers that other layers tell apart.
pub(crate) mod errno {
    /// getaddrinfo: it has failed for good.
    pub(crate) const EAI_FAIL: i32 = super::WSANO_RECOVERY;
    /// An argument is none that the call takes.
    pub(crate) const EINVAL: i32 = super::ERROR_INVALID_PARAMETER as i32;
}

pub(crate) const FD: &str = "open socket or handle";

pub(crate) fn is_fd(fd: OsFd) -> bool {
    fd != 0 && fd != INVALID_SOCKET
}

pub(crate) fn remedy(error: &io::Error) -> &'static str {
    const NOT_OPEN: i32 = ERROR_INVALID_HANDLE as i32;
    const DENIED: i32 = ERROR_ACCESS_DENIED as i32;
    match error.raw_os_error() {
        Some(WSAENOTSOCK) => {
            " (it is no open socket of this process: read files and pipes with guest_work, and close the source before the \
             socket)"
        }
        Some(WSAEOPNOTSUPP) => " (it is a socket: watch it with guest_fd_add)",
        Some(NOT_OPEN) => " (it is not open: close the source first)",
        Some(errno::EINVAL) => {
            " (no thread of the library can wait for its object: an event, a semaphore, a timer, a process, a thread or the \
             console's input will do; a mutex would belong to the thread that waits)"
        }
        Some(DENIED) => " (open it with the right SYNCHRONIZE)",
        _ => "",
    }
}

/// Takes what a system call returned: a handle that nobody else owns, or one of the two values for an error.
pub(super) fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made by the caller, and nobody else owns it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// What a system call that answers with a BOOL has come to.
pub(super) fn succeeded(done: i32) -> io::Result<()> {
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

pub(super) fn nt_error(status: NTSTATUS) -> io::Error {
    // SAFETY: a function of one number.
    io::Error::from_raw_os_error(unsafe { RtlNtStatusToDosError(status) } as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use windows_sys::Win32::Foundation::STATUS_INVALID_HANDLE;

    #[test]
    fn the_values_for_errors_are_no_handles() {
        assert!(!is_fd(0) && !is_fd(usize::MAX) && is_fd(4));
        assert!(owned(std::ptr::null_mut()).is_err() && owned(INVALID_HANDLE_VALUE).is_err());
        assert!(succeeded(0).is_err() && succeeded(1).is_ok());
    }

    #[test]
    fn native_errors_become_those_of_win32_and_have_a_remedy() {
        let error = nt_error(STATUS_INVALID_HANDLE);
        assert_eq!(error.raw_os_error(), Some(ERROR_INVALID_HANDLE as i32));
        assert!(remedy(&error).contains("not open"));
        assert!(remedy(&io::Error::from_raw_os_error(WSAENOTSOCK)).contains("no open socket"));
        assert_eq!(remedy(&io::Error::from_raw_os_error(2)), "");
    }
}
