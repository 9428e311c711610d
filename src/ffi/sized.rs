//! L5. Structs that begin with their size, in both directions.
//!
//! A caller compiled with a newer header may pass a larger struct, if what this library does not
//! know is zero (the rule of Linux's extensible system calls). A smaller one is refused for input,
//! because version 0.1 is the first; for output it gets the fields that it has.

use std::mem::size_of;

use super::args;
use super::types::{
    GuestLive, GuestOptions, GuestStats, GUEST_DRIVE_FD, GUEST_DRIVE_RUN, GUEST_DRIVE_THREAD,
    GUEST_FLAG_LEVEL, GUEST_FLAG_PULL,
};
use crate::clock::FOREVER;
use crate::error::{Error, Result, Status};
use crate::guest::{live, Drive, Options, Stats};

/// No struct of this library will ever be larger; a larger size is a struct that was not zeroed.
const SIZE_MAX: usize = 4096;

/// Copies a struct of the caller's.
///
/// # Safety
/// `T` is `repr(C)`, begins with a `usize`, and is valid for every bit pattern; `from` points to one that begins with its true size.
pub(super) unsafe fn read<T: Copy>(from: *const T, what: &str) -> Result<T> {
    // SAFETY: the caller's promise: at least the size is there.
    let size = unsafe { from.cast::<usize>().read() };
    let known = size_of::<T>();
    if size < known || size > SIZE_MAX {
        return Err(wrong_size(what, size, known));
    }
    // SAFETY: `size` bytes are there.
    let tail = unsafe { std::slice::from_raw_parts(from.cast::<u8>().add(known), size - known) };
    if tail.iter().any(|byte| *byte != 0) {
        return Err(wrong_size(what, size, known));
    }
    // SAFETY: at least `known` bytes are there.
    Ok(unsafe { from.read() })
}

/// Fills in a struct of the caller's, as far as it reaches; its `struct_size` stays.
///
/// # Safety
/// `T` is as in [`read`]; `to` is NULL or points to a writable one that begins with its true size.
pub(super) unsafe fn write<T: Copy>(to: *mut T, value: T, what: &str) -> Result<()> {
    if to.is_null() {
        return Err(args::null(what));
    }
    // SAFETY: the caller's promise.
    let size = unsafe { to.cast::<usize>().read() };
    let head = size_of::<usize>();
    if size <= head || size > SIZE_MAX {
        return Err(wrong_size(what, size, size_of::<T>()));
    }
    let length = size.min(size_of::<T>()) - head;
    let from = (&value as *const T).cast::<u8>();
    // SAFETY: both have `head + length` bytes and do not overlap: one is ours.
    unsafe { std::ptr::copy_nonoverlapping(from.add(head), to.cast::<u8>().add(head), length) };
    Ok(())
}

fn wrong_size(what: &str, size: usize, known: usize) -> Error {
    let text = format!("{what}: struct_size is {size}, this library's is {known}: zero the struct, then set struct_size to its sizeof");
    Error::new(Status::SIZE, text)
}

/// The caller's options; NULL for the defaults, and a zero field for that field's.
///
/// # Safety
/// NULL, or as `read`.
pub(super) unsafe fn options(from: *const GuestOptions) -> Result<Options> {
    let default = Options::default();
    if from.is_null() {
        return Ok(default);
    }
    // SAFETY: the caller's promise.
    let given = unsafe { read(from, "options")? };
    let drive = match given.drive {
        GUEST_DRIVE_THREAD => Drive::Thread,
        GUEST_DRIVE_FD => Drive::Fd,
        GUEST_DRIVE_RUN => Drive::Run,
        other => {
            return Err(Error::new(
                Status::FLAGS,
                format!("options.drive is {other}: use a GUEST_DRIVE_ value"),
            ))
        }
    };
    if given.flags & !(GUEST_FLAG_PULL | GUEST_FLAG_LEVEL) != 0 || given.reserved != 0 {
        let text = "options.flags or reserved has an unknown bit: zero the struct first, then set GUEST_FLAG_ values";
        return Err(Error::new(Status::FLAGS, text));
    }
    let or = |value: u64, default: u64| if value == 0 { default } else { value };
    let stall_after = if given.stall_after == FOREVER { 0 } else { given.stall_after };
    Ok(Options {
        drive,
        pull: given.flags & GUEST_FLAG_PULL != 0,
        level_triggered: given.flags & GUEST_FLAG_LEVEL != 0,
        batch_budget: or(given.batch_budget, default.batch_budget),
        nested_after: or(given.nested_after, default.nested_after),
        repost_after: or(given.repost_after, default.repost_after),
        stall_after,
        work_threads: if given.work_threads == 0 { default.work_threads } else { given.work_threads },
        clock: default.clock,
    })
}

/// The counters for C.
pub(super) fn stats(s: &Stats) -> GuestStats {
    GuestStats {
        struct_size: size_of::<GuestStats>(),
        batches: s.batches,
        events: s.events,
        tokens: s.tokens,
        reposts: s.reposts,
        post_failures: s.post_failures,
        stale_tokens: s.stale_tokens,
        inlined_tokens: s.inlined_tokens,
        budget_spent: s.budget_spent,
        nested: s.nested,
        polls: s.polls,
        stalls: s.stalls,
        io_wakeups: s.io_wakeups,
        live_sources: s.live_sources,
        live_posts: s.live_posts,
        delivery_latency: s.delivery_latency,
        delivery_duration: s.delivery_duration,
        latch: s.latch as u64,
        read_ahead: s.read_ahead,
    }
}

/// What is alive in the process.
pub(super) fn live() -> GuestLive {
    GuestLive {
        struct_size: size_of::<GuestLive>(),
        guests: live::count(live::GUESTS),
        sources: live::count(live::SOURCES),
        posts: live::posts(),
        threads: live::count(live::THREADS),
        posters: live::count(live::POSTERS),
    }
}
