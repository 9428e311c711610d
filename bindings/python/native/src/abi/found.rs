//! What a look has found, without an allocation.

use std::mem::MaybeUninit;
use std::ptr;

/// More than one delivery of a loop commonly meets, and no burden for a thread's stack. What does not fit comes with the
/// next look.
pub const EVENTS: usize = 256;

/// What a look has found: two numbers for each event that Python has to look at, fd and readiness, or -signum and count.
pub struct Found {
    numbers: [MaybeUninit<i32>; 2 * EVENTS],
    len: usize,
}

impl Found {
    #[inline]
    pub fn new() -> Found {
        // Each by itself: the compiler fills a copy of one with zeros.
        Found { numbers: [const { MaybeUninit::uninit() }; 2 * EVENTS], len: 0 }
    }

    pub(super) fn push(&mut self, name: i32, value: i32) {
        self.numbers[self.len].write(name);
        self.numbers[self.len + 1].write(value);
        self.len += 2;
    }

    pub fn numbers(&self) -> &[i32] {
        // SAFETY: `push` has written the first `len`.
        unsafe { &*(ptr::from_ref(&self.numbers[..self.len]) as *const [i32]) }
    }
}
