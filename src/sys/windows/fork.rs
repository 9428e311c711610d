//! L1. Is this process a fork of the one that made the mark? Windows has no fork. Any thread. Imports nothing.

use std::io;

/// Where there are forks, knows whether it is asked in another process than its maker's.
pub(crate) struct ForkMark;

impl ForkMark {
    pub(crate) fn new() -> io::Result<ForkMark> {
        Ok(ForkMark)
    }

    /// Never.
    #[inline(always)]
    pub(crate) fn in_child(&self) -> bool {
        false
    }
}
