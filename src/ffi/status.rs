//! L5. Header section: what a status means, and the particulars of the last failure.

use std::ffi::c_char;

use super::types::GuestStatus;
use super::{args, boundary};
use crate::error::{Error, Status};

/// The code's name, such as "GUEST_ESTALE"; static, never NULL. Thread: any+signal.
#[no_mangle]
pub extern "C" fn guest_status_name(status: GuestStatus) -> *const c_char {
    Status::from_code(status).c_name().as_ptr()
}

/// One sentence on what a status means and one on what to do. Thread: any.
///
/// `buffer`: receives at most `capacity` bytes, always NUL-terminated; may be NULL with capacity 0.
/// `length_out`: the whole text's length without the NUL, as snprintf would return it; may be NULL.
/// Errors: GUEST_ENULL.
#[no_mangle]
pub unsafe extern "C" fn guest_status_message(
    status: GuestStatus,
    buffer: *mut c_char,
    capacity: usize,
    length_out: *mut usize,
) -> GuestStatus {
    // SAFETY: the caller passes `capacity` writable bytes.
    boundary::quiet(|| unsafe {
        args::text(Status::from_code(status).message(), buffer, capacity, length_out)
    })
}

/// The particulars of this thread's last failed call: what was wrong with it and the remedy.
/// Thread: any.
///
/// `status_out`: that call's status, GUEST_OK if none has failed yet. `os_error_out`: errno of the
/// refused system call, or 0. Both may be NULL. `buffer`, `capacity`, `length_out`: as in
/// guest_status_message.
/// Errors: GUEST_ENULL.
#[no_mangle]
pub unsafe extern "C" fn guest_last_error(
    status_out: *mut GuestStatus,
    os_error_out: *mut i32,
    buffer: *mut c_char,
    capacity: usize,
    length_out: *mut usize,
) -> GuestStatus {
    boundary::quiet(|| {
        let error = boundary::last_error()
            .unwrap_or_else(|| Error::new(Status::OK, "No call has failed on this thread."));
        // SAFETY: the caller passes NULL or writable places, and `capacity` writable bytes.
        unsafe {
            args::text(&error.message, buffer, capacity, length_out)?;
            args::put(status_out, error.status.code());
            args::put(os_error_out, error.os_error.unwrap_or(0));
        }
        Ok(())
    })
}
