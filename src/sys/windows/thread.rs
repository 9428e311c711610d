//! L1. Threads. No handler of the program runs on any of ours: the console's has a thread of its own.
//!
//! Runs on any thread. Imports windows-sys only.

use std::io;
use std::thread::{Builder, JoinHandle};

use windows_sys::Win32::System::Threading::GetCurrentThreadId;

/// Starts a thread, whose name debuggers show. A name with a zero byte is an error.
pub(crate) fn spawn(name: &str, f: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    if name.contains('\0') {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Builder::new().name(name.to_owned()).spawn(f)
}

#[inline]
pub(crate) fn this_thread() -> usize {
    // SAFETY: no arguments, cannot fail.
    unsafe { GetCurrentThreadId() as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_its_name_and_a_number_of_its_own() {
        let (send, receive) = std::sync::mpsc::channel();
        let report =
            move || send.send((this_thread(), std::thread::current().name().map(str::to_owned))).unwrap();
        spawn("asyncguest-test", report).unwrap().join().unwrap();
        let (number, name) = receive.recv().unwrap();
        assert_eq!(name.as_deref(), Some("asyncguest-test"));
        assert_ne!(number, this_thread());
        assert_eq!(spawn("a\0b", || {}).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
