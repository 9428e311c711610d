//! L5. Not part of the ABI: what tests need to reach, built only with the feature `test-hooks`.

use super::boundary::{self, ForeignGuest};

/// Panics inside the library, as a bug of its own would.
#[no_mangle]
pub unsafe extern "C" fn guest_test_panic(g: *mut ForeignGuest) -> i32 {
    boundary::host(g, |_| panic!("asked for by guest_test_panic"))
}
