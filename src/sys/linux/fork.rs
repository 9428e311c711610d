//! L1. Is this process a fork of the one that made the mark?
//!
//! Owns: one page of memory. Runs on any thread and in signal handlers. Imports libc only.
//!
//! Every export of the library asks, so the answer has to be cheap: the kernel itself wipes the page
//! in a forked child (`MADV_WIPEONFORK`, Linux 4.14), and a load sees it. Where the kernel refuses,
//! or under the hidden cfg `asyncguest_no_wipeonfork`, the process id is compared instead.
//! A child of `vfork` shares its parent's memory until it execs and counts as its parent.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// Made in one process; knows whether it is asked in another.
pub(crate) struct ForkMark {
    /// Nonzero in the process that made it, wiped to zero in its children. [`NO_PAGE`] where the kernel refuses.
    page: NonNull<AtomicU32>,
    /// The process that made it, where there is no page to tell.
    pid: Option<u32>,
}

static NO_PAGE: AtomicU32 = AtomicU32::new(0);

// SAFETY: the page is written once, before the mark is shared, and unmapped only by drop; the rest
// are atomic loads.
unsafe impl Send for ForkMark {}
// SAFETY: as above.
unsafe impl Sync for ForkMark {}

impl ForkMark {
    /// Marks this process.
    pub(crate) fn new() -> io::Result<ForkMark> {
        let page = if cfg!(asyncguest_no_wipeonfork) { None } else { wiped_page()? };
        Ok(match page {
            Some(page) => ForkMark { page, pid: None },
            None => ForkMark { page: NonNull::from(&NO_PAGE), pid: Some(std::process::id()) },
        })
    }

    /// Whether this is a child, or a child's child, of the process that made the mark.
    #[inline]
    pub(crate) fn in_child(&self) -> bool {
        // SAFETY: a static, or mapped until drop, aligned to a page, and valid for every bit pattern.
        let page = unsafe { self.page.as_ref() };
        page.load(Ordering::Relaxed) == 0 && self.pid.is_none_or(|pid| pid != std::process::id())
    }
}

impl Drop for ForkMark {
    fn drop(&mut self) {
        if self.pid.is_none() {
            // SAFETY: our own mapping, and nobody can ask any more.
            unsafe { libc::munmap(self.page.as_ptr().cast(), PAGE) };
        }
    }
}

/// What is asked of mmap; the kernel rounds it up to its own page size, in munmap as well.
const PAGE: usize = std::mem::size_of::<AtomicU32>();

/// A page that holds 1 here and 0 in every forked child, or `None` on a kernel that cannot wipe.
fn wiped_page() -> io::Result<Option<NonNull<AtomicU32>>> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, where the kernel likes.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, access, kind, -1, 0) };
    if page == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: this changes nothing but how the page fares in a fork.
    if unsafe { libc::madvise(page, PAGE, libc::MADV_WIPEONFORK) } != 0 {
        // SAFETY: our own mapping, which nobody has seen.
        unsafe { libc::munmap(page, PAGE) };
        return Ok(None);
    }
    // mmap gives page zero to nobody who does not ask for it.
    let Some(mark) = NonNull::new(page.cast::<AtomicU32>()) else { return Ok(None) };
    // SAFETY: mapped, writable, aligned to a page, zeroed.
    unsafe { mark.as_ref() }.store(1, Ordering::Relaxed);
    Ok(Some(mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::unix::tests::in_forked_child;

    #[test]
    fn a_forked_child_and_its_child_know_it_and_the_parent_stays_itself() {
        let mark = ForkMark::new().unwrap();
        assert_eq!(mark.pid.is_some(), cfg!(asyncguest_no_wipeonfork));
        assert!(!mark.in_child());
        let child = || in_forked_child(|| mark.in_child().into()).code();
        assert_eq!(child(), Some(1));
        assert_eq!(in_forked_child(|| child().unwrap_or(2)).code(), Some(1));
        assert!(!mark.in_child());
    }
}
