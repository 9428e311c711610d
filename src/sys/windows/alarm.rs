//! L1. The alarm: makes the poller ready at a point in time.
//!
//! Owns: one high-resolution waitable timer, and the registered wait that sends a packet each time it goes off. Host thread;
//! the packet is sent by the system's pool.
//!
//! The system's clock of timers and that of deadlines differ by a little, and a packet may be under way when the alarm is set
//! anew. So a packet only says "look": whoever meets it asks [`Timer::rang`], which sets the timer again if it is early.

use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::null;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;

use windows_sys::Win32::System::Threading::{
    CancelWaitableTimer, CreateWaitableTimerExW, SetWaitableTimer, CREATE_WAITABLE_TIMER_HIGH_RESOLUTION,
    TIMER_ALL_ACCESS,
};

use super::handle::{owned, succeeded};
use super::port::{Key, Packet, Port};
use super::registered::{Often, Registered};
use super::time::monotonic_ns;

/// A timer on the monotonic clock, never early.
pub(crate) struct Alarm {
    // Dropped in this order: the wait before what it waits for.
    _wait: Registered,
    timer: Arc<Timer>,
}

/// The poller's part of it.
pub(super) struct Timer {
    timer: OwnedHandle,
    /// Nanoseconds; `u64::MAX`: not set, or it has gone off.
    at: AtomicU64,
}

impl Alarm {
    /// An alarm that is not set, and the poller's part.
    pub(super) fn new(port: &Arc<Port>) -> io::Result<(Alarm, Arc<Timer>)> {
        // Without the flag, which is unknown before Windows 10 1803, a timer is late by a tick of the system.
        let timer = create(CREATE_WAITABLE_TIMER_HIGH_RESOLUTION).or_else(|_| create(0))?;
        let timer = Arc::new(Timer { timer, at: AtomicU64::new(u64::MAX) });
        let packet = Packet { key: Key::Alarm, data: 0 };
        let wait = Registered::new(timer.timer.as_raw_handle(), port, packet, Often::Always)?;
        Ok((Alarm { _wait: wait, timer: timer.clone() }, timer))
    }

    pub(crate) fn set(&self, deadline: u64) -> io::Result<()> {
        self.timer.at.store(deadline, Relaxed);
        self.timer.start()
    }

    pub(crate) fn close_in_child(&self) {}
}

impl Timer {
    /// The timer's packet has arrived: whether the alarm has gone off, once for each setting.
    pub(super) fn rang(&self) -> bool {
        let at = self.at.load(Relaxed);
        if at == u64::MAX {
            return false;
        }
        if monotonic_ns() < at {
            // If it cannot be set now, nothing else can be either.
            let _ = self.start();
            return false;
        }
        self.at.store(u64::MAX, Relaxed);
        true
    }

    fn start(&self) -> io::Result<()> {
        let timer = self.timer.as_raw_handle();
        let at = self.at.load(Relaxed);
        if at == u64::MAX {
            // SAFETY: an open handle.
            return succeeded(unsafe { CancelWaitableTimer(timer) });
        }
        // Negative: from now, in steps of 100 ns, at least one. An absolute time would be that of the wall clock.
        let steps = at.saturating_sub(monotonic_ns()).div_ceil(100).max(1);
        let due = -(steps as i64);
        // SAFETY: an open handle, and `due` outlives the call.
        succeeded(unsafe { SetWaitableTimer(timer, &due, 0, None, null(), 0) })
    }
}

fn create(flags: u32) -> io::Result<OwnedHandle> {
    // Reset by the wait that it ends.
    // SAFETY: no memory is involved.
    owned(unsafe { CreateWaitableTimerExW(null(), null(), flags, TIMER_ALL_ACCESS) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::windows::form::form;

    #[test]
    fn what_rings_early_rings_again() {
        let port = Port::of(form()).unwrap();
        let (alarm, timer) = Alarm::new(&port).unwrap();
        let deadline = monotonic_ns() + 30_000_000;
        alarm.set(deadline).unwrap();
        // As a packet of an earlier setting would.
        port.post(Key::Alarm, 0);
        let mut rang = false;
        while !rang {
            let mut came = false;
            port.take(5000, |_| (came, rang) = (true, rang | timer.rang())).unwrap();
            assert!(came, "it does not ring again");
        }
        assert!(monotonic_ns() >= deadline);
    }
}
