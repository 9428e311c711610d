//! L0. How tables grow. Any thread.

use std::collections::TryReserveError;

/// Room for `wanted` in all. Large vectors grow by an eighth and not to the double: with a million
/// sources half-empty tables would cost more than the sources.
pub(crate) fn make_room<T>(vec: &mut Vec<T>, wanted: usize) -> Result<(), TryReserveError> {
    const LARGE: usize = 4096;
    if wanted <= vec.capacity() {
        return Ok(());
    }
    let missing = wanted - vec.len();
    match wanted {
        ..=LARGE => vec.try_reserve(missing),
        _ => vec.try_reserve_exact(missing + wanted / 8),
    }
}
