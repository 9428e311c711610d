//! L5. The boundary: every export is one call of a function of this file.
//!
//! Owns: the order of checks (NULL, fork, poison, thread), the catching of panics, and the way from
//! an error to a code. A panic poisons the guest. It is caught around the library's own steps and
//! never around the user's callback: `catch_unwind` aborts on a C++ exception, which is to pass.

use std::ffi::{c_char, CStr, CString};
use std::panic::{catch_unwind, AssertUnwindSafe};

use super::foreign::ForeignGuest;
use super::poster::ForeignPoster;
use super::status::remember;
use super::types::{GuestEvent, GUEST_PRIORITY, GUEST_READABLE, GUEST_WRITABLE};
use crate::clock::FOREVER;
use crate::error::{Error, Result, Status};
use crate::guest::{Guest, Turn};
use crate::id::Id;

/// A call without a guest.
pub(super) fn plain(f: impl FnOnce() -> Result<()>) -> i32 {
    code(catch(f))
}

/// A call that reports on errors, and so must not change the last one.
pub(super) fn quiet(f: impl FnOnce() -> Result<()>) -> i32 {
    match catch(f) {
        Ok(()) => Status::OK.code(),
        Err(error) => error.status.code(),
    }
}

/// A call of class "any".
pub(super) fn any(g: *const ForeignGuest, f: impl FnOnce(&ForeignGuest) -> Result<()>) -> i32 {
    code(sound(g).and_then(|g| caught(g, || f(g))))
}

/// A call of class "host".
pub(super) fn host(g: *const ForeignGuest, f: impl FnOnce(&Guest) -> Result<()>) -> i32 {
    code(on_host(g).and_then(|g| caught(g, || f(g.guest()))))
}

/// A registration: the id is written if the caller wants it, and only on success.
pub(super) fn register(
    g: *mut ForeignGuest,
    has_callback: bool,
    id_out: *mut u64,
    f: impl FnOnce(&Guest) -> Result<Id>,
) -> i32 {
    host(g, |guest| {
        callback(guest.is_pull(), has_callback)?;
        let id = f(guest)?;
        // SAFETY: the caller passes NULL or a writable place.
        unsafe { put(id_out, id.to_bits()) };
        Ok(())
    })
}

/// guest_wake: nothing that a signal handler must not do.
pub(super) fn wake(g: *const ForeignGuest) -> i32 {
    // SAFETY: the caller passes NULL or a live guest.
    let Some(g) = (unsafe { g.as_ref() }) else { return Status::NULL.code() };
    g.poster().try_wake().code()
}

/// A call on a poster.
pub(super) fn poster(p: *mut ForeignPoster, f: impl FnOnce(&ForeignPoster) -> Result<()>) -> i32 {
    plain(|| {
        // SAFETY: the caller passes NULL or a live poster.
        let p = unsafe { p.as_ref() }.ok_or_else(|| null("poster"))?;
        p.poster().check_process()?;
        f(p)
    })
}

/// guest_poster_wake: nothing that a signal handler must not do.
pub(super) fn poster_wake(p: *const ForeignPoster) -> i32 {
    // SAFETY: the caller passes NULL or a live poster.
    let Some(p) = (unsafe { p.as_ref() }) else { return Status::NULL.code() };
    p.poster().try_wake().code()
}

/// guest_poster_free.
pub(super) fn poster_free(p: *mut ForeignPoster) {
    if !p.is_null() {
        // SAFETY: the caller passes what guest_poster_new gave, once.
        drop(unsafe { Box::from_raw(p) });
    }
}

/// guest_deliver_batch.
pub(super) fn deliver(g: *mut ForeignGuest, token: u64, budget: Option<u64>) -> i32 {
    match Frame::enter(g) {
        Ok(frame) => code(frame.deliver(token, budget)),
        Err(error) => refused_delivery(g, error),
    }
}

/// A delivery on a wrong thread: if that is inside the host's `post`, the post counts as failed.
fn refused_delivery(g: *mut ForeignGuest, error: Error) -> i32 {
    // SAFETY: the caller passes NULL or a live guest.
    if let Some(g) = unsafe { g.as_ref() }.filter(|_| error.status == Status::THREAD) {
        g.poster().note_inlined();
    }
    remember(error)
}

