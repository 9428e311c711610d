//! L1. Polls of sockets: what `select` itself is made of, as packets of a port.
//!
//! Owns: a handle of the ancillary function driver, and what the system writes about one poll. Host thread. Imports
//! windows-sys only.
//!
//! The interface is not documented, but every program with libuv, mio or wepoll in it lives by it. A poll is an operation of
//! ours on a handle of ours: the socket is only named in it, so that it stays its owner's.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::io;
use std::mem::size_of;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::null_mut;
use std::rc::Rc;

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{NtCancelIoFileEx, NtCreateFile, FILE_OPEN};
use windows_sys::Wdk::System::IO::NtDeviceIoControlFile;
use windows_sys::Win32::Foundation::{HANDLE, NTSTATUS, STATUS_PENDING, STATUS_SUCCESS, UNICODE_STRING};
use windows_sys::Win32::Networking::WinSock::{
    getsockopt, WSAGetLastError, WSAIoctl, SIO_BASE_HANDLE, SIO_BSP_HANDLE_POLL, SOCKET, SOCKET_ERROR,
    SOL_SOCKET, SO_TYPE,
};
use windows_sys::Win32::Storage::FileSystem::{
    SetFileCompletionNotificationModes, FILE_SHARE_READ, FILE_SHARE_WRITE, SYNCHRONIZE,
};
use windows_sys::Win32::System::WindowsProgramming::FILE_SKIP_SET_EVENT_ON_HANDLE;
use windows_sys::Win32::System::IO::{CreateIoCompletionPort, IO_STATUS_BLOCK, IO_STATUS_BLOCK_0};

use super::handle::{nt_error, owned};
use super::port::{Key, Port};
use crate::sys::readiness::{Interest, Readiness, ERROR, HANGUP, PRIORITY, READABLE, WRITABLE};

const IOCTL_AFD_POLL: u32 = 0x0001_2024;

const RECEIVE: u32 = 0x001;
const RECEIVE_EXPEDITED: u32 = 0x002;
const SEND: u32 = 0x004;
/// The other end has ended its direction.
const DISCONNECT: u32 = 0x008;
/// The connection was reset.
const ABORT: u32 = 0x010;
/// The socket was closed while the poll was pending.
const LOCAL_CLOSE: u32 = 0x020;
const ACCEPT: u32 = 0x080;
const CONNECT_FAIL: u32 = 0x100;

/// The driver looks through all polls of a handle when one is cancelled, so that none has many.
const POLLS: usize = 32;

/// Handles of the driver; each poll belongs to one.
#[derive(Default)]
pub(super) struct Drivers(Vec<Rc<OwnedHandle>>);

impl Drivers {
    /// One that has room for another poll.
    pub(super) fn with_room(&mut self, port: &Port) -> io::Result<Rc<OwnedHandle>> {
        // Each poll holds one reference, this list another.
        let has_room = |driver: &&Rc<OwnedHandle>| Rc::strong_count(driver) <= POLLS;
        if let Some(driver) = self.0.last().filter(has_room).or_else(|| self.0.iter().find(has_room)) {
            return Ok(driver.clone());
        }
        let driver = Rc::new(open(port)?);
        self.0.push(driver.clone());
        Ok(driver)
    }
}

fn open(port: &Port) -> io::Result<OwnedHandle> {
    let name: Vec<u16> = r"\Device\Afd\Guest".encode_utf16().collect();
    let bytes = (name.len() * size_of::<u16>()) as u16;
    let name = UNICODE_STRING { Length: bytes, MaximumLength: bytes, Buffer: name.as_ptr().cast_mut() };
    let attributes = OBJECT_ATTRIBUTES {
        Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
        RootDirectory: null_mut(),
        ObjectName: &name,
        Attributes: 0,
        SecurityDescriptor: null_mut(),
        SecurityQualityOfService: null_mut(),
    };
    let mut handle = null_mut();
    let mut status = EMPTY;
    let share = FILE_SHARE_READ | FILE_SHARE_WRITE;
    // SAFETY: what the pointers mean outlives the call.
    let opened = unsafe {
        NtCreateFile(
            &mut handle,
            SYNCHRONIZE,
            &attributes,
            &mut status,
            null_mut(),
            0,
            share,
            FILE_OPEN,
            0,
            null_mut(),
            0,
        )
    };
    if opened != STATUS_SUCCESS {
        return Err(nt_error(opened));
    }
    let driver = owned(handle)?;
    // SAFETY: both are open. Nobody waits for the handle itself, so that the mode is a saving and nothing more.
    unsafe {
        if CreateIoCompletionPort(handle, port.handle(), Key::Socket as usize, 0).is_null() {
            return Err(io::Error::last_os_error());
        }
        SetFileCompletionNotificationModes(handle, FILE_SKIP_SET_EVENT_ON_HANDLE as u8);
    }
    Ok(driver)
}

