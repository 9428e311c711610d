//! Connections, children, and what else the tests need of Windows.

use super::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::windows::io::{AsRawHandle, AsRawSocket, FromRawHandle, OwnedHandle};
use std::process::{Command, Stdio};

use windows_sys::Win32::Foundation::{DuplicateHandle, DUPLICATE_SAME_ACCESS, HANDLE, WAIT_OBJECT_0};
use windows_sys::Win32::Networking::WinSock;
use windows_sys::Win32::System::Console::{
    AllocConsole, FreeConsole, GenerateConsoleCtrlEvent, GetStdHandle, SetConsoleCtrlHandler, SetStdHandle,
    CTRL_C_EVENT, STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
};
use windows_sys::Win32::System::Threading::{
    CreateEventW, GetCurrentProcess, GetCurrentThreadId, OpenProcess, ResetEvent, SetEvent, TerminateProcess,
    WaitForMultipleObjects, WaitForSingleObject, INFINITE, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE,
};

pub const AF_INET: i32 = WinSock::AF_INET as i32;
pub const AF_INET6: i32 = WinSock::AF_INET6 as i32;
pub const AI_NUMERICHOST: i32 = WinSock::AI_NUMERICHOST as i32;
pub const AI_PASSIVE: i32 = WinSock::AI_PASSIVE as i32;
pub const EAI_FAMILY: i32 = WinSock::WSAEAFNOSUPPORT;
pub const EAI_NONAME: i32 = WinSock::WSAHOST_NOT_FOUND;
pub const EAI_SERVICE: i32 = WinSock::WSATYPE_NOT_FOUND;
pub const IPPROTO_TCP: i32 = WinSock::IPPROTO_TCP;
pub const SOCK_STREAM: i32 = WinSock::SOCK_STREAM;

/// Whether one of the library's alarms or threads would wake up by itself: nobody tells that here.
pub fn wakes_by_itself() -> bool {
    false
}

/// SIGINT, which can be watched, and SIGTERM, which nobody sends.
pub const SIGNAL: i32 = 2;
pub const NO_SIGNAL: i32 = 15;
/// What is no socket, and the number of none that is open.
pub const NO_FD: OsFd = usize::MAX;
pub const CLOSED_FD: OsFd = 0x7ffc;

/// A handle that a system call has made.
#[track_caller]
pub fn made(handle: HANDLE) -> OwnedHandle {
    assert!(!handle.is_null(), "{}", std::io::Error::last_os_error());
    // SAFETY: just made, and nobody else owns it.
    unsafe { OwnedHandle::from_raw_handle(handle) }
}

/// The number of this thread, found without memory.
pub fn this_thread() -> usize {
    // SAFETY: no arguments, cannot fail.
    unsafe { GetCurrentThreadId() as usize }
}

/// Makes a loop's wait return.
pub struct Wakeup(OwnedHandle);

impl Wakeup {
    pub fn new() -> Wakeup {
        // SAFETY: no memory is involved.
        Wakeup(made(unsafe { CreateEventW(std::ptr::null(), 1, 0, std::ptr::null()) }))
    }

    pub fn fd(&self) -> OsFd {
        self.0.as_raw_handle() as OsFd
    }

    pub fn set(&self) {
        // SAFETY: an open handle.
        unsafe { SetEvent(self.0.as_raw_handle()) };
    }

    pub fn clear(&self) {
        // SAFETY: as above.
        unsafe { ResetEvent(self.0.as_raw_handle()) };
    }
}

/// Which of these handles are signalled, after `wait` nanoseconds at most.
pub fn poll_fds(fds: &[OsFd], wait: u64) -> Vec<bool> {
    let handles: Vec<HANDLE> = fds.iter().map(|fd| *fd as HANDLE).collect();
    let timeout = if wait == FOREVER { INFINITE } else { wait.div_ceil(MS).min(3_600_000) as u32 };
    // SAFETY: open handles, as many as is said.
    unsafe {
        WaitForMultipleObjects(handles.len() as u32, handles.as_ptr(), 0, timeout);
        handles.iter().map(|handle| WaitForSingleObject(*handle, 0) == WAIT_OBJECT_0).collect()
    }
}

/// An end of a connection: a pipe cannot be watched here.
pub type End = TcpStream;

pub(super) fn number(end: &End) -> OsFd {
    end.as_raw_socket() as OsFd
}

