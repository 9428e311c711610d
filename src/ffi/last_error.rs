//! L5. The particulars of the last failure.
//!
//! Owns: one error per thread, like errno. It is written by failing calls alone.

use std::cell::RefCell;

use super::types::GuestStatus;
use crate::error::Error;

thread_local! {
    static LAST: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// Keeps the particulars for guest_last_error; says nothing when the thread is already ending.
pub(super) fn remember(error: Error) -> GuestStatus {
    let code = error.status.code();
    let _ = LAST.try_with(|last| last.replace(Some(error)));
    code
}

/// The last error of this thread.
pub(super) fn last() -> Option<Error> {
    LAST.try_with(|last| last.borrow().clone()).ok().flatten()
}
