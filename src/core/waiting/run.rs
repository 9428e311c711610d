//! L2. Drive RUN: the calling thread waits.

use super::handoff::Begun;
use super::shared::{Ending, Shared, Waits};

pub(crate) struct Run;

impl Waits for Run {
    fn begin(&self, token: u64, _now: u64) -> Option<Begun> {
        (token == 0).then(Begun::default)
    }

    fn end(&self, shared: &Shared, ending: &Ending<'_>) {
        shared.set_alarm(ending.earliest);
        if ending.more {
            shared.waker.wake();
        }
    }

    fn waits_alone(&self) -> bool {
        true
    }

    /// A nested guest_run begins with a delivery.
    fn nested_wake(&self, _shared: &Shared) {}
}
