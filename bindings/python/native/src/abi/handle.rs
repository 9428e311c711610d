//! What of the ABI Windows alone has.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::Ordering::Relaxed;

use asyncguest::ffi::handle;
use pyo3::Python;

use super::{done, Guest, GuestId, Status};

impl Guest {
    /// `guest_handle_add`. The handle is the user data of its own watch, as an fd is: 32 bits of it count, says Windows.
    pub fn handle_add(&self, _py: Python<'_>, handle: usize) -> Result<GuestId, Status> {
        let handle: *mut c_void = ptr::without_provenance_mut(handle);
        let mut id = 0;
        // SAFETY: NULL or a guest; what the library has of the user data is its value.
        let status = unsafe {
            handle::guest_handle_add(self.g.load(Relaxed).cast(), handle, None, handle, None, &mut id)
        };
        done(status, id)
    }
}
