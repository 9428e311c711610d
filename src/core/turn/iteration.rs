//! L2. One iteration over what is due: found together, told in order.
//!
//! Owns: what the last look at the poller, the posts and the signals has found. Host thread only.
//!
//! The order is that of CPython's `_run_once`: fds, then due timers, then the posts that were
//! queued, then signals and children. Timers stay in their heap until their turn comes: an iteration
//! remembers the moment and the arming that it reaches up to, so that a timer which one of its
//! callbacks starts waits for the next one, however soon it is due. A burst costs nothing up
//! front, whatever its size.

use std::collections::VecDeque;

use crate::core::message::{Job, Message};
use crate::core::registered::timers::Timers;
use crate::id::Id;
use crate::sys::Readiness;

/// Something ready, not told yet.
pub(crate) enum Ready {
    /// An fd; polling again would find it again.
    Fd(Id, Readiness),
    /// Anything else that is registered, with a hint of its kind.
    Source(Id, u64),
    Post(Job),
}

#[derive(Default)]
pub(crate) struct Iteration {
    pub(crate) fds: VecDeque<(Id, Readiness)>,
    /// Timers count if they were due at this moment ...
    pub(crate) now: u64,
    /// ... and had been armed by then.
    pub(crate) arming: u64,
    pub(crate) posts: VecDeque<Message>,
    pub(crate) last: VecDeque<(Id, u64)>,
}

/// What comes next.
pub(crate) enum Step {
    Ready(Ready),
    /// A thread of the library has finished with that source.
    Finished(Id),
}

impl Iteration {
    /// The next in order.
    #[inline(always)]
    pub(crate) fn next(&mut self, timers: &mut Timers) -> Option<Step> {
        if let Some((id, readiness)) = self.fds.pop_front() {
            return Some(Step::Ready(Ready::Fd(id, readiness)));
        }
        if let Some((id, arming)) = timers.pop_due(self.now, self.arming) {
            return Some(Step::Ready(Ready::Source(id, arming)));
        }
        match self.posts.pop_front() {
            Some(Message::Post(job)) => return Some(Step::Ready(Ready::Post(job))),
            Some(Message::Finished(id)) => return Some(Step::Finished(id)),
            None => {}
        }
        self.last.pop_front().map(|(id, hint)| Step::Ready(Ready::Source(id, hint)))
    }

    /// Whether all has been told.
    #[inline(always)]
    pub(crate) fn is_over(&self, timers: &Timers) -> bool {
        self.fds.is_empty() && !self.has_unpolled(timers)
    }

    /// Whether something is left that polling again would not find.
    #[inline(always)]
    pub(crate) fn has_unpolled(&self, timers: &Timers) -> bool {
        !self.posts.is_empty() || !self.last.is_empty() || timers.is_due(self.now, self.arming)
    }

    /// Gives up all but the messages, which are returned.
    pub(crate) fn give_up(&mut self) -> VecDeque<Message> {
        std::mem::take(self).posts
    }
}
