//! L2. The end of a guest: everything detached, every drop function run, `done` once, thread joined.
//!
//! Owns: the order of these. Host thread only (asking for the end is `Shared::cancel`, any thread).

use std::rc::Rc;

use super::reactor::Reactor;
use crate::clock::FOREVER;
use crate::error::{Error, Result, Status};
use crate::sys;

impl Reactor {
    /// Stops some of what can become ready; from the first call on no callback is called any more.
    /// `true`: there is more to do. In slices, because the end of a million sources takes longer
    /// than a delivery may.
    pub(crate) fn detach_some(&self) -> bool {
        const SLICE: usize = 256;
        if !self.closing.replace(true) {
            let mut ids = self.open_ids();
            ids.reverse();
            self.to_detach.replace(ids);
            self.give_up_ready();
        }
        for _ in 0..SLICE {
            let Some(id) = self.to_detach.borrow_mut().pop() else { break };
            // One that a drop function has closed meanwhile is stale, and done.
            let _ = self.close(id);
        }
        !self.is_detached()
    }

    /// Whether the end has nothing left to detach, or there is no end yet to do so.
    pub(crate) fn is_detached(&self) -> bool {
        self.closing.get() && self.to_detach.borrow().is_empty()
    }

    /// Whether a closed source still has a thread of the library working for it.
    pub(crate) fn lingers(&self) -> bool {
        !self.lingering.borrow().is_empty()
    }

    /// Whether nothing but callbacks on the stack keeps the guest from ending.
    pub(crate) fn waits_for_callbacks(&self) -> bool {
        self.is_detached() && self.shared.depth() > 0 && !self.has_dead() && !self.lingers()
    }

    /// Calls `done` if nothing is left to wait for. Not inside a delivery or a drop function: what is
    /// on the stack belongs to a guest that has not ended.
    pub(crate) fn try_finish(&self) {
        let left = self.shared.depth() > 0 || self.has_dead() || self.lingers() || !self.is_detached();
        if left || self.shared.is_ended() {
            return;
        }
        self.shared.set_ended();
        self.fall_silent();
        let status = if self.shared.is_host_gone() { Status::HOSTGONE } else { Status::OK };
        self.shared.host.done(status);
    }

    /// Nothing is posted any more and the fd is not readable: the wake-up of the cancel may still be there.
    pub(crate) fn fall_silent(&self) {
        self.shared.hand_off.close();
        self.shared.set_alarm(FOREVER);
        // If the system cannot be asked there is nothing to be silenced either.
        let _ = self.poller().poll_now(|_, _| {});
    }

    /// Ends the guest here and now. Work that is running is abandoned. Inside a callback, the
    /// outermost delivery does what has to wait for its return.
    pub(crate) fn end_now(&self) {
        let depth = self.shared.depth();
        // Like a delivery: a drop function that delivers is inside it, and nobody needs waking.
        self.shared.set_depth(depth + 1);
        self.shared.set_looking(true);
        self.shared.cancel();
        while self.detach_some() {}
        // The worker's reference is then the last one, and the job's end runs on its thread.
        let abandoned = self.lingering.take();
        drop(abandoned);
        while let Some(dead) = self.next_dead() {
            drop(dead);
        }
        self.shared.set_depth(depth);
        self.shared.set_asleep();
        self.count_posts();
        self.try_finish();
        if depth == 0 {
            self.join_io_thread();
        }
    }

    /// Sleeps until something is due or `timeout` nanoseconds have passed.
    pub(crate) fn wait(&self, timeout: u64) -> Result<()> {
        if self.more.get() {
            return Ok(());
        }
        self.sleep(timeout).map(drop)
    }

    /// The same, whatever the last delivery has left. `false`: a signal has interrupted it.
    pub(crate) fn sleep(&self, timeout: u64) -> Result<bool> {
        self.poller().wait(timeout).map_err(|e| Error::os("waiting", &e))
    }

    /// A forked child gives back the fds and nothing else: locks may be held by threads that do not
    /// exist here, and drop functions are the parent's affair.
    pub(crate) fn leave_in_child(self: Rc<Reactor>) {
        let pidfds: Vec<_> = self.children.borrow().values().filter_map(|(_, pidfd)| *pidfd).collect();
        for fd in self.shared.fds().into_iter().chain([self.poller_fd()]).chain(pidfds) {
            sys::close_in_child(fd);
        }
        std::mem::forget(self);
    }

    fn join_io_thread(&self) {
        // Out of the cell first: the thread may be inside the host's post for a while.
        let io_thread = self.io_thread.take();
        if let Some(io_thread) = io_thread {
            self.shared.stop_io_thread();
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
