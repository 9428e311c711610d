//! L1. The completion port that everything of a guest arrives at.
//!
//! Owns: the port, and in form *inbox* what the I/O thread has taken from it. Any thread posts; the host thread alone handles
//! what arrives. Imports windows-sys only.
//!
//! Two forms, for Microsoft does not say that a port can be waited for like an event:
//!
//! | form | the I/O thread | |
//! |---|---|---|
//! | *handle* | waits on the port's handle and takes nothing | where the self-test finds that it works |
//! | *inbox* | takes raw packets and puts them into the inbox, while it is armed | elsewhere, and with the hidden cfg `asyncguest_inbox` |
//!
//! In both, a packet is handled on the host thread and nowhere else. A packet that another thread took *and handled* could
//! complete what the host thread is just cancelling or submitting anew.

use std::io;
use std::mem::MaybeUninit;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::Arc;

use windows_sys::Win32::Foundation::{
    GetLastError, SetLastError, HANDLE, INVALID_HANDLE_VALUE, WAIT_OBJECT_0, WAIT_TIMEOUT,
};
use windows_sys::Win32::System::Threading::{Sleep, WaitForSingleObject, INFINITE};
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatusEx, PostQueuedCompletionStatus, OVERLAPPED_ENTRY,
};

use super::handle::owned;
use crate::sync::{lock, Mutex};

/// A packet: who has sent it, and for whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Packet {
    pub(super) key: Key,
    /// By key: the address of a watch, else 0.
    pub(super) data: usize,
}

/// Who has sent a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub(super) enum Key {
    /// A socket's poll.
    Socket = 1,
    /// A registered wait for a handle.
    Handle = 2,
    /// The waker.
    Waker = 3,
    /// The alarm.
    Alarm = 4,
    /// Form inbox: ends the I/O thread's wait.
    Kick = 5,
    /// Form inbox: ends the host thread's wait, for the inbox is filled.
    Filled = 6,
    /// The poller has taken packets that it keeps for its next look.
    Kept = 7,
}

/// How the I/O thread waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Handle,
    Inbox,
}

pub(super) struct Port {
    port: OwnedHandle,
    form: Form,
    /// The waker's packet is under way.
    woken: AtomicBool,
    inbox: Mutex<Vec<Packet>>,
    /// The host thread is inside [`Port::take`] with time to wait.
    waiting: AtomicBool,
    /// The I/O thread shall look again, and has not yet.
    kicked: AtomicBool,
}

/// How many packets one call takes.
const BATCH: usize = 128;

/// How many times a post is tried again, a millisecond apart, when the system is short of memory.
const PATIENCE: u32 = 1_000;

