//! L5. Calls that run callbacks: deliveries, loops, batches, and the release of a guest.
//!
//! Owns: the frames on the stack, which guest_free waits for. A panic is caught around the library's own steps and
//! never around the user's callback: `catch_unwind` aborts on a C++ exception, which is to pass.

use std::mem::ManuallyDrop;

use super::boundary::{catch, caught, code, on_host, remember, ForeignGuest};
use crate::error::{Error, Result, Status};
use crate::guest::{Asked, Delivery};

/// guest_deliver_batch.
pub(super) fn deliver(g: *mut ForeignGuest, token: u64, budget: Option<u64>) -> i32 {
    match CallFrame::enter(g) {
        Ok(frame) => {
            let delivered = code(frame.deliver(Asked { token, budget, waits_next: false }));
            frame.leave(delivered)
        }
        Err(error) => refused_delivery(g, error),
    }
}

/// A delivery on a wrong thread: if that is inside the host's `post`, the post counts as failed.
fn refused_delivery(g: *mut ForeignGuest, error: Error) -> i32 {
    // SAFETY: the caller passes NULL or a live guest.
    if let Some(g) = unsafe { g.as_ref() }.filter(|_| error.status == Status::THREAD) {
        let shared = &g.poster.shared;
        shared.drive.refuses_inline(shared);
    }
    remember(error)
}

/// guest_run and guest_shutdown.
pub(super) fn run(g: *mut ForeignGuest, timeout: u64, shutdown: bool) -> i32 {
    let frame = match CallFrame::enter(g) {
        Ok(frame) => frame,
        Err(error) => return remember(error),
    };
    let drive = || {
        let mut run = caught(frame.g(), || frame.g().guest.running(timeout, shutdown))?;
        while caught(frame.g(), || run.wait())? {
            frame.deliver(run.asked)?;
            if frame.g().freed.get() {
                break;
            }
        }
        Ok(())
    };
    let driven = code(drive());
    frame.leave(driven)
}

/// guest_free.
pub(super) fn free(pointer: *mut ForeignGuest) {
    // SAFETY: the caller passes NULL or a live guest.
    let Some(g) = (unsafe { pointer.as_ref() }) else { return };
    if !g.poster.in_child() && !g.poster.on_host_thread() {
        remember(Status::THREAD.into());
        return;
    }
    let again = g.freed.replace(true);
    if again && !g.poster.in_child() {
        // From `done`, a drop function of the first time, or a callback that it waits for. A child waits for nothing.
        return;
    }
    if g.check_sound().is_err() {
        // Its open batches can not be ended any more.
        g.frames.set(g.frames.get() - g.batches.take());
    }
    if g.frames.get() > 0 {
        if !g.poster.in_child() {
            g.poster.cancel();
        } else if g.poster.on_host_thread() {
            // At once: an open batch has no end here, and while the fds are open, who takes them out of a set that the
            // child shares with its parent takes out the parent's. A fork of another thread may have met this one anywhere.
            let _ = catch(|| {
                g.guest.leave_in_child();
                Ok(())
            });
        }
        return;
    }
    // It says nothing, also to a child.
    let _ = release(pointer);
}

/// guest_batch_begin.
pub(super) fn begin_batch(g: *mut ForeignGuest, token: u64) -> i32 {
    match CallFrame::enter(g) {
        // An open batch is a frame too: guest_free waits for its end.
        Ok(frame) => code(caught(frame.g(), || frame.g().guest.batch_begin(token)).map(|()| {
            frame.g().batches.set(frame.g().batches.get() + 1);
            std::mem::forget(frame);
        })),
        Err(error) => refused_delivery(g, error),
    }
}

/// guest_batch_end.
pub(super) fn end_batch(g: *mut ForeignGuest) -> i32 {
    let ended = on_host(g).and_then(|guest| {
        caught(guest, || guest.guest.batch_end())?;
        guest.batches.set(guest.batches.get() - 1);
        Ok(CallFrame(g))
    });
    match ended {
        Ok(frame) => frame.leave(Status::OK.code()),
        Err(error) => remember(error),
    }
}

/// A call on the stack that runs callbacks. guest_free inside one waits for the outermost of them,
/// also when a C++ exception ends it.
struct CallFrame(*mut ForeignGuest);

impl CallFrame {
    fn enter(g: *mut ForeignGuest) -> Result<CallFrame> {
        let guest = on_host(g)?;
        guest.frames.set(guest.frames.get() + 1);
        Ok(CallFrame(g))
    }

    fn g(&self) -> &ForeignGuest {
        // SAFETY: a guest is released only when no frame is left.
        unsafe { &*self.0 }
    }

    fn deliver(&self, asked: Asked) -> Result<()> {
        let mut delivery = None;
        while caught(self.g(), || self.advance(&mut delivery, asked))? {
            // The user's code: nothing is caught here.
            delivery.iter_mut().for_each(Delivery::run);
        }
        Ok(())
    }

    /// The call returns what it has come to, or what the child must hear that a guest_free which has waited for this has
    /// forked: no next call of that guest would tell.
    #[inline(always)]
    fn leave(self, result: i32) -> i32 {
        match ManuallyDrop::new(self).end() {
            Ok(()) => result,
            Err(forked) => remember(forked.into()),
        }
    }

    #[inline(always)]
    fn end(&self) -> std::result::Result<(), Status> {
        let frames = self.g().frames.get() - 1;
        self.g().frames.set(frames);
        match frames == 0 && self.g().freed.get() {
            true => release(self.0),
            false => Ok(()),
        }
    }

    /// Opens the delivery, takes its next step, closes it after the last. Says whether there is something to run.
    #[inline(always)]
    fn advance(&self, delivery: &mut Option<Delivery>, asked: Asked) -> Result<bool> {
        let g = self.g();
        // A nested call may have poisoned the guest.
        let due = g.check_sound().and_then(|()| {
            if delivery.is_none() {
                *delivery = Some(Delivery::begin(&g.guest.reactor, asked)?);
            }
            delivery.as_mut().map_or(Ok(false), Delivery::advance)
        });
        if !matches!(due, Ok(true)) {
            *delivery = None;
        }
        due
    }
}

impl Drop for CallFrame {
    /// By an exception, or after a failure.
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Ends the guest with all the user code that this runs, then gives its memory back. Fails in the child of a fork.
#[cold]
fn release(pointer: *mut ForeignGuest) -> std::result::Result<(), Status> {
    // SAFETY: live until the end of this function.
    let g = unsafe { &*pointer };
    // Counted as a frame, so that a delivery inside a drop function or `done` is not the outermost
    // and does not come here again.
    g.frames.set(1);
    let ended = catch(|| {
        if !g.poster.in_child() {
            g.guest.end_now();
        }
        Ok(())
    });
    let in_child = g.poster.in_child();
    // After a panic in its own end nothing of the guest can be trusted: its memory is left alone.
    if ended.is_ok() {
        let released = catch(|| {
            // SAFETY: no frame is left, and `freed` lets nobody come here twice.
            unsafe { ForeignGuest::release(pointer) };
            Ok(())
        });
        drop(released);
    }
    match in_child {
        true => Err(Status::FORKED),
        false => Ok(()),
    }
}
