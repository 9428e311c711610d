//! What of the ABI needs no guest. Any thread.

use std::ffi::{c_char, CStr};
use std::mem::size_of;
use std::ptr;

use asyncguest::ffi::types::GuestLive;
use asyncguest::ffi::{signal, status, timer, version};

/// `guest_signal_arrivals`.
pub fn signal_arrivals(signum: i32) -> u64 {
    signal::guest_signal_arrivals(signum)
}

/// `guest_now`: nanoseconds.
#[inline]
pub fn now() -> u64 {
    timer::guest_now()
}

/// `guest_live`: sources, threads.
pub fn live() -> (u64, u64) {
    let mut live = GuestLive {
        struct_size: size_of::<GuestLive>(),
        guests: 0,
        sources: 0,
        posts: 0,
        threads: 0,
        posters: 0,
    };
    // SAFETY: the struct begins with its size.
    unsafe { version::guest_live(&mut live) };
    (live.sources, live.threads)
}

/// `guest_last_error`: the error number of the system, and the words.
pub fn last_error() -> (i32, String) {
    let mut text = [0 as c_char; 400];
    let mut os_error = 0;
    // SAFETY: as many bytes as it is told; NULL for what is not wanted. It ends the text with a NUL.
    let text = unsafe {
        status::guest_last_error(
            ptr::null_mut(),
            &mut os_error,
            text.as_mut_ptr(),
            text.len(),
            ptr::null_mut(),
        );
        CStr::from_ptr(text.as_ptr())
    };
    (os_error, text.to_string_lossy().into_owned())
}

/// `guest_version_string`.
pub fn version() -> &'static str {
    // SAFETY: a constant of the library's.
    unsafe { CStr::from_ptr(version::guest_version_string()) }.to_str().unwrap_or_default()
}

/// The library's version, to be compared while this is compiled.
pub const VERSION: [u32; 3] =
    [version::GUEST_VERSION_MAJOR, version::GUEST_VERSION_MINOR, version::GUEST_VERSION_PATCH];
