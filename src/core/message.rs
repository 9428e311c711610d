//! L2. What other threads send to the host thread.
//!
//! Made on any thread, run and dropped on the host thread.

use std::ffi::c_void;

use super::context::Context;
use crate::id::Id;

/// Work for the host thread, sent by another.
pub(crate) enum Message {
    /// Run this.
    Post(Job),
    /// That source has something to tell, or a thread of the library has finished with it.
    Finished(Id),
}

/// A post: user code that runs once, or is dropped.
pub(crate) enum Job {
    /// A Rust closure; `None` when it has run.
    Closure(Option<Closure>),
    /// Without memory of its own: posting allocates nothing but its place in the queue.
    Raw(RawJob),
}

pub(crate) type Closure = Box<dyn FnOnce(&Context) + Send>;

/// Three words, and what they mean to whoever made them; the second is what the pull form shows.
pub(crate) struct RawJob {
    pub(crate) words: [usize; 3],
    pub(crate) vtable: &'static RawJobVTable,
}

pub(crate) struct RawJobVTable {
    /// The user's code and nothing else.
    pub(crate) run: fn(&[usize; 3], &Context),
    /// The job's end, whether it has run or not.
    pub(crate) drop: fn(&[usize; 3]),
}

impl Drop for RawJob {
    fn drop(&mut self) {
        (self.vtable.drop)(&self.words);
    }
}

impl Job {
    /// The user's code and nothing else.
    pub(crate) fn run(&mut self, context: &Context) {
        match self {
            Job::Raw(job) => (job.vtable.run)(&job.words, context),
            Job::Closure(closure) => {
                if let Some(closure) = closure.take() {
                    closure(context);
                }
            }
        }
    }

    /// What the pull form shows.
    pub(crate) fn user_data(&self) -> *mut c_void {
        match self {
            Job::Raw(job) => job.words[1] as *mut c_void,
            Job::Closure(_) => std::ptr::null_mut(),
        }
    }
}
