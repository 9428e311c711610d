//! L1. How a child has ended, by its number.
//!
//! Runs on any thread; [`wait_for_exit`] blocks. Imports windows-sys only.
//!
//! The system neither knows whose child a process is nor has children to be reaped: any process will do that may be waited
//! for. Its number is its own for as long as somebody has a handle of it, as whoever started it does.

use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    GetExitCodeProcess, OpenProcess, WaitForSingleObject, INFINITE, PROCESS_QUERY_LIMITED_INFORMATION,
    PROCESS_SYNCHRONIZE,
};

use super::handle::{owned, succeeded};
use crate::sys::exit::ChildExit;

/// The process of that number, to be waited for.
pub(super) fn open(pid: i32) -> io::Result<OwnedHandle> {
    let pid = u32::try_from(pid).unwrap_or(0);
    // SAFETY: no memory is involved.
    owned(unsafe { OpenProcess(PROCESS_SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) })
}

/// How it has ended; `None` while it runs.
pub(super) fn exit(process: &OwnedHandle) -> io::Result<Option<ChildExit>> {
    // SAFETY: a handle that is open.
    if unsafe { WaitForSingleObject(process.as_raw_handle(), 0) } != WAIT_OBJECT_0 {
        return Ok(None);
    }
    let mut code = 0;
    // SAFETY: a handle that is open, and `code` is ours to write.
    succeeded(unsafe { GetExitCodeProcess(process.as_raw_handle(), &mut code) })?;
    // All 32 bits: what ended by an exception has the exception's number, which is negative then.
    Ok(Some(ChildExit { code: code as i32, signal: 0 }))
}

pub(crate) fn reap(pid: i32) -> io::Result<Option<ChildExit>> {
    match open(pid) {
        Err(error) if error.raw_os_error() == Some(ERROR_INVALID_PARAMETER as i32) => {
            Ok(Some(ChildExit::UNKNOWN))
        }
        process => exit(&process?),
    }
}

/// Can that process be waited for, running or ended?
pub(crate) fn exists_as_child(pid: i32) -> io::Result<()> {
    open(pid).map(drop)
}

pub(crate) fn wait_for_exit(pid: i32) {
    if let Ok(process) = open(pid) {
        // SAFETY: a handle that is open.
        unsafe { WaitForSingleObject(process.as_raw_handle(), INFINITE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    /// A child that waits for the end of its input and then ends with `code`.
    fn child(code: i32) -> Child {
        let line = format!("set /p x= & exit {code}");
        Command::new("cmd").args(["/d", "/c", &line]).stdin(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn a_process_is_there_while_somebody_has_a_handle_of_it() {
        for code in [0, 255, 70_000, 0xc000_0005u32 as i32] {
            let mut child = child(code);
            let pid = child.id() as i32;
            assert_eq!(reap(pid).unwrap(), None, "{code}: it still runs");
            exists_as_child(pid).unwrap();
            drop(child.stdin.take());
            wait_for_exit(pid);
            exists_as_child(pid).unwrap();
            // As often as one likes: nothing is reaped.
            for _ in 0..2 {
                assert_eq!(reap(pid).unwrap(), Some(ChildExit { code, signal: 0 }));
            }
            child.wait().unwrap();
        }
    }

    #[test]
    fn what_is_no_process_is_refused() {
        for pid in [0, -5, i32::MIN, 0x7fff_fff0] {
            assert_eq!(
                exists_as_child(pid).unwrap_err().raw_os_error(),
                Some(ERROR_INVALID_PARAMETER as i32),
                "{pid}"
            );
            assert_eq!(reap(pid).unwrap(), Some(ChildExit::UNKNOWN), "{pid}");
            wait_for_exit(pid);
        }
    }
}
