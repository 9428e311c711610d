//! L1. Which of its two forms a completion port has on this system.
//!
//! Owns: what the self-test has found, once in a process. Any thread. Imports windows-sys and the port, which it tries.

use std::io;
use std::os::windows::io::AsRawHandle;
use std::ptr::null_mut;
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::{INVALID_HANDLE_VALUE, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    CreateEventW, RegisterWaitForSingleObject, SetEvent, UnregisterWaitEx, WaitForSingleObject, INFINITE,
    WT_EXECUTEONLYONCE,
};

use super::handle::owned;
use super::port::{Form, Key, Packet, Port};

/// The form for this system, tried once in a process.
pub(super) fn form() -> Form {
    static FORM: OnceLock<Form> = OnceLock::new();
    *FORM.get_or_init(|| match can_be_waited_for() {
        Ok(true) if !cfg!(asyncguest_inbox) => Form::Handle,
        _ => Form::Inbox,
    })
}

/// Whether a port is signalled while it has a packet, wakes who sleeps on it, and loses nothing by being waited for.
fn can_be_waited_for() -> io::Result<bool> {
    const LONG: u32 = 5_000;
    let port = Port::of(Form::Handle)?;
    if port.is_signalled() {
        return Ok(false);
    }
    // SAFETY: no memory is involved.
    let event = owned(unsafe { CreateEventW(std::ptr::null(), 0, 0, std::ptr::null()) })?;
    let mut wait = null_mut();
    // SAFETY: both handles stay open until the wait has been unregistered, and `wait` is ours to write.
    let registered = unsafe {
        let event = event.as_raw_handle();
        RegisterWaitForSingleObject(&mut wait, port.handle(), Some(ring), event, INFINITE, WT_EXECUTEONLYONCE)
    };
    if registered == 0 {
        return Ok(false);
    }
    port.post(Key::Waker, 7);
    // SAFETY: an open handle; the wait is unregistered once, and nothing runs for it afterwards.
    let slept_well = unsafe {
        let woken = WaitForSingleObject(event.as_raw_handle(), LONG) == WAIT_OBJECT_0;
        UnregisterWaitEx(wait, INVALID_HANDLE_VALUE);
        woken
    };
    let still_there = port.is_signalled();
    let mut taken = Vec::new();
    port.take(0, |packet| taken.push(packet))?;
    let whole = taken == [Packet { key: Key::Waker, data: 7 }] && !port.is_signalled();
    Ok(slept_well && still_there && whole)
}

/// Runs on a thread of the system's pool.
unsafe extern "system" fn ring(event: *mut std::ffi::c_void, _timed_out: bool) {
    // SAFETY: the event stays open until the wait has been unregistered.
    unsafe { SetEvent(event) };
}
