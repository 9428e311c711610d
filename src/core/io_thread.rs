//! L2. The I/O thread "asyncguest-io": waits, posts, posts again, watches for stalls.
//!
//! Owns: the thread, and that of drive FD (`watch_thread`), which is started and joined alike. It touches nothing but `Shared`, and runs nothing of the user's but
//! `host.post` and `host.on_stall`. It never reads the poller: the host thread does.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{bounded, Receiver, RecvTimeoutError};

use super::host::Stall;
use super::live;
use super::shared::Shared;
use super::watch_thread;
use crate::sys::{self, Gate};

/// How long a join may take when the host's post function does not return.
const JOIN: Duration = Duration::from_secs(1);

/// The running thread.
pub(crate) struct IoThread {
    thread: JoinHandle<()>,
    /// Nothing is ever sent; it disconnects when the thread is at its end.
    over: Receiver<()>,
}

impl IoThread {
    /// The thread that this guest needs; in drive FD only if stalls are to be reported.
    pub(crate) fn start(shared: Arc<Shared>) -> io::Result<Option<IoThread>> {
        if shared.gate.is_none() {
            return Ok(None);
        }
        let (running, over) = bounded::<()>(0);
        let alive = live::Alive::<{ live::THREADS }>::new();
        let name = if shared.stalls.is_some() { "asyncguest-watch" } else { "asyncguest-io" };
        let thread = sys::spawn(name, move || {
            if let Some(gate) = &shared.gate {
                // It is taken for armed from the start.
                gate.arm();
                match &shared.stalls {
                    Some(stalls) => watch_thread::run(&shared, gate, stalls),
                    None => run(&shared, gate),
                }
            }
            drop((alive, shared, running));
        })?;
        Ok(Some(IoThread { thread, over }))
    }

    /// Waits for the end of a thread that was told to stop. A thread that hangs in the host's post
    /// function is left behind: it ends when that function returns, and touches only what it owns.
    pub(crate) fn join(self) {
        if self.over.recv_timeout(JOIN) == Err(RecvTimeoutError::Disconnected) {
            // A panic on that thread has been printed; there is nothing to add.
            let _ = self.thread.join();
        }
    }
}

fn run(shared: &Shared, gate: &Gate) {
    let mut sleep = None;
    loop {
        let open = gate.wait(sleep);
        if shared.is_stopping() {
            return;
        }
        shared.counters.io_wakeups.add(1);
        if let Some(token) = open.then(|| shared.hand_off.opened(shared.clock.now())).flatten() {
            shared.counters.tokens.add_shared(1);
            shared.post(token, false);
        }
        sleep = loop {
            let watch = shared.hand_off.watch(shared.clock.now());
            if let Some((delivering, lasted)) = watch.stall {
                shared.counters.stalls.add(1);
                let kind = if delivering { Stall::Delivering } else { Stall::Undelivered };
                shared.host.on_stall(kind, lasted);
            }
            if shared.is_stopping() {
                // The last post may have taken long, and its host's data may be gone.
                return;
            }
            match watch.post {
                None => break watch.sleep,
                Some((token, first)) => {
                    let counter = if first { &shared.counters.tokens } else { &shared.counters.reposts };
                    counter.add_shared(1);
                    // It may fail and want an earlier look, hence the loop.
                    shared.post(token, false);
                }
            }
        };
    }
}
