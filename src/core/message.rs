//! L2. What other threads send to the host thread.
//!
//! Owns: nothing. Made on any thread, run and dropped on the host thread.

use std::ffi::c_void;
use std::rc::Rc;

use super::reactor::Reactor;
use crate::id::Id;

/// Work for the host thread, sent by another.
pub(crate) enum Message {
    /// Run this.
    Post(Job),
    /// That source is ready; a thread of the library has finished with it.
    Ready(Id),
}

/// A post: user code that runs once, or is dropped.
pub(crate) enum Job {
    /// A Rust closure; `None` when it has run.
    Closure(Option<Closure>),
    /// Without memory of its own: posting allocates nothing but its place in the queue.
    Plain(PlainJob),
}

pub(crate) type Closure = Box<dyn FnOnce(&Rc<Reactor>) + Send>;

/// Three words, and what they mean to whoever made them.
pub(crate) struct PlainJob {
    pub(crate) words: [usize; 3],
    pub(crate) kind: &'static PlainKind,
}

/// See [`PlainJob`].
pub(crate) struct PlainKind {
    /// The user's code and nothing else.
    pub(crate) run: fn([usize; 3], &Rc<Reactor>),
    /// The job's end, whether it has run or not.
    pub(crate) drop: fn([usize; 3]),
    /// What the pull form shows.
    pub(crate) user_data: fn([usize; 3]) -> *mut c_void,
}

impl Drop for PlainJob {
    fn drop(&mut self) {
        (self.kind.drop)(self.words);
    }
}

impl Job {
    /// The user's code and nothing else.
    pub(crate) fn run(&mut self, reactor: &Rc<Reactor>) {
        match self {
            Job::Plain(job) => (job.kind.run)(job.words, reactor),
            Job::Closure(closure) => {
                if let Some(closure) = closure.take() {
                    closure(reactor);
                }
            }
        }
    }

    /// What the pull form shows.
    pub(crate) fn user_data(&self) -> *mut c_void {
        match self {
            Job::Plain(job) => (job.kind.user_data)(job.words),
            Job::Closure(_) => std::ptr::null_mut(),
        }
    }

    /// It was not accepted: foreign user data stays the caller's.
    pub(crate) fn disown(self) {
        if let Job::Plain(job) = self {
            std::mem::forget(job);
        }
    }
}