/// guest_run and guest_shutdown.
pub(super) fn run(g: *mut ForeignGuest, timeout: u64, shutdown: bool) -> i32 {
    code(Frame::enter(g).and_then(|frame| {
        let mut run = caught(frame.g(), || frame.g().guest().running(timeout, shutdown))?;
        while caught(frame.g(), || run.wait())? {
            // No host waits for its turn when the guest is shut down.
            frame.deliver(0, shutdown.then_some(FOREVER))?;
            if frame.g().freed.get() {
                break;
            }
        }
        Ok(())
    }))
}

/// guest_free.
pub(super) fn free(pointer: *mut ForeignGuest) {
    // SAFETY: the caller passes NULL or a live guest.
    let Some(g) = (unsafe { pointer.as_ref() }) else { return };
    if !g.poster().in_child() && !g.poster().on_host_thread() {
        remember(wrong_thread());
        return;
    }
    if g.freed.replace(true) {
        // A second time, from `done` or a drop function of the first.
        return;
    }
    if g.check_sound().is_err() {
        // Its open batches can not be ended any more.
        g.frames.set(g.frames.get() - g.batches.take());
    }
    if g.frames.get() > 0 {
        if !g.poster().in_child() {
            g.poster().cancel();
        }
        return;
    }
    release(pointer);
}

/// guest_batch_begin.
pub(super) fn pull_begin(g: *mut ForeignGuest, token: u64) -> i32 {
    match Frame::enter(g) {
        // An open batch is a frame too: guest_free waits for its end.
        Ok(frame) => code(caught(frame.g(), || frame.g().guest().batch_begin(token)).map(|()| {
            frame.g().batches.set(frame.g().batches.get() + 1);
            std::mem::forget(frame);
        })),
        Err(error) => refused_delivery(g, error),
    }
}

/// guest_batch_wait and, with timeout 0, guest_batch_next.
pub(super) fn pull_next(
    g: *mut ForeignGuest,
    timeout: u64,
    events: *mut GuestEvent,
    capacity: usize,
    count: *mut usize,
) -> i32 {
    host(g, |guest| {
        if events.is_null() {
            return Err(null("events_out"));
        }
        let count = out(count, "count_out")?;
        let mut written = 0;
        guest.batch_wait(timeout, capacity, |event| {
            let event = GuestEvent {
                id: event.id.map_or(0, Id::to_bits),
                kind: event.kind as u32,
                flags: event.flags,
                value: event.value,
                data: event.data,
                user_data: event.user_data,
            };
            // SAFETY: the caller gives room for `capacity` events, and no more are told.
            unsafe { events.add(written).write(event) };
            written += 1;
        })?;
        *count = written;
        Ok(())
    })
}

/// guest_batch_end.
pub(super) fn pull_end(g: *mut ForeignGuest) -> i32 {
    code(on_host(g).and_then(|guest| {
        caught(guest, || guest.guest().batch_end())?;
        guest.batches.set(guest.batches.get() - 1);
        drop(Frame(g));
        Ok(())
    }))
}

/// A call on the stack that runs callbacks. guest_free inside one waits for the outermost of them,
/// also when a C++ exception ends it.
struct Frame(*mut ForeignGuest);

impl Frame {
    fn enter(g: *mut ForeignGuest) -> Result<Frame> {
        let guest = on_host(g)?;
        guest.frames.set(guest.frames.get() + 1);
        Ok(Frame(g))
    }

    fn g(&self) -> &ForeignGuest {
        // SAFETY: a guest is released only when no frame is left.
        unsafe { &*self.0 }
    }

    fn deliver(&self, token: u64, budget: Option<u64>) -> Result<()> {
        let g = self.g();
        let mut turn: Turn = caught(g, || g.guest().turn(token, budget))?;
        // A nested call may have poisoned the guest.
        while caught(g, || g.check_sound().and_then(|()| turn.advance()))? {
            // The user's code: nothing is caught here.
            turn.run();
        }
        caught(g, || {
            drop(turn);
            Ok(())
        })
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let frames = self.g().frames.get() - 1;
        self.g().frames.set(frames);
        if frames == 0 && self.g().freed.get() {
            release(self.0);
        }
    }
}

