//! What the guest's callbacks and the window share. Main thread only: `Rc` and `Cell` are all that it takes.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use asyncguest::Handle;

/// Work for one of winit's handlers, outside the guest's callbacks.
pub type InHandler = Box<dyn FnOnce(&Handle)>;

#[derive(Default)]
pub struct Stage {
    /// Figures that the window draws.
    pub ticks: Cell<u64>,
    pub datagrams: Cell<u64>,
    pub frames: Cell<u64>,
    /// The longest time between two frames.
    pub worst: Cell<Duration>,
    pub last: Cell<Option<Instant>>,
    /// Whether the window asks for a frame every 16 ms.
    pub still: Cell<bool>,
    /// The next handlers of winit run these, one each.
    pub in_handler: RefCell<VecDeque<InHandler>>,
    /// A program that takes a picture of the window, and its arguments.
    pub shot: RefCell<Option<Vec<String>>>,
    /// What came of the scenario; the guests are then cancelled.
    pub verdict: RefCell<Option<Result<String, String>>>,
    /// Leave winit's loop with the guests alive.
    pub quit_first: Cell<bool>,
}

impl Stage {
    /// Before each scenario.
    pub fn clear(&self) {
        self.ticks.set(0);
        self.datagrams.set(0);
        self.frames.set(0);
        self.worst.set(Duration::ZERO);
        self.last.set(None);
        self.still.set(false);
    }

    pub fn frame(&self, now: Instant) {
        if let Some(last) = self.last.replace(Some(now)) {
            self.worst.set(self.worst.get().max(now - last));
        }
        self.frames.set(self.frames.get() + 1);
    }

    pub fn judge(&self, good: bool, text: String) {
        *self.verdict.borrow_mut() = Some(if good { Ok(text) } else { Err(text) });
    }
}
