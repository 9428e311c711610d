//! L1. Waits that the system's pool of threads does for us, any number of them.
//!
//! Owns: one registered wait. The pool's thread does nothing but send a packet. Imports windows-sys only.

use std::ffi::c_void;
use std::io;
use std::ptr::{null_mut, NonNull};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::Arc;

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Threading::{
    RegisterWaitForSingleObject, UnregisterWaitEx, INFINITE, WT_EXECUTEDEFAULT, WT_EXECUTEONLYONCE,
};

use super::handle::succeeded;
use super::port::{Packet, Port};

/// How often a wait sends its packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Often {
    Once,
    /// Each time that it is signalled: for what a wait resets.
    Always,
}

/// A wait that sends a packet to the port.
pub(super) struct Registered {
    wait: HANDLE,
    order: NonNull<Order>,
}

/// What the pool's thread goes by.
struct Order {
    port: Arc<Port>,
    packet: Packet,
    sent: AtomicBool,
}

// SAFETY: the handle may be used on any thread, and the order is only read until the wait has been unregistered.
unsafe impl Send for Registered {}
// SAFETY: as above.
unsafe impl Sync for Registered {}

impl Registered {
    /// Waits for `object`, which has to stay open for as long as this lives.
    pub(super) fn new(
        object: HANDLE,
        port: &Arc<Port>,
        packet: Packet,
        often: Often,
    ) -> io::Result<Registered> {
        let order = Box::new(Order { port: port.clone(), packet, sent: AtomicBool::new(false) });
        let order = NonNull::from(Box::leak(order));
        let flags = match often {
            Often::Once => WT_EXECUTEONLYONCE,
            Often::Always => WT_EXECUTEDEFAULT,
        };
        let mut registered = Registered { wait: null_mut(), order };
        // SAFETY: `object` is the caller's to keep, the order lives until the wait has been unregistered, and the handle is
        // ours to write.
        succeeded(unsafe {
            let order = order.as_ptr().cast::<c_void>();
            RegisterWaitForSingleObject(&mut registered.wait, object, Some(send), order, INFINITE, flags)
        })?;
        Ok(registered)
    }

    /// Ends the wait. Says whether it has sent its packet; it sends none from here on.
    pub(super) fn end(mut self) -> bool {
        self.unregister();
        // SAFETY: it lives until this is dropped.
        unsafe { self.order.as_ref() }.sent.load(SeqCst)
    }

    fn unregister(&mut self) {
        let wait = std::mem::replace(&mut self.wait, null_mut());
        if !wait.is_null() {
            // Returns when the pool's thread is out of `send`.
            // SAFETY: registered, and unregistered once; never called by `send` itself.
            unsafe { UnregisterWaitEx(wait, INVALID_HANDLE_VALUE) };
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.unregister();
        // SAFETY: leaked by `new`, and the pool's thread does not use it any more.
        drop(unsafe { Box::from_raw(self.order.as_ptr()) });
    }
}

/// Runs on a thread of the system's pool.
unsafe extern "system" fn send(order: *mut c_void, _timed_out: bool) {
    // SAFETY: it lives until the wait has been unregistered, which waits for this call.
    let order = unsafe { &*order.cast::<Order>() };
    order.sent.store(true, SeqCst);
    order.port.post(order.packet.key, order.packet.data);
}
