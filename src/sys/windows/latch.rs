//! L1. What the I/O thread sleeps on.
//!
//! Owns: an event that rings when the latch is armed or kicked. The I/O thread waits, the host thread arms and kicks.
//! Imports windows-sys.
//!
//! In form *handle* the I/O thread sleeps on the event and, while the latch is armed, on the port's handle too; it takes
//! nothing from the port. In form *inbox* it sleeps on the event and, while armed, inside the port, and what it takes goes
//! to the inbox unread. See [`super::port`].

use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::null;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::Arc;

use windows_sys::Win32::System::Threading::{
    CreateEventW, SetEvent, WaitForMultipleObjects, WaitForSingleObject,
};

use super::handle::owned;
use super::poller::Poller;
use super::port::{milliseconds, Form, Port};
use super::read_set::ReadSet;
use super::time::monotonic_ns;

pub(crate) struct Latch {
    port: Arc<Port>,
    /// Reset by the wait that it ends: the numbers below and the port say what it rang for.
    bell: OwnedHandle,
    /// How often it was armed,
    arms: AtomicU64,
    /// and how often when the wait began that has opened it last: what is armed after that counts for the next one. I/O
    /// thread only.
    opened: AtomicU64,
}

impl Latch {
    pub(crate) fn new(poller: &Poller) -> io::Result<Latch> {
        // SAFETY: no memory is involved.
        let bell = owned(unsafe { CreateEventW(null(), 0, 0, null()) })?;
        let port = poller.port().clone();
        Ok(Latch { port, bell, arms: AtomicU64::new(0), opened: AtomicU64::new(0) })
    }

    pub(crate) fn arm(&self) {
        self.arms.fetch_add(1, SeqCst);
        self.ring();
    }

    /// There is no such set here.
    pub(crate) fn add_set(&self, _set: &ReadSet) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The same.
    pub(crate) fn arm_set(&self, _set: &ReadSet) {}

    pub(crate) fn kick(&self) {
        self.port.kick();
        self.ring();
    }

    fn ring(&self) {
        // SAFETY: an open handle.
        unsafe { SetEvent(self.bell.as_raw_handle()) };
    }

    pub(crate) fn wait(&self, timeout: Option<u64>) -> bool {
        let until = timeout.map(|timeout| monotonic_ns().saturating_add(timeout));
        loop {
            let left = until.map_or(u64::MAX, |until| until.saturating_sub(monotonic_ns()));
            // A kick that has come is no reason to overlook that the latch is open.
            let left = if self.port.is_kicked() { 0 } else { left };
            let arms = self.arms.load(SeqCst);
            let armed = arms != self.opened.load(SeqCst);
            let open = match self.port.form() {
                _ if !armed => self.sleep_till_the_bell(milliseconds(left)),
                Form::Handle => self.sleep_on_handle(milliseconds(left)),
                Form::Inbox => self.port.fill(milliseconds(left)),
            };
            if open {
                self.opened.store(arms, SeqCst);
                // Who has kicked is served by this return, too.
                self.port.take_kick();
                return true;
            }
            if self.port.take_kick() || left == 0 {
                return false;
            }
            // The bell rang because the latch was armed.
        }
    }

    fn sleep_till_the_bell(&self, timeout: u32) -> bool {
        // SAFETY: an open handle.
        unsafe { WaitForSingleObject(self.bell.as_raw_handle(), timeout) };
        false
    }

    fn sleep_on_handle(&self, timeout: u32) -> bool {
        let handles = [self.bell.as_raw_handle(), self.port.handle()];
        // SAFETY: two handles, both open.
        unsafe { WaitForMultipleObjects(2, handles.as_ptr(), 0, timeout) };
        // Whichever it was: both may have come at once, and the host thread may have emptied the port.
        self.port.is_signalled()
    }

    pub(crate) fn takes_packets(&self) -> bool {
        self.port.form() == Form::Inbox
    }

    pub(crate) fn close_in_child(&self) {}
}

#[cfg(test)]
pub(in crate::sys) fn each(test: impl Fn(Poller, super::poller::Waker, Latch)) {
    for form in [Form::Handle, Form::Inbox] {
        if form == Form::Inbox || super::form::form() == Form::Handle {
            let (poller, waker, _alarm) = Poller::of(form).unwrap();
            let latch = Latch::new(&poller).unwrap();
            test(poller, waker, latch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_hears_the_arming_the_readiness_and_the_kick() {
        each(|mut poller, waker, latch| {
            std::thread::scope(|scope| {
                let sleeper = scope.spawn(|| (0..1000).filter(|_| latch.wait(None)).count());
                // Each opens it once, or ends one wait.
                let mut wakes = 0;
                while !sleeper.is_finished() {
                    match wakes % 3 {
                        0 => latch.kick(),
                        1 => waker.wake(),
                        _ => latch.arm(),
                    }
                    wakes += 1;
                    if wakes % 7 == 0 {
                        poller.poll_now(|_, _| {}).unwrap();
                    }
                    std::thread::yield_now();
                }
                assert!(sleeper.join().unwrap() > 0);
            });
        });
    }
}
