//! L2. The queue from every thread to the host thread.
//!
//! Owns: what was accepted and has not been collected. Any thread pushes, the host thread drains.
//! Imports `sync` alone, so that the models in `tests/loom` run this file.
//!
//! `armed` says that the queue is empty and a push must wake the host side. It is set and cleared under
//! the queue's lock, so any number of pushes wakes once, and none falls between "the queue is empty"
//! and "asleep". The host side reads it without the lock: a push that it was woken for has cleared it
//! before, and any other will wake it. What was accepted is guaranteed to be handed out (the rule of
//! Trio's entry queue).

use std::collections::VecDeque;

use crate::sync::{lock, AtomicBool, Mutex, Ordering};

struct Queue<T> {
    items: VecDeque<T>,
    closed: bool,
    /// How many jobs were ever accepted,
    accepted: u64,
    /// and how many of them had been when the queue was last drained.
    drained: u64,
}

/// A buffer that once held more than this is given back instead of being kept for the next burst.
const KEEP: usize = 1 << 16;

/// Why an item came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    Closed,
    NoMemory,
}

pub(crate) struct Posts<T> {
    armed: AtomicBool,
    queue: Mutex<Queue<T>>,
}

impl<T> Posts<T> {
    /// An empty queue whose first push wakes.
    pub(crate) fn new() -> Posts<T> {
        let queue = Queue { items: VecDeque::new(), closed: false, accepted: 0, drained: 0 };
        Posts { armed: AtomicBool::new(true), queue: Mutex::new(queue) }
    }

    /// Adds an item. `Ok(true)`: the caller must wake the host side. `Err`: the item is back.
    #[inline(always)]
    pub(crate) fn push(&self, item: T) -> Result<bool, (Refused, T)> {
        let mut queue = lock(&self.queue);
        if queue.closed {
            return Err((Refused::Closed, item));
        }
        if queue.items.try_reserve(1).is_err() {
            return Err((Refused::NoMemory, item));
        }
        queue.accepted += 1;
        Ok(self.put(&mut queue, item))
    }

    /// How many `push` has accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        lock(&self.queue).accepted
    }

    /// Adds an item that the host side itself waits for, also after closing.
    pub(crate) fn push_awaited(&self, item: T) -> bool {
        self.put(&mut lock(&self.queue), item)
    }

    #[inline(always)]
    fn put(&self, queue: &mut Queue<T>, item: T) -> bool {
        queue.items.push_back(item);
        let wake = self.armed.load(Ordering::Relaxed);
        if wake {
            self.armed.store(false, Ordering::Release);
        }
        wake
    }

    /// Host side: takes all that was queued so far, and tells how much of it `push` has accepted. `armed`:
    /// whether a later push has to wake. `into` must be empty; the queue goes on with its memory, so that in
    /// the long run none is allocated.
    #[inline(always)]
    pub(crate) fn drain(&self, armed: bool, into: &mut VecDeque<T>) -> u64 {
        if armed && self.armed.load(Ordering::Acquire) {
            return 0;
        }
        self.take(armed, into)
    }

    fn take(&self, armed: bool, into: &mut VecDeque<T>) -> u64 {
        debug_assert!(into.is_empty());
        if into.capacity() > KEEP {
            *into = VecDeque::new();
        }
        let mut queue = lock(&self.queue);
        self.armed.store(armed, Ordering::Release);
        std::mem::swap(&mut queue.items, into);
        let accepted = queue.accepted;
        accepted - std::mem::replace(&mut queue.drained, accepted)
    }

    /// Host side: asks to be woken by the next push. `false`: there is something already, go on.
    #[inline(always)]
    pub(crate) fn arm(&self) -> bool {
        self.armed.load(Ordering::Acquire) || self.arm_if_empty()
    }

    fn arm_if_empty(&self) -> bool {
        let queue = lock(&self.queue);
        let empty = queue.items.is_empty();
        self.armed.store(empty, Ordering::Release);
        empty
    }

    /// Refuses pushes from now on; what was accepted stays to be drained.
    pub(crate) fn close(&self) {
        lock(&self.queue).closed = true;
    }
}
