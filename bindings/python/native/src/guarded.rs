//! A value that the interpreter lock guards, for the objects that Python holds.
//!
//! Owns: the value. A look at it runs no code of Python's, not even a destructor: take out, end the look, then call or drop.

#![allow(unsafe_code)]

use std::cell::RefCell;

use pyo3::Python;

/// The value. A look inside a look is a panic, and no harm.
#[derive(Default)]
pub struct Guarded<T>(RefCell<T>);

// SAFETY: only a thread that is attached to the interpreter comes to the value: `with` asks for the proof, and `visited` is
// for the garbage collector, which runs on such a thread. The module asks for the interpreter lock (`gil_used`), of which
// there is one, so that there is no other thread at that moment.
unsafe impl<T: Send> Sync for Guarded<T> {}

impl<T> Guarded<T> {
    pub fn new(value: T) -> Guarded<T> {
        Guarded(RefCell::new(value))
    }

    /// Looks at the value, or changes it.
    #[inline(always)]
    pub fn with<R>(&self, _py: Python<'_>, look: impl FnOnce(&mut T) -> R) -> R {
        look(&mut self.0.borrow_mut())
    }

    /// Puts another value there. The caller drops the one before.
    #[inline]
    pub fn replace(&self, _py: Python<'_>, value: T) -> T {
        self.0.replace(value)
    }

    /// Looks at the value, for Python's garbage collector alone, which says that it is there by calling `__traverse__`.
    pub fn visited<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        self.0.try_borrow().ok().map(|value| look(&value))
    }
}
