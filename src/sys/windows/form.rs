//! L1. Which of its two forms a completion port has on this system.
//!
//! Owns: what the self-test has found, once in a process. Any thread. Imports windows-sys and the port, which it tries.

use std::io;
use std::os::windows::io::AsRawHandle;
use std::ptr::null_mut;

use once_cell::sync::OnceCell;
use windows_sys::Win32::Foundation::{INVALID_HANDLE_VALUE, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    CreateEventW, RegisterWaitForSingleObject, SetEvent, UnregisterWaitEx, WaitForSingleObject, INFINITE,
    WT_EXECUTEONLYONCE,
};

use super::handle::{owned, succeeded};
use super::port::{Form, Key, Packet, Port};

/// The form for this system, found out once in a process. A trial that the system had nothing left for is no answer: the
/// form is then the one that always works, and the next guest tries again.
pub(super) fn form() -> Form {
    static WHOLE: OnceCell<bool> = OnceCell::new();
    match WHOLE.get_or_try_init(can_be_waited_for) {
        Ok(true) if !cfg!(asyncguest_inbox) => Form::Handle,
        _ => Form::Inbox,
    }
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
    succeeded(unsafe {
        let event = event.as_raw_handle();
        RegisterWaitForSingleObject(&mut wait, port.handle(), Some(ring), event, INFINITE, WT_EXECUTEONLYONCE)
    })?;
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