const EMPTY: IO_STATUS_BLOCK =
    IO_STATUS_BLOCK { Anonymous: IO_STATUS_BLOCK_0 { Status: STATUS_SUCCESS }, Information: 0 };

/// The socket below those that were put over `socket`; `WSAENOTSOCK` for what is no socket.
pub(super) fn base_of(socket: SOCKET) -> io::Result<SOCKET> {
    check_socket(socket)?;
    // A layered provider that hides what is below still has to say what may be polled.
    ask(socket, SIO_BASE_HANDLE).or_else(|error| ask(socket, SIO_BSP_HANDLE_POLL).map_err(|_| error))
}

/// Fails for what is no socket, for which wine answers the question below as well.
pub(super) fn check_socket(socket: SOCKET) -> io::Result<()> {
    let mut kind = 0i32;
    let mut size = size_of::<i32>() as i32;
    // SAFETY: `kind` is ours to write, and as large as `size` says.
    let asked = unsafe { getsockopt(socket, SOL_SOCKET, SO_TYPE, (&raw mut kind).cast(), &mut size) };
    if asked == SOCKET_ERROR {
        return Err(last_error());
    }
    Ok(())
}

fn last_error() -> io::Error {
    // SAFETY: the calling thread's own variable.
    io::Error::from_raw_os_error(unsafe { WSAGetLastError() })
}

fn ask(socket: SOCKET, question: u32) -> io::Result<SOCKET> {
    let mut answer: SOCKET = 0;
    let mut bytes = 0;
    let size = size_of::<SOCKET>() as u32;
    // SAFETY: `answer` and `bytes` are ours to write; what is no socket is an error and nothing worse.
    let asked = unsafe {
        let answer = (&raw mut answer).cast();
        WSAIoctl(socket, question, null_mut(), 0, answer, size, &mut bytes, null_mut(), None)
    };
    if asked == SOCKET_ERROR {
        return Err(last_error());
    }
    Ok(answer)
}

/// One poll of one socket. The system writes into it from [`Poll::start`] until its packet has been sent.
pub(super) struct Poll {
    driver: Rc<OwnedHandle>,
    base: SOCKET,
    status: UnsafeCell<IO_STATUS_BLOCK>,
    info: UnsafeCell<Info>,
}

#[repr(C)]
struct Info {
    timeout: i64,
    handles: u32,
    exclusive: u32,
    handle: HANDLE,
    events: u32,
    status: NTSTATUS,
}

/// What a poll has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Ready(Readiness),
    /// It was cancelled, or has found nothing.
    Nothing,
    /// The socket is closed.
    Closed,
}

impl Poll {
    /// A poll of the socket whose base that is.
    pub(super) fn new(driver: Rc<OwnedHandle>, base: SOCKET) -> Poll {
        let info =
            Info { timeout: i64::MAX, handles: 1, exclusive: 0, handle: null_mut(), events: 0, status: 0 };
        Poll { driver, base, status: UnsafeCell::new(EMPTY), info: UnsafeCell::new(info) }
    }

