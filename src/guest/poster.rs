//! L4. The right to post, wake and cancel.
//!
//! Owns: a reference to the half of the guest that every thread may touch. Any thread.

use std::sync::Arc;

use super::Handle;
use crate::core::context::Context;
use crate::core::message::Job;
use crate::core::stats::Stats;
use crate::core::waiting::drive::State;
use crate::core::waiting::shared::Shared;
use crate::error::{Error, Result, Status};

/// The right to post, wake and cancel, from any thread, also when the guest is gone.
#[derive(Clone)]
pub struct Poster(pub(super) Arc<Shared>);

impl Poster {
    /// Runs `f` on the host thread, soon.
    ///
    /// # Errors
    /// `CLOSED`, `NOMEM`, `FORKED`; `f` is then dropped here.
    pub fn post(&self, f: impl FnOnce(&Handle) + Send + 'static) -> Result<()> {
        let closure = Box::new(|context: &Context| {
            if let Some(handle) = Handle::of(context) {
                f(&handle);
            }
        });
        self.post_job(Job::Closure(Some(closure))).map_err(|(error, _)| error)
    }

    /// The same for a job; on failure it comes back.
    #[inline(always)]
    pub(crate) fn post_job(&self, job: Job) -> std::result::Result<(), (Error, Job)> {
        self.0.post_job(job)
    }

    /// Asks for a delivery. Safe in signal handlers. Does nothing in a forked child, or for a guest
    /// that has ended.
    pub fn wake(&self) {
        let _ = self.try_wake();
    }

    /// The same, and says why not: no memory, no locks.
    pub(crate) fn try_wake(&self) -> Status {
        if self.in_child() {
            return Status::FORKED;
        }
        if self.is_ended() {
            return Status::CLOSED;
        }
        self.0.request();
        Status::OK
    }

    /// Asks the guest to end.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// What the guest does at this moment.
    pub fn state(&self) -> State {
        self.0.state()
    }

    /// A copy of the counters.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// Whether `done` has been called.
    pub fn is_ended(&self) -> bool {
        self.0.life.is_ended()
    }

    /// Whether this process is a fork of the one that started the guest.
    pub fn in_child(&self) -> bool {
        self.0.mark.in_child()
    }

    /// Whether this thread is the one that started the guest.
    pub fn on_host_thread(&self) -> bool {
        self.0.on_host_thread()
    }

    /// Makes this thread the host thread; see guest_adopt.
    pub(crate) fn adopt(&self) -> Result<()> {
        self.0.adopt()
    }

    pub(crate) fn check_process(&self) -> Result<()> {
        self.0.check_process()
    }

    /// A delivery came on a wrong thread: if that is a thread inside the host's post, its post
    /// counts as failed.
    pub(crate) fn note_inlined(&self) {
        self.0.drive.refuses_inline(&self.0);
    }
}
