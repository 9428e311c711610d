//! L2. What other threads send to the host thread.
//!
//! Owns: nothing. Made on any thread, run and dropped on the host thread.

use std::ffi::c_void;
use std::rc::Rc;

use super::live;
use super::reactor::Reactor;
use crate::id::Id;

/// Work for the host thread, sent by another.
pub(crate) enum Message {
    /// Run this.
    Post(Post),
    /// That source is ready; a thread of the library has finished with it.
    Ready(Id),
}

/// A post: user code that runs once, or is dropped.
pub trait Job: Send {
    /// The user's code and nothing else.
    fn run(&mut self, reactor: &Rc<Reactor>);

    /// What the pull form shows.
    fn user_data(&self) -> *mut c_void {
        std::ptr::null_mut()
    }

    /// It was not accepted: foreign user data stays the caller's.
    fn disown(&self) {}
}

/// A job that was accepted.
pub(crate) struct Post {
    pub(crate) job: Box<dyn Job>,
    _alive: live::Alive<{ live::POSTS }>,
}

impl Post {
    pub(crate) fn new(job: Box<dyn Job>) -> Post {
        Post { job, _alive: live::Alive::new() }
    }
}
