//! L2. The end of a guest: everything detached, every drop function run, `done` once, thread joined.
//!
//! Owns: the order of these. Host thread only (asking for the end is `Shared::cancel`, any thread).

use std::rc::Rc;

use super::reactor::Reactor;
use crate::error::{Error, Result, Status};
use crate::sys;

impl Reactor {
    /// Stops everything that can become ready; callbacks are not called any more.
    pub(crate) fn detach_all(&self) {
        if self.closing.replace(true) {
            return;
        }
        for id in self.open_ids() {
            // Closing runs no user code, so the ids stay what they are.
            let _ = self.close(id);
        }
        self.give_up_ready();
    }

    /// Whether a closed source still has a thread of the library working for it.
    pub(crate) fn lingers(&self) -> bool {
        !self.lingering.borrow().is_empty()
    }

    /// Calls `done` if nothing is left to wait for.
    pub(crate) fn try_finish(&self) {
        let free = self.running.get() == 0 && !self.has_dead() && !self.lingers();
        if self.closing.get() && free && !self.shared.is_ended() {
            self.shared.set_ended();
            let status = if self.shared.is_host_gone() { Status::HOSTGONE } else { Status::OK };
            self.shared.host.done(status);
        }
    }

    /// Ends the guest here and now. Work that is running is abandoned. Inside a callback, the
    /// outermost delivery does what has to wait for its return.
    pub(crate) fn end_now(&self) {
        self.shared.cancel();
        self.detach_all();
        // The worker's reference is then the last one, and the job's end runs on its thread.
        let abandoned = self.lingering.take();
        drop(abandoned);
        while let Some(dead) = self.next_dead() {
            drop(dead);
        }
        self.try_finish();
        self.count_posts();
        if self.shared.depth() == 0 {
            self.join_io_thread();
        }
    }

    /// Sleeps until something is due or `timeout` nanoseconds have passed.
    pub(crate) fn wait(&self, timeout: u64) -> Result<()> {
        if self.more.get() {
            return Ok(());
        }
        self.poller().wait(timeout).map_err(|e| Error::os("waiting", &e))
    }

    /// A forked child gives back the fds and nothing else: locks may be held by threads that do not
    /// exist here, and drop functions are the parent's affair.
    pub(crate) fn leave_in_child(self: Rc<Reactor>) {
        for fd in self.shared.fds().into_iter().chain([self.poller_fd()]) {
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