impl Port {
    pub(super) fn of(form: Form) -> io::Result<Arc<Port>> {
        Ok(Arc::new(Port {
            port: open()?,
            form,
            woken: AtomicBool::new(false),
            inbox: Mutex::default(),
            waiting: AtomicBool::new(false),
            kicked: AtomicBool::new(false),
        }))
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    pub(super) fn handle(&self) -> HANDLE {
        self.port.as_raw_handle()
    }

    /// Sends a packet. Any thread. It fails only where the system has no memory for a packet, which is waited for, a second
    /// at most: a packet that is not sent is a wake-up lost. Says whether it was sent.
    pub(super) fn post(&self, key: Key, data: usize) -> bool {
        for _ in 0..PATIENCE {
            // SAFETY: the port is open, and what stands for an OVERLAPPED is a number for the system.
            if unsafe { PostQueuedCompletionStatus(self.handle(), 0, key as usize, data as *const _) } != 0 {
                return true;
            }
            // SAFETY: a function of one number.
            unsafe { Sleep(1) };
        }
        false
    }

    /// Sends the waker's packet, unless it is under way. Keeps the thread's last error.
    pub(super) fn wake(&self) {
        if self.woken.swap(true, SeqCst) {
            return;
        }
        // SAFETY: the calling thread's own variable.
        let before = unsafe { GetLastError() };
        if !self.post(Key::Waker, 0) {
            // The next one tries again.
            self.forget_wake();
        }
        // SAFETY: as above.
        unsafe { SetLastError(before) };
    }

    /// The waker's packet has arrived. Before anything that it announces is looked at.
    pub(super) fn forget_wake(&self) {
        self.woken.store(false, SeqCst);
    }

    /// Makes the I/O thread look again.
    pub(super) fn kick(&self) {
        self.kicked.store(true, SeqCst);
        if self.form == Form::Inbox {
            self.post(Key::Kick, 0);
        }
    }

    pub(super) fn is_kicked(&self) -> bool {
        self.kicked.load(SeqCst)
    }

    /// The I/O thread looks again. Says whether it was to.
    pub(super) fn take_kick(&self) -> bool {
        self.kicked.swap(false, SeqCst)
    }

    /// Whether the port has a packet. Form handle only.
    pub(super) fn is_signalled(&self) -> bool {
        // SAFETY: an open handle.
        unsafe { WaitForSingleObject(self.handle(), 0) == WAIT_OBJECT_0 }
    }

    /// Takes what has arrived, and waits for the first packet up to `timeout` milliseconds. Host thread only.
    pub(super) fn take(&self, timeout: u32, mut each: impl FnMut(Packet)) -> io::Result<()> {
        if self.form == Form::Handle {
            return self.dequeue(timeout, each).map(drop);
        }
        let mut timeout = timeout;
        // In this order: who fills the inbox sees that somebody waits, or its packets are seen here.
        self.waiting.store(timeout > 0, SeqCst);
        for packet in std::mem::take(&mut *lock(&self.inbox)) {
            timeout = 0;
            each(packet);
        }
        let mut kicked = false;
        let taken = self.dequeue(timeout, |packet| match packet.key {
            Key::Kick => kicked = true,
            Key::Filled => {}
            _ => each(packet),
        });
        self.waiting.store(false, SeqCst);
        std::mem::take(&mut *lock(&self.inbox)).into_iter().for_each(each);
        if kicked && self.is_kicked() {
            // It was for the other thread, which may sleep in here by now.
            self.post(Key::Kick, 0);
        }
        taken.map(drop)
    }

    /// Form inbox: the I/O thread waits up to `timeout` milliseconds and puts what arrives into the inbox. Says whether there
    /// is something in it.
    pub(super) fn fill(&self, timeout: u32) -> bool {
        if !lock(&self.inbox).is_empty() {
            return true;
        }
        let mut found = false;
        let taken = self.dequeue(timeout, |packet| {
            if !matches!(packet.key, Key::Kick | Key::Filled) {
                lock(&self.inbox).push(packet);
                found = true;
            }
        });
        if found && self.waiting.load(SeqCst) {
            self.post(Key::Filled, 0);
        }
        debug_assert!(taken.is_ok(), "{taken:?}");
        found
    }

    /// Takes all that is queued, however often the system has to be asked, and tells each packet of ours.
    fn dequeue(&self, mut timeout: u32, mut each: impl FnMut(Packet)) -> io::Result<()> {
        let mut entries = [const { MaybeUninit::<OVERLAPPED_ENTRY>::uninit() }; BATCH];
        loop {
            let mut count = 0;
            // SAFETY: the port is open, there is room for BATCH entries, and `count` is ours to write.
            let taken = unsafe {
                let entries = entries.as_mut_ptr().cast();
                GetQueuedCompletionStatusEx(self.handle(), entries, BATCH as u32, &mut count, timeout, 0)
            };
            if taken == 0 {
                // SAFETY: the calling thread's own variable.
                return match unsafe { GetLastError() } {
                    WAIT_TIMEOUT => Ok(()),
                    error => Err(io::Error::from_raw_os_error(error as i32)),
                };
            }
            for entry in &entries[..count as usize] {
                // SAFETY: the system has filled in `count` of them.
                let entry = unsafe { entry.assume_init_ref() };
                if let Some(key) = key(entry.lpCompletionKey) {
                    each(Packet { key, data: entry.lpOverlapped as usize });
                }
            }
            if (count as usize) < BATCH {
                return Ok(());
            }
            timeout = 0;
        }
    }
}

/// `None`: somebody else has sent it.
fn key(number: usize) -> Option<Key> {
    let keys = [Key::Socket, Key::Handle, Key::Waker, Key::Alarm, Key::Kick, Key::Filled, Key::Kept];
    keys.into_iter().find(|key| *key as usize == number)
}

/// Milliseconds, rounded up, of that many nanoseconds.
pub(super) fn milliseconds(timeout: u64) -> u32 {
    match timeout {
        u64::MAX => INFINITE,
        timeout => u32::try_from(timeout.div_ceil(1_000_000)).unwrap_or(INFINITE - 1).min(INFINITE - 1),
    }
}

fn open() -> io::Result<OwnedHandle> {
    // SAFETY: no memory is involved.
    owned(unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, null_mut(), 0, 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(port: &Port, timeout: u32) -> Vec<usize> {
        let mut all = Vec::new();
        port.take(timeout, |packet| all.push(packet.data)).unwrap();
        all
    }

    #[test]
    fn packets_keep_their_order_in_either_form_however_many_they_are() {
        for form in [Form::Handle, Form::Inbox] {
            let port = Port::of(form).unwrap();
            for i in 0..1000 {
                port.post(Key::Alarm, i);
                if i == 500 && form == Form::Inbox {
                    assert!(port.fill(0) && port.fill(0), "what nobody has taken is still there");
                }
            }
            assert_eq!(taken(&port, 0), (0..1000).collect::<Vec<_>>(), "{form:?}");
            assert_eq!(taken(&port, 0), []);
        }
    }

    #[test]
    fn many_wakes_are_one_packet_until_it_has_arrived() {
        let port = Port::of(Form::Handle).unwrap();
        for _ in 0..1000 {
            port.wake();
        }
        assert_eq!(taken(&port, 0), [0]);
        port.wake();
        assert_eq!(taken(&port, 0), []);
        port.forget_wake();
        port.wake();
        assert_eq!(taken(&port, 0), [0]);
    }

    #[test]
    fn the_last_error_survives_a_wake() {
        let port = Port::of(Form::Handle).unwrap();
        // SAFETY: the calling thread's own variable.
        unsafe { SetLastError(1234) };
        port.wake();
        // SAFETY: as above.
        assert_eq!(unsafe { GetLastError() }, 1234);
    }

    #[test]
    fn what_others_send_is_passed_over() {
        let port = Port::of(Form::Handle).unwrap();
        // SAFETY: the port is open.
        unsafe { PostQueuedCompletionStatus(port.handle(), 0, 4711, std::ptr::null()) };
        port.post(Key::Alarm, 5);
        assert_eq!(taken(&port, 0), [5]);
    }

    #[test]
    fn a_packet_that_the_io_thread_took_reaches_a_host_that_waits() {
        let port = Port::of(Form::Inbox).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| while !port.fill(10_000) {});
            for i in 1..=100 {
                let poster = scope.spawn(|| port.post(Key::Alarm, 9));
                assert_eq!(taken(&port, 10_000), [9], "{i}");
                poster.join().unwrap();
                if i < 100 {
                    let filler = || while !port.fill(10_000) {};
                    scope.spawn(filler);
                }
            }
            // Whoever still fills has something to find.
            for _ in 0..100 {
                port.post(Key::Alarm, 0);
                std::thread::yield_now();
            }
        });
    }

    #[test]
    fn a_kick_that_the_host_meets_is_passed_on() {
        let port = Port::of(Form::Inbox).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..100 {
                let filler = scope.spawn(|| port.fill(60_000));
                port.kick();
                while !filler.is_finished() {
                    assert_eq!(taken(&port, 0), []);
                    std::thread::yield_now();
                }
                assert!(!filler.join().unwrap());
                assert!(port.take_kick() && !port.take_kick());
                assert_eq!(taken(&port, 0), []);
            }
        });
    }

    #[test]
    fn milliseconds_are_rounded_up_and_end() {
        assert_eq!([0, 1, 1_000_000, 1_000_001].map(milliseconds), [0, 1, 1, 2]);
        assert_eq!([u64::MAX, u64::MAX - 1].map(milliseconds), [INFINITE, INFINITE - 1]);
    }
}
