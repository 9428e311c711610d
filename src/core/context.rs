//! L2. What user code is called with: whose callback this is.
//!
//! Owns: a weak reference to the registry, for callbacks that go on registering, and the address of the foreign
//! caller's guest. Host thread only. Here and not in `registered`, so that the queue of posts, which other threads fill,
//! knows nothing of what is registered.

use std::any::Any;
use std::cell::Cell;
use std::ffi::c_void;
use std::rc::{Rc, Weak};

pub struct Context {
    registry: Weak<dyn Any>,
    /// What foreign callbacks get as their guest.
    pub(crate) foreign: Cell<*mut c_void>,
}

impl Context {
    pub(crate) fn new(registry: Weak<dyn Any>) -> Context {
        Context { registry, foreign: Cell::new(std::ptr::null_mut()) }
    }

    /// The registry, if that is its type: always while user code runs.
    pub(crate) fn registry<R: 'static>(&self) -> Option<Rc<R>> {
        self.registry.upgrade()?.downcast().ok()
    }
}
