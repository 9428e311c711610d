//! L2. The one phase of a guest's life.
//!
//! Owns: how far the guest's end has come. Any thread reads it; each step is taken once and never back.

use std::sync::atomic::{AtomicU8, Ordering};

const CANCELLED: u8 = 1;
const DETACHING: u8 = 2;
const ENDED: u8 = 4;
const HOST_GONE: u8 = 8;

#[derive(Default)]
pub(crate) struct Life(AtomicU8);

impl Life {
    /// The guest shall end. Says whether this is the first time.
    pub(crate) fn cancel(&self) -> bool {
        self.step(CANCELLED)
    }

    /// The host said that it is gone; the guest can only be ended by hand.
    pub(crate) fn lose_host(&self) {
        self.step(HOST_GONE);
    }

    /// From here on no callback is called any more; what is left is to detach, to run drop functions, and `done`.
    /// Says whether this is the first time.
    pub(crate) fn begin_detaching(&self) -> bool {
        self.step(DETACHING)
    }

    /// `done` is about to be called.
    pub(crate) fn end(&self) {
        self.step(ENDED);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.has(CANCELLED)
    }

    pub(crate) fn is_host_gone(&self) -> bool {
        self.has(HOST_GONE)
    }

    pub(crate) fn is_detaching(&self) -> bool {
        self.has(DETACHING)
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.has(ENDED)
    }

    fn step(&self, phase: u8) -> bool {
        self.0.fetch_or(phase, Ordering::SeqCst) & phase == 0
    }

    #[inline(always)]
    fn has(&self, phase: u8) -> bool {
        self.0.load(Ordering::SeqCst) & phase != 0
    }
}
