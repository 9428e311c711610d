//! L1. Memory of somebody else's, as scatter-gather calls take it. [`Buffer`] is the C header's too.
//!
//! Owns: nothing. Imports nothing.

use std::ffi::c_void;

/// Some bytes: `size` of them at `data`, which may be NULL if there are none.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    /// Where they begin.
    pub data: *const c_void,
    /// How many.
    pub size: usize,
}

/// Bytes that their owner leaves alone for as long as this lives.
pub(crate) struct Lent(*const [u8]);

impl Lent {
    /// # Safety
    /// The bytes stay readable and do not change while this lives.
    pub(crate) unsafe fn new(bytes: &[u8]) -> Lent {
        Lent(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the promise of `new`.
        unsafe { &*self.0 }
    }
}
