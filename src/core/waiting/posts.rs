//! L2. The queue from every thread to the host thread.
//!
//! Owns: what was accepted and has not been collected. Any thread pushes, the host thread drains.
//! Imports `sync` alone, so that the models in `tests/loom` run this file.
//!
//! `fill` says whether there is something, and if not, whether a push must wake the host side. It is
//! changed under the queue's lock, so any number of pushes wakes once, and none falls between "the queue is
//! empty" and "asleep". The host side reads it without the lock: a push that it was woken for has filled it
//! before, and any other will wake it, or is found by the look that arms it. What was accepted is guaranteed to be
//! handed out (the rule of Trio's entry queue).

use std::collections::VecDeque;

use crate::sync::{lock, AtomicU8, Mutex, Ordering};

struct Queue<T> {
    items: VecDeque<T>,
    closed: bool,
    /// How many jobs were ever accepted,
    accepted: u64,
    /// and how many of them had been when the queue was last drained.
    drained: u64,
}

/// The queue is empty, and a push must wake the host side.
const ARMED: u8 = 0;
/// The queue is empty, and the host side will look without being woken.
const QUIET: u8 = 1;
const FILLED: u8 = 2;

/// Gives the memory of an empty buffer back if it once held many, instead of keeping it for the next burst.
pub(crate) fn trim<T>(buffer: &mut VecDeque<T>) {
    const KEEP: usize = 1 << 16;
    if buffer.capacity() > KEEP {
        *buffer = VecDeque::new();
    }
}

/// Why an item was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    Closed,
    NoMemory,
}

pub(crate) struct Posts<T> {
    fill: AtomicU8,
    queue: Mutex<Queue<T>>,
}

impl<T> Posts<T> {
    /// An empty queue whose first push wakes.
    pub(crate) fn new() -> Posts<T> {
        let queue = Queue { items: VecDeque::new(), closed: false, accepted: 0, drained: 0 };
        Posts { fill: AtomicU8::new(ARMED), queue: Mutex::new(queue) }
    }

    /// Adds an item, which is made when it is accepted. `true`: the caller must wake the host side.
    #[inline(always)]
    pub(crate) fn push(&self, make: impl FnOnce() -> T) -> Result<bool, Refused> {
        let mut queue = lock(&self.queue);
        if queue.closed {
            return Err(Refused::Closed);
        }
        if queue.items.try_reserve(1).is_err() {
            return Err(Refused::NoMemory);
        }
        queue.accepted += 1;
        Ok(self.put(&mut queue, make()))
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
        let before = self.fill.load(Ordering::Relaxed);
        self.fill.store(FILLED, Ordering::Release);
        before == ARMED
    }

    /// Host side: whether it is empty. Not so if anything was pushed that the host thread can know of.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.fill.load(Ordering::Acquire) != FILLED
    }

    /// Host side: takes all that was queued so far, and tells how much of it `push` has accepted. `armed`:
    /// whether a later push has to wake. `into` must be empty; the queue goes on with its memory, so that in
    /// the long run none is allocated.
    #[inline(always)]
    pub(crate) fn drain(&self, armed: bool, into: &mut VecDeque<T>) -> u64 {
        let empty = if armed { ARMED } else { QUIET };
        if self.fill.load(Ordering::Acquire) == empty {
            return 0;
        }
        self.take(empty, into)
    }

    fn take(&self, empty: u8, into: &mut VecDeque<T>) -> u64 {
        debug_assert!(into.is_empty());
        trim(into);
        let mut queue = lock(&self.queue);
        self.fill.store(empty, Ordering::Release);
        std::mem::swap(&mut queue.items, into);
        let accepted = queue.accepted;
        accepted - std::mem::replace(&mut queue.drained, accepted)
    }

    /// Host side: asks to be woken by the next push. `false`: there is something already, go on.
    #[inline(always)]
    pub(crate) fn arm(&self) -> bool {
        self.fill.load(Ordering::Acquire) == ARMED || self.arm_if_empty()
    }

    fn arm_if_empty(&self) -> bool {
        let queue = lock(&self.queue);
        let empty = queue.items.is_empty();
        if empty {
            self.fill.store(ARMED, Ordering::Release);
        }
        empty
    }

    /// Refuses pushes from now on; what was accepted stays to be drained.
    pub(crate) fn close(&self) {
        lock(&self.queue).closed = true;
    }
}