impl Channel {
    /// A connection, both ends non-blocking.
    pub fn new() -> Rc<Channel> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let output = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (input, _) = listener.accept().unwrap();
        for end in [&input, &output] {
            end.set_nonblocking(true).unwrap();
            end.set_nodelay(true).unwrap();
        }
        Channel::of(input, output)
    }

    /// What was written can be read when this returns.
    pub fn write(&self, bytes: usize) {
        let there = self.readable();
        self.write_all(bytes);
        eventually(|| self.input.borrow().is_none() || self.readable() >= there + bytes.min(1024));
    }

    /// Writes until nothing more fits.
    pub fn fill(&self) {
        let mut quiet = 0;
        while quiet < 20 {
            match self.output.borrow().as_ref().unwrap().write(&[0; 65536]) {
                Ok(_) => quiet = 0,
                Err(_) => quiet += 1,
            }
            if quiet > 0 {
                pass(MS);
            }
        }
    }

    /// Reads until nothing is left.
    pub fn drain(&self) {
        let mut quiet = 0;
        while quiet < 20 {
            match self.input.borrow().as_ref().unwrap().read(&mut [0; 65536]) {
                Ok(n) if n > 0 => quiet = 0,
                _ => {
                    quiet += 1;
                    pass(MS);
                }
            }
        }
    }

    /// How many bytes lie there to be read.
    fn readable(&self) -> usize {
        let mut buffer = [0; 65536];
        self.input.borrow().as_ref().map_or(0, |input| input.peek(&mut buffer).unwrap_or(0))
    }
}

/// A child of `cmd`, whose handle is kept for good: so its number is not given out again.
fn command(line: &str) -> std::process::Child {
    Command::new("cmd").args(["/d", "/c", line]).stdin(Stdio::piped()).spawn().unwrap()
}

/// Lets a waiting child go on.
pub struct Go(RefCell<Option<std::process::ChildStdin>>);

impl Go {
    pub fn write(&self, _bytes: usize) {
        self.0.borrow_mut().take();
    }
}

/// A child process that ends with `code` once the returned pipe is written to.
pub fn waiting_child(code: i32) -> (i32, Rc<Go>) {
    let mut child = command(&format!("set /p x= & exit {code}"));
    let go = Rc::new(Go(RefCell::new(child.stdin.take())));
    let pid = child.id() as i32;
    std::mem::forget(child);
    (pid, go)
}

pub fn ending_child(code: i32) -> i32 {
    let child = command(&format!("exit {code}"));
    let pid = child.id() as i32;
    std::mem::forget(child);
    pid
}

/// A child's exit code, when it has ended.
pub fn wait_for(pid: i32) -> Option<i32> {
    use windows_sys::Win32::System::Threading::{GetExitCodeProcess, PROCESS_QUERY_LIMITED_INFORMATION};
    let rights = PROCESS_SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION;
    let mut code = 0;
    // SAFETY: an open handle, and `code` is ours to write.
    unsafe {
        let process = made(OpenProcess(rights, 0, pid as u32));
        WaitForSingleObject(process.as_raw_handle(), INFINITE);
        assert_ne!(GetExitCodeProcess(process.as_raw_handle(), &mut code), 0);
    }
    Some(code as i32)
}

/// Waits until a child has ended.
pub fn wait_unreaped(pid: i32) {
    wait_for(pid);
}

/// Ends a child.
pub fn end_child(pid: i32) {
    // SAFETY: an open handle.
    unsafe {
        let process = made(OpenProcess(PROCESS_SYNCHRONIZE | PROCESS_TERMINATE, 0, pid as u32));
        TerminateProcess(process.as_raw_handle(), 9);
        WaitForSingleObject(process.as_raw_handle(), INFINITE);
    }
}

/// Ctrl-C, in a console of our own (wine ends the process for Ctrl-Break, whoever listens). It has been counted when this returns, if somebody listens.
pub fn raise(signum: i32) {
    static CONSOLE: std::sync::Once = std::sync::Once::new();
    assert_eq!(signum, SIGNAL);
    CONSOLE.call_once(open_console);
    let before = signal_arrivals(SIGNAL);
    // SAFETY: no memory is involved.
    let sent = unsafe { GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) };
    assert_ne!(sent, 0, "{}", std::io::Error::last_os_error());
    eventually(|| signal_arrivals(SIGNAL) > before);
}

/// Leaves the console that the program was started in, with whose other programs it would share what is sent. Where it writes
/// to and reads from stays the same, by copies: the handles go with the console.
fn open_console() {
    // SAFETY: the places are ours to write; the copies live as long as the process.
    unsafe {
        let standard = [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE].map(|which| {
            let (this, mut copy) = (GetCurrentProcess(), std::ptr::null_mut());
            DuplicateHandle(this, GetStdHandle(which), this, &mut copy, 0, 1, DUPLICATE_SAME_ACCESS);
            (which, copy)
        });
        FreeConsole();
        assert_ne!(AllocConsole(), 0, "{}", std::io::Error::last_os_error());
        for (which, copy) in standard {
            SetStdHandle(which, copy);
        }
        // Whoever has started this may have switched it off for all below.
        SetConsoleCtrlHandler(None, 0);
    }
}
