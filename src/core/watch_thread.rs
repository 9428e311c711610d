//! L2. The thread "asyncguest-watch" of drive FD: notices a host that is stuck, and does nothing else.
//!
//! Owns: nothing; the thread is an [`super::io_thread::IoThread`]. It runs nothing of the user's but
//! `host.on_stall`, and never reads the poller.

use super::host::Stall;
use super::shared::Shared;
use super::stalls::{Look, Stalls};
use crate::sys::Gate;

pub(super) fn run(shared: &Shared, gate: &Gate, stalls: &Stalls) {
    let mut sleep = None;
    loop {
        let mut open = gate.wait(sleep);
        shared.counters.io_wakeups.add(1);
        sleep = loop {
            if shared.is_stopping() {
                return;
            }
            match stalls.look(shared.clock.now(), open) {
                Look::Ask => {
                    gate.arm();
                    open = gate.wait(Some(0));
                }
                Look::Report(kind, lasted) => {
                    report(shared, kind, lasted);
                    open = false;
                }
                Look::Sleep(sleep) => break sleep,
            }
        };
    }
}

fn report(shared: &Shared, kind: Stall, lasted: u64) {
    shared.counters.stalls.add(1);
    shared.host.on_stall(kind, lasted);
}
