//! L2. The thread of a drive: started, and joined in the end.
//!
//! Owns: the thread. What it does is its drive's.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{bounded, Receiver, RecvTimeoutError};

use super::shared::Shared;
use crate::core::live;
use crate::sys;

/// How long a join may take when the host's post function does not return.
const JOIN: Duration = Duration::from_secs(1);

pub(crate) struct IoThread {
    thread: JoinHandle<()>,
    /// Nothing is ever sent; it disconnects when the thread is at its end.
    over: Receiver<()>,
}

impl IoThread {
    /// The thread that this guest's drive needs, if it needs one.
    pub(crate) fn start(shared: Arc<Shared>) -> io::Result<Option<IoThread>> {
        let Some(name) = shared.drive.thread() else { return Ok(None) };
        let (running, over) = bounded::<()>(0);
        let alive = live::Alive::<{ live::THREADS }>::default();
        let thread = sys::spawn(name, move || {
            shared.drive.run_thread(&shared);
            drop((alive, shared, running));
        })?;
        Ok(Some(IoThread { thread, over }))
    }

    /// Waits for the end of a thread whose guest has ended. A thread that hangs in the host's post
    /// function is left behind: it ends when that function returns, and touches only what it owns.
    pub(crate) fn join(self) {
        if self.over.recv_timeout(JOIN) == Err(RecvTimeoutError::Disconnected) {
            // A panic on that thread has been printed; there is nothing to add.
            let _ = self.thread.join();
        }
    }
}
