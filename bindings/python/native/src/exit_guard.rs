//! The exit guard: no thread of the library may ask for the lock of an interpreter that is being finalised.
//!
//! Such a thread never comes back: before CPython 3.14 it is ended in the middle of the guest's I/O loop, from 3.14 on it
//! hangs. So the exit hook closes the guard first, and then waits until nobody is inside. Owns: whether it is closed, and
//! who is inside; of the process, as there is one interpreter that PyO3 lets in. Any thread.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};

static CLOSED: AtomicBool = AtomicBool::new(false);
static INSIDE: AtomicI32 = AtomicI32::new(0);

thread_local! {
    /// How often this thread is inside: a host thread that closes the guard from a callback must not wait for itself, and
    /// of a forked process only this thread is left.
    static DEPTH: Cell<i32> = const { Cell::new(0) };
}

/// One visit.
pub struct Inside;

impl Inside {
    /// None when the guard is closed.
    pub fn enter() -> Option<Inside> {
        // First counted, then looked, and the hook the other way round: either we see the guard closed, or it sees us.
        INSIDE.fetch_add(1, SeqCst);
        DEPTH.set(DEPTH.get() + 1);
        let inside = Inside;
        (!CLOSED.load(SeqCst)).then_some(inside)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        INSIDE.fetch_sub(1, SeqCst);
    }
}

/// Closes it for good; returns how many visits of other threads are not over.
pub fn close() -> i32 {
    CLOSED.store(true, SeqCst);
    INSIDE.load(SeqCst) - DEPTH.get()
}

/// In a forked child.
pub fn note_fork() {
    INSIDE.store(DEPTH.get(), SeqCst);
}
