//! L2. The end of a guest: everything detached, every drop function run, `done` once, thread joined.
//!
//! Owns: the order of these. Host thread only (asking for the end is `Shared::cancel`, any thread).

use std::rc::Rc;

use super::reactor::Reactor;
use crate::clock::FOREVER;
use crate::error::{Result, Status};

impl Reactor {
    /// Stops some of what can become ready; from the first call on no callback is called any more. Says whether there is
    /// more to do. In slices, because the end of a million sources takes longer than a delivery may.
    pub(super) fn detach_some(&self) -> bool {
        const SLICE: usize = 256;
        if self.shared.life.begin_detaching() {
            let mut ids = self.registry.table.borrow().ids();
            ids.reverse();
            self.to_detach.replace(ids);
            self.give_up_ready();
        }
        for _ in 0..SLICE {
            let Some(id) = self.to_detach.borrow_mut().pop() else { break };
            // One that a drop function has closed meanwhile is stale, and done.
            let _ = self.registry.close(id);
        }
        !self.is_detached()
    }

    /// Whether the end has nothing left to detach, or there is no end yet to do so.
    pub(super) fn is_detached(&self) -> bool {
        self.shared.life.is_detaching() && self.to_detach.borrow().is_empty()
    }

    /// Whether nothing but callbacks on the stack keeps the guest from ending.
    pub(crate) fn waits_for_callbacks(&self) -> bool {
        self.shared.depth() > 0 && self.has_ended_but_for_callbacks()
    }

    fn has_ended_but_for_callbacks(&self) -> bool {
        self.is_detached() && !self.registry.has_deferred_drops() && !self.registry.has_in_flight()
    }

    /// The guest is detaching: calls `done` if nothing is left to wait for. Not inside a delivery or a drop function: what
    /// is on the stack belongs to a guest that has not ended. Fails in the child that `done` has forked: the rest is the
    /// parent's.
    pub(super) fn try_finish(&self) -> Result<()> {
        let left = self.shared.depth() > 0 || !self.has_ended_but_for_callbacks();
        if left || self.shared.life.is_ended() {
            return Ok(());
        }
        self.shared.life.end();
        self.fall_silent();
        let status = if self.shared.life.is_host_gone() { Status::HOSTGONE } else { Status::OK };
        self.shared.host.done(status);
        self.shared.check_process()
    }

    /// Nothing is posted any more and the fd is not readable: the wake-up of the cancel may still be there.
    pub(super) fn fall_silent(&self) {
        self.shared.drive.close();
        self.shared.set_alarm(FOREVER);
        // If the system cannot be asked there is nothing to be silenced either.
        let _ = self.registry.connections.poller().poll_now(|_, _| {});
    }

    /// Ends the guest here and now. Work that is running is abandoned. Inside a callback, the
    /// outermost delivery does what has to wait for its return.
    pub(crate) fn end_now(&self) {
        // Like a delivery: a drop function that delivers is inside it, and nobody needs waking.
        self.shared.begin_closing();
        self.shared.cancel();
        while self.detach_some() {}
        if self.drop_all().is_err() {
            return;
        }
        self.shared.leave_delivery();
        self.count_posts();
        if self.try_finish().is_ok() && self.shared.depth() == 0 {
            self.join_io_thread();
        }
    }

    fn drop_all(&self) -> Result<()> {
        self.registry.abandon_in_flight()?;
        while let Some(deferred) = self.registry.next_deferred_drop() {
            self.registry.drop_now(deferred)?;
        }
        Ok(())
    }

    /// A forked child gives back the fds and nothing else, once: locks may be held by threads that do not
    /// exist here, and drop functions are the parent's affair.
    pub(crate) fn leave_in_child(self: Rc<Reactor>) {
        if self.left.replace(true) {
            return;
        }
        self.shared.close_in_child();
        self.registry.connections.poller().close_in_child();
        self.registry.table.borrow().sources().for_each(|source| source.close_in_child());
        std::mem::forget(self);
    }

    fn join_io_thread(&self) {
        // Out of the cell first: the thread may be inside the host's post for a while.
        let io_thread = self.io_thread.take();
        if let Some(io_thread) = io_thread {
            // It has, unless the end was left by a panic: the thread goes by this.
            self.shared.life.end();
            self.shared.drive.kick();
            io_thread.join();
        }
    }
}

impl Drop for Reactor {
    /// For a guest that was dropped inside a callback: the outermost delivery has ended now.
    fn drop(&mut self) {
        self.join_io_thread();
    }
}
