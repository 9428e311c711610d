//! winit as a host, in two ways: the whole adapter, for copying.
//!
//! Push: the guest's I/O thread sends tokens through an `EventLoopProxy`, the one thing of winit that other threads
//! may use; the application notes them in `user_event` and delivers in `about_to_wait`. Not at once: winit hands out
//! what is in its queue until that is empty, and draws only then, so that a guest with much to do, whose next token is
//! sent while it is served, would keep the window from drawing. Works on every system that winit supports.
//!
//! Pull (POSIX): winit's loop has an fd of its own, so that a loop of ours waits on both and pumps winit. No second
//! thread; but winit's manual advises against pumping where the system itself runs the loop (macOS, Windows).

use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use asyncguest::error::Status;
use asyncguest::{Guest, Host, Posted};
use winit::application::ApplicationHandler;
use winit::event_loop::{EventLoop, EventLoopProxy};
use winit::platform::pump_events::{EventLoopExtPumpEvents, PumpStatus};

/// What reaches the application through winit's queue.
#[derive(Debug)]
pub enum Wake {
    /// A turn for guest `number`: `guest.deliver(token)` in the next `about_to_wait`.
    Turn { number: usize, token: u64 },
    /// One of them has ended; nothing of it runs after this.
    Ended,
}

/// The guest's way into winit's queue. Any thread.
pub struct WinitHost {
    pub proxy: EventLoopProxy<Wake>,
    /// Which of the program's guests it is the host of.
    pub number: usize,
}

impl Host for WinitHost {
    fn post(&self, token: u64) -> Posted {
        match self.proxy.send_event(Wake::Turn { number: self.number, token }) {
            Ok(()) => Posted::Queued,
            Err(_closed) => Posted::Gone, // the event loop was dropped
        }
    }

    fn done(&self, _status: Status) {
        let _ = self.proxy.send_event(Wake::Ended); // fails when nobody is left to hear it
    }
}

/// Drive FD: runs winit and the guests until the application exits. `wait`: how long the application lets it sleep,
/// asked after each turn (what `ControlFlow` is in winit's own loop).
pub fn run_pumped<A: ApplicationHandler<Wake>>(
    mut events: EventLoop<Wake>,
    app: &mut A,
    guests: impl Fn(&A) -> &[Guest],
    wait: impl Fn(&A) -> Option<Duration>,
) -> std::io::Result<i32> {
    loop {
        if let PumpStatus::Exit(code) = events.pump_app_events(Some(Duration::ZERO), app) {
            return Ok(code);
        }
        let mut fds = vec![watch(events.as_raw_fd())];
        fds.extend(guests(app).iter().filter_map(|guest| guest.fd().ok()).map(watch));
        let timeout = wait(app).map_or(-1, |time| i32::try_from(time.as_millis() + 1).unwrap_or(i32::MAX));
        // SAFETY: the array is `fds.len()` long and lives through the call.
        if unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout) } < 0 {
            let error = std::io::Error::last_os_error();
            if error.kind() != std::io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        for guest in guests(app) {
            let _ = guest.deliver(0); // fails when the guest has ended, which `Wake::Ended` tells
        }
    }
}

fn watch(fd: RawFd) -> libc::pollfd {
    libc::pollfd { fd, events: libc::POLLIN, revents: 0 }
}
