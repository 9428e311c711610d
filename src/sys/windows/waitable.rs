//! L1. Handles that can be waited for.
//!
//! Runs on any thread. Imports windows-sys only.
//!
//! Whether an object can be waited for is told by its type: trying would take what is waited for, an event's signal or a
//! semaphore's count. A handle that nobody can wait for is refused here, because the pool's thread, which waits, can tell
//! nobody. So is a socket, of which the wait would tell anything but its readiness.

use std::io;
use std::mem::{size_of, MaybeUninit};
use std::os::windows::io::OwnedHandle;

use windows_sys::Wdk::Foundation::{NtQueryObject, OBJECT_INFORMATION_CLASS};
use windows_sys::Win32::Foundation::{
    DuplicateHandle, ERROR_INVALID_PARAMETER, HANDLE, STATUS_SUCCESS, UNICODE_STRING,
};
use windows_sys::Win32::Networking::WinSock::{SOCKET, WSAEOPNOTSUPP};
use windows_sys::Win32::Storage::FileSystem::SYNCHRONIZE;
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::afd::check_socket;
use super::form::form;
use super::handle::{nt_error, owned, succeeded, OsFd};
use super::port::Form;

/// Not mutexes: whoever waits for one owns it, and the pool's thread would.
const TYPES: [&str; 7] = ["Event", "Semaphore", "Process", "Thread", "Timer", "File", "Job"];

const TYPE_INFORMATION: OBJECT_INFORMATION_CLASS = 2;

/// A handle of our own to the same object, to be waited for.
pub(super) fn waitable(handle: OsFd) -> io::Result<OwnedHandle> {
    let kind = kind(handle)?;
    let a_port_can = kind == "IoCompletion" && form() == Form::Handle;
    if !a_port_can && !TYPES.contains(&kind.as_str()) {
        return Err(io::Error::from_raw_os_error(ERROR_INVALID_PARAMETER as i32));
    }
    if kind == "File" && check_socket(handle as SOCKET).is_ok() {
        return Err(io::Error::from_raw_os_error(WSAEOPNOTSUPP));
    }
    let mut copy: HANDLE = std::ptr::null_mut();
    // SAFETY: `copy` is ours to write; a handle that is not open is an error and nothing worse.
    succeeded(unsafe {
        let process = GetCurrentProcess();
        DuplicateHandle(process, handle as HANDLE, process, &mut copy, SYNCHRONIZE, 0, 0)
    })?;
    owned(copy)
}

/// The name of the object's type.
fn kind(handle: OsFd) -> io::Result<String> {
    // The letters lie behind the structure, of which the string is the first field.
    let mut buffer = [const { MaybeUninit::<u64>::uninit() }; 64];
    let size = size_of::<[u64; 64]>() as u32;
    let mut length = 0;
    // SAFETY: as many bytes as is said, ours to write, aligned for the structure.
    let asked = unsafe {
        NtQueryObject(handle as HANDLE, TYPE_INFORMATION, buffer.as_mut_ptr().cast(), size, &mut length)
    };
    if asked != STATUS_SUCCESS {
        return Err(nt_error(asked));
    }
    // SAFETY: the system has filled in the string, whose letters lie in the same buffer.
    Ok(unsafe {
        let name = &*buffer.as_ptr().cast::<UNICODE_STRING>();
        String::from_utf16_lossy(std::slice::from_raw_parts(name.Buffer, usize::from(name.Length) / 2))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::windows::io::{AsRawHandle, AsRawSocket, FromRawHandle};
    use windows_sys::Win32::Foundation::ERROR_INVALID_HANDLE;
    use windows_sys::Win32::Security::TOKEN_QUERY;
    use windows_sys::Win32::System::Threading::{
        CreateEventW, CreateMutexW, CreateSemaphoreW, CreateWaitableTimerExW, GetCurrentThread,
        OpenProcessToken, TIMER_ALL_ACCESS,
    };

    fn made(handle: HANDLE) -> OwnedHandle {
        // SAFETY: just made by the caller.
        unsafe { OwnedHandle::from_raw_handle(handle) }
    }

    fn refused(handle: OsFd) -> Option<i32> {
        waitable(handle).unwrap_err().raw_os_error()
    }

    #[test]
    fn what_can_be_waited_for_is() {
        let none = std::ptr::null::<u16>();
        // SAFETY: no memory is involved; the handles are new.
        let objects = unsafe {
            [
                made(CreateEventW(none.cast(), 0, 1, none)),
                made(CreateSemaphoreW(none.cast(), 1, 1, none)),
                made(CreateWaitableTimerExW(none.cast(), none, 0, TIMER_ALL_ACCESS)),
            ]
        };
        for object in &objects {
            waitable(object.as_raw_handle() as OsFd).unwrap();
        }
        // SAFETY: no memory is involved; these are names and no handles.
        for name in unsafe { [GetCurrentProcess(), GetCurrentThread()] } {
            waitable(name as OsFd).unwrap();
        }
    }

    #[test]
    fn what_cannot_is_refused() {
        let mut token = std::ptr::null_mut();
        // SAFETY: the handles are new, and `token` is ours to write.
        let (mutex, token) = unsafe {
            assert_ne!(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &mut token), 0);
            (made(CreateMutexW(std::ptr::null(), 0, std::ptr::null())), made(token))
        };
        for object in [&mutex, &token] {
            assert_eq!(refused(object.as_raw_handle() as OsFd), Some(ERROR_INVALID_PARAMETER as i32));
        }
        assert_eq!(refused(0x7ffc), Some(ERROR_INVALID_HANDLE as i32));
        let _winsock = super::super::winsock::Winsock::start().unwrap();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(refused(socket.as_raw_socket() as OsFd), Some(WSAEOPNOTSUPP));
    }
}
