//! L4. The right to post, wake and cancel.
//!
//! Owns: a reference to the half of the guest that every thread may touch. Any thread.

use std::sync::Arc;

use super::handle::Handle;
use crate::core::context::Context;
use crate::core::message::Job;
use crate::core::stats::Stats;
use crate::core::waiting::shared::{Shared, State};
use crate::error::{Result, Status};

/// The right to post, wake and cancel, from any thread, also when the guest is gone.
#[derive(Clone)]
pub struct Poster {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// The right to post from any thread.
    pub fn poster(&self) -> Poster {
        Poster { shared: self.0.shared.clone() }
    }
}

impl Poster {
    /// Runs `f` on the host thread, soon. If that fails, as `guest_poster_post` does, `f` is dropped here.
    pub fn post(&self, f: impl FnOnce(&Handle) + Send + 'static) -> Result<()> {
        let closure = Box::new(|context: &Context| {
            if let Some(handle) = Handle::of(context) {
                f(&handle);
            }
        });
        self.shared.post(|| Job::Closure(Some(closure)))
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
        self.shared.request();
        Status::OK
    }

    /// Asks the guest to end.
    pub fn cancel(&self) {
        self.shared.cancel();
    }

    /// What the guest does at this moment.
    pub fn state(&self) -> State {
        self.shared.state()
    }

    /// A copy of the counters.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Whether `done` has been called.
    pub fn is_ended(&self) -> bool {
        self.shared.life.is_ended()
    }

    /// Whether this process is a fork of the one that started the guest.
    pub fn in_child(&self) -> bool {
        self.shared.mark.in_child()
    }

    /// Whether this thread is the one that started the guest.
    pub fn on_host_thread(&self) -> bool {
        self.shared.on_host_thread()
    }
}
