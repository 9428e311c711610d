//! L4. The right to post, wake and cancel.
//!
//! Owns: a reference to the half of the guest that every thread may touch. Any thread.

use std::rc::Rc;
use std::sync::Arc;

use super::Handle;
use crate::core::message::Job;
use crate::core::reactor::Reactor;
use crate::core::shared::{Shared, State};
use crate::core::stats::Stats;
use crate::error::{Error, Result, Status};

/// The right to post, wake and cancel, from any thread, also when the guest is gone.
#[derive(Clone)]
pub struct Poster(pub(super) Arc<Shared>);

impl Poster {
    /// Runs `f` on the host thread, soon.
    ///
    /// # Errors
    /// `CLOSED`; `f` is then dropped here.
    pub fn post(&self, f: impl FnOnce(&Handle) + Send + 'static) -> Result<()> {
        self.post_job(Box::new(Once(Some(f)))).map_err(|(error, _)| error)
    }

    /// The same for a job; on failure it comes back.
    pub(crate) fn post_job(&self, job: Box<dyn Job>) -> std::result::Result<(), (Error, Box<dyn Job>)> {
        self.0.post_job(job).map_err(|job| (Status::CLOSED.into(), job))
    }

    /// Asks for a delivery. Safe in signal handlers of any thread but one that is inside a delivery of this guest.
    pub fn wake(&self) {
        self.0.waker.wake();
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
        self.0.counters.snapshot()
    }

    /// Whether `done` has been called.
    pub fn is_ended(&self) -> bool {
        self.0.is_ended()
    }

    /// Whether this process is a fork of the one that started the guest.
    pub fn in_child(&self) -> bool {
        self.0.mark.in_child()
    }

    /// Whether this thread is the one that started the guest.
    pub fn on_host_thread(&self) -> bool {
        self.0.on_host_thread()
    }

    pub(crate) fn check_process(&self) -> Result<()> {
        self.0.check_process()
    }

    /// A delivery came on a wrong thread: if that is a thread inside the host's post, its post counts as failed.
    pub(crate) fn note_inlined(&self) {
        self.0.note_inlined();
    }
}

/// A closure as a post.
struct Once<F>(Option<F>);

impl<F: FnOnce(&Handle) + Send> Job for Once<F> {
    fn run(&mut self, reactor: &Rc<Reactor>) {
        if let Some(f) = self.0.take() {
            f(&Handle::of(reactor));
        }
    }
}
