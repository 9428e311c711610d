//! L5. Header section: versions and process-wide figures.

use std::ffi::c_char;

use super::boundary;
use super::sized;
use super::types::{GuestLive, GuestStatus};

/// The header's version; compare with guest_version().
pub const GUEST_VERSION_MAJOR: u32 = 0;
/// Minor version.
pub const GUEST_VERSION_MINOR: u32 = 1;
/// Patch version.
pub const GUEST_VERSION_PATCH: u32 = 0;

/// The version of the loaded library, major * 1000000 + minor * 1000 + patch. Thread: any+signal.
#[no_mangle]
pub extern "C" fn guest_version() -> u32 {
    GUEST_VERSION_MAJOR * 1_000_000 + GUEST_VERSION_MINOR * 1_000 + GUEST_VERSION_PATCH
}

/// The same as text, "0.1.0"; static. Thread: any+signal.
#[no_mangle]
pub extern "C" fn guest_version_string() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Counts what of this library is alive in the process; all zero when everything is freed: a leak
/// check for tests. Thread: any.
///
/// Errors: GUEST_ENULL, GUEST_ESIZE.
#[no_mangle]
pub unsafe extern "C" fn guest_live(live_out: *mut GuestLive) -> GuestStatus {
    boundary::plain(|| {
        let live = sized::live();
        // SAFETY: the caller passes a struct that begins with its size.
        unsafe { sized::write(live_out, live, "live_out") }
    })
}