    /// Begins to poll for `interest`. If that succeeds, a packet with `data` comes, once.
    ///
    /// # Safety
    /// No poll of this is pending, and this stays where it is until the packet has come.
    pub(super) unsafe fn start(&self, interest: Interest, data: usize) -> io::Result<()> {
        let (status, info) = (self.status.get(), self.info.get());
        let size = size_of::<Info>() as u32;
        // SAFETY: nothing is pending, so that both are ours to write; they stay where they are until the packet has come.
        let started = unsafe {
            (*status).Anonymous.Status = STATUS_PENDING;
            (*info).handles = 1;
            (*info).handle = self.base as HANDLE;
            (*info).events = to_afd(interest);
            (*info).status = STATUS_SUCCESS;
            NtDeviceIoControlFile(
                self.driver.as_raw_handle(),
                null_mut(),
                None,
                data as *const c_void,
                status,
                IOCTL_AFD_POLL,
                info.cast(),
                size,
                info.cast(),
                size,
            )
        };
        match started {
            STATUS_SUCCESS | STATUS_PENDING => Ok(()),
            refused => Err(nt_error(refused)),
        }
    }

    /// Makes a pending poll end; its packet comes all the same.
    ///
    /// # Safety
    /// The packet of a poll of this that was started has not come yet.
    pub(super) unsafe fn cancel(&self) {
        let mut ignored = EMPTY;
        // SAFETY: an open handle, and the block that the pending operation was started with. One that has ended meanwhile is
        // not found, which is as good.
        unsafe { NtCancelIoFileEx(self.driver.as_raw_handle(), self.status.get(), &mut ignored) };
    }

    /// What it has come to.
    ///
    /// # Safety
    /// Its packet has come.
    pub(super) unsafe fn outcome(&self) -> Outcome {
        // SAFETY: nothing is pending, so that nobody writes; each view of the union is a number.
        let (status, handles, events) = unsafe {
            let (status, info) = (self.status.get(), self.info.get());
            ((*status).Anonymous.Status, (*info).handles, (*info).events)
        };
        if status != STATUS_SUCCESS || handles == 0 || events == 0 {
            return Outcome::Nothing;
        }
        match events & LOCAL_CLOSE {
            0 => Outcome::Ready(from_afd(events)),
            _ => Outcome::Closed,
        }
    }
}

fn to_afd(interest: Interest) -> u32 {
    PAIRS[..3].iter().filter(|(bit, _)| interest & bit != 0).fold(ALWAYS, |events, (_, event)| events | event)
}

fn from_afd(events: u32) -> Readiness {
    PAIRS.iter().filter(|(_, event)| events & event != 0).fold(0, |ready, (bit, _)| ready | bit)
}

/// What is asked for whatever is watched.
const ALWAYS: u32 = ABORT | LOCAL_CLOSE | CONNECT_FAIL;

/// The last is told without being asked for.
const PAIRS: [(Readiness, u32); 4] = [
    (READABLE, RECEIVE | DISCONNECT | ACCEPT),
    (WRITABLE, SEND),
    (PRIORITY, RECEIVE_EXPEDITED),
    (ERROR | HANGUP, ABORT | CONNECT_FAIL),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::windows::form::form;
    use windows_sys::Win32::Networking::WinSock::WSAENOTSOCK;

    #[test]
    fn what_is_asked_for_is_what_is_told() {
        for interest in [0, READABLE, WRITABLE, PRIORITY, READABLE | WRITABLE, READABLE | WRITABLE | PRIORITY]
        {
            assert_eq!(from_afd(to_afd(interest)), interest | ERROR | HANGUP);
        }
        assert_eq!(from_afd(DISCONNECT), READABLE, "the end of a stream is something to read");
    }

    #[test]
    fn a_driver_has_a_few_polls_and_then_there_is_another() {
        let port = Port::of(form()).unwrap();
        let mut drivers = Drivers::default();
        let mut polls: Vec<_> = (0..3 * POLLS).map(|_| drivers.with_room(&port).unwrap()).collect();
        assert_eq!(drivers.0.len(), 3);
        polls.remove(0);
        polls.push(drivers.with_room(&port).unwrap());
        assert_eq!(drivers.0.len(), 3, "room that was given back is used again");
    }

    #[test]
    fn what_is_no_socket_is_told_apart() {
        let _winsock = super::super::winsock::Winsock::start().unwrap();
        let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        for no_socket in [file.as_raw_handle() as SOCKET, 0x7ffc] {
            assert_eq!(base_of(no_socket).unwrap_err().raw_os_error(), Some(WSAENOTSOCK));
        }
    }
}