/// Ends the guest with all the user code that this runs, then gives its memory back.
fn release(pointer: *mut ForeignGuest) {
    // SAFETY: live until the end of this function.
    let g = unsafe { &*pointer };
    // Counted as a frame, so that a delivery inside a drop function or `done` is not the outermost
    // and does not come here again.
    g.frames.set(1);
    let ended = catch(|| {
        if !g.poster().in_child() {
            g.guest().end_now();
        }
        Ok(())
    });
    // After a panic in its own end nothing of the guest can be trusted: its memory is left alone.
    if ended.is_ok() {
        let released = catch(|| {
            // SAFETY: no frame is left, and `freed` lets nobody come here twice.
            unsafe { ForeignGuest::release(pointer) };
            Ok(())
        });
        drop(released);
    }
}

fn sound<'a>(g: *const ForeignGuest) -> Result<&'a ForeignGuest> {
    // SAFETY: the caller passes NULL or a live guest.
    let g = unsafe { g.as_ref() }.ok_or_else(|| null("g"))?;
    g.poster().check_process()?;
    g.check_sound()?;
    Ok(g)
}

fn on_host<'a>(g: *const ForeignGuest) -> Result<&'a ForeignGuest> {
    let g = sound(g)?;
    match g.poster().on_host_thread() {
        true => Ok(g),
        false => Err(wrong_thread()),
    }
}

fn wrong_thread() -> Error {
    Status::THREAD.into()
}

fn caught<T>(g: &ForeignGuest, f: impl FnOnce() -> Result<T>) -> Result<T> {
    catch(f).inspect_err(|error| {
        if error.status == Status::PANIC {
            g.poison();
        }
    })
}

fn catch<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    // What a panic leaves half done is never looked at again: the guest is poisoned.
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| Err(Status::PANIC.into()))
}

fn code(result: Result<()>) -> i32 {
    match result {
        Ok(()) => Status::OK.code(),
        Err(error) => remember(error),
    }
}

fn null(what: &str) -> Error {
    Error::new(Status::NULL, format!("{what} is NULL"))
}

// ---- arguments

/// An output place.
pub(super) fn out<'a, T>(place: *mut T, what: &str) -> Result<&'a mut T> {
    // SAFETY: the caller passes NULL or a writable place of its own.
    unsafe { place.as_mut() }.ok_or_else(|| null(what))
}

/// Writes to an optional output place.
///
/// # Safety
/// `place` is NULL or writable.
pub(super) unsafe fn put<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: the caller's promise.
        unsafe { place.write(value) }
    }
}

pub(super) fn id(bits: u64) -> Result<Id> {
    Id::from_bits(bits).ok_or_else(|| Status::STALE.into())
}

/// A callback may be missing in the pull form alone.
pub(super) fn callback(pull: bool, given: bool) -> Result<()> {
    match pull || given {
        true => Ok(()),
        false => {
            Err(Error::new(Status::NULL, "callback is NULL: only a guest with GUEST_FLAG_PULL does without"))
        }
    }
}

pub(super) fn interest(events: u32) -> Result<u32> {
    match events & !(GUEST_READABLE | GUEST_WRITABLE | GUEST_PRIORITY) {
        0 => Ok(events),
        unknown => Err(Error::new(
            Status::FLAGS,
            format!(
                "events has the bits {unknown:#x}: use GUEST_READABLE, GUEST_WRITABLE and GUEST_PRIORITY"
            ),
        )),
    }
}

/// # Safety
/// NULL or a NUL-terminated string.
pub(super) unsafe fn string(text: *const c_char) -> Option<CString> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_owned())
}

/// Copies a text as snprintf does.
///
/// # Safety
/// `buffer` has `capacity` writable bytes; `length` is NULL or writable.
pub(super) unsafe fn text(
    text: &str,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> Result<()> {
    if buffer.is_null() && capacity != 0 {
        return Err(null("buffer"));
    }
    if capacity > 0 {
        let kept = text.len().min(capacity - 1);
        // SAFETY: `kept + 1` is at most `capacity`.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast::<u8>(), kept);
            buffer.add(kept).write(0);
        }
    }
    // SAFETY: the caller's promise.
    unsafe { put(length, text.len()) };
    Ok(())
}
