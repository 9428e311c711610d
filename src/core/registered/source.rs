//! L2. What can become ready, as the registry sees it, and what it is connected to.
//!
//! Owns: what sources' methods get, the poller, the timers, the signals, the children. Host thread only. No borrow of any
//! cell is held while user code runs. Here and not in `sources`, so that core never imports one.
//!
//! The steps of one event are separate so that the C boundary can catch panics around the
//! library's own ones and never around the user's call, through which a C++ exception may pass:
//! `prepare`, then `call` (the user's code and nothing else) or `event` (the pull form), then `settle`.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::ffi::c_void;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use once_cell::unsync::OnceCell;

use super::receive::Receive;
use super::timers::Timers;
use crate::clock::FOREVER;
use crate::core::context::Context;
use crate::core::waiting::read_ahead::ReadAhead;
use crate::core::waiting::shared::Shared;
use crate::id::Id;
use crate::sys::{Listener, Poller};

/// One event of the pull form. The kinds' numbers are the C header's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The source; `None` for a post.
    pub id: Option<Id>,
    /// What kind of event.
    pub kind: Kind,
    /// By kind: readiness, signal number, term signal.
    pub flags: u32,
    /// By kind: expirations, count, exit code, number of addresses.
    pub value: i64,
    /// By kind: the first address.
    pub data: *const c_void,
    /// What was registered with the source.
    pub user_data: *mut c_void,
}

/// Kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// An fd is ready.
    Fd = 1,
    /// A timer expired.
    Timer = 2,
    /// A post arrived.
    Post = 3,
    /// A signal arrived.
    Signal = 4,
    /// A child ended.
    Child = 5,
    /// Work is finished.
    Work = 6,
    /// A name was resolved.
    Resolve = 7,
}

impl Event {
    /// An event that carries nothing but its kind.
    pub(crate) fn plain(id: Option<Id>, kind: Kind, user_data: *mut c_void) -> Event {
        Event { id, kind, flags: 0, value: 0, data: std::ptr::null(), user_data }
    }
}

/// What the user has lent to a source.
pub trait Lent {
    /// What the pull form shows.
    fn user_data(&self) -> *mut c_void {
        std::ptr::null_mut()
    }

    /// Whether dropping this runs user code, which must wait for the next delivery.
    fn drop_runs_user_code(&self) -> bool;

    /// The registration failed: foreign user data stays the caller's.
    fn release_user_data(&self) {}
}

/// The user's code and data behind a source, called with `A`.
pub trait Callback<A>: Lent + 'static {
    /// The user's code and nothing else.
    fn call(&self, context: &Context, id: Id, args: A);
}

/// After an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    Keep,
    /// There may be more: it is prepared once more in this iteration, with the hint 0.
    Again,
    Close,
}

pub(crate) trait Source {
    /// It was found ready. `hint`: readiness, name of the arming or count, by kind. Says whether there is
    /// something to tell.
    fn prepare(&self, to: &Connections, id: Id, hint: u64) -> bool;

    /// Calls the user with what `prepare` found.
    fn call(&self, context: &Context, id: Id);

    /// The same as data. A guest of the pull form has no streams, listeners and UDP sockets, so that nobody asks these.
    fn event(&self, id: Id) -> Event {
        Event::plain(Some(id), Kind::Fd, std::ptr::null_mut())
    }

    /// The user has been told.
    fn settle(&self, _to: &Connections, _id: Id) -> Next {
        Next::Keep
    }

    /// Stops watching; nothing of the system refers to it afterwards.
    fn detach(&self, to: &Connections, id: Id);

    /// A thread still works on it and will push `Message::Finished` in the end.
    fn is_in_flight(&self) -> bool {
        false
    }

    /// It was ready again while its callback is on the stack: keep the poller silent until `unmute`.
    fn mute(&self, _to: &Connections, _id: Id) {}

    /// Two events came while its callback was on the stack: the hint of the one that is told for both.
    fn merge(&self, _earlier: u64, later: u64) -> u64 {
        later
    }

    /// The callback has returned.
    fn unmute(&self, _to: &Connections, _id: Id) {}

    /// A forked child gives back what the system has opened for this.
    fn close_in_child(&self) {}

    /// Signals and children come last in a batch.
    fn comes_last(&self) -> bool {
        false
    }

    /// What its end gives back.
    fn lent(&self) -> &dyn Lent;

    /// Whether dropping this runs user code.
    fn drop_runs_user_code(&self) -> bool {
        self.lent().drop_runs_user_code()
    }

    /// It is closed, and nobody else has it: runs one of its ends that come before its drop, so that many of them are no more
    /// than a delivery may take. Says whether there was one.
    fn end_one(&self) -> bool {
        false
    }

    /// The part that `modify` functions change, whatever the callback's type.
    fn state(&self) -> &dyn std::any::Any {
        &()
    }
}

pub(crate) struct Connections {
    pub(crate) timers: RefCell<Timers>,
    /// Made when the first signal is watched.
    pub(crate) listener: OnceCell<Listener>,
    /// The signals that are watched.
    pub(crate) signals: RefCell<Vec<(i32, Id)>>,
    /// The children that are watched, by pid.
    pub(crate) children: RefCell<HashMap<i32, Id>>,
    /// When whoever keeps timers of its own wants a delivery, or `FOREVER`.
    deadline: Cell<u64>,
    /// What streams read into.
    pub(crate) receive: Rc<Receive>,
    poller: RefCell<Poller>,
    shared: Arc<Shared>,
}

impl Connections {
    pub(super) fn new(shared: Arc<Shared>, poller: Poller) -> Connections {
        Connections {
            timers: RefCell::default(),
            listener: OnceCell::new(),
            signals: RefCell::default(),
            children: RefCell::default(),
            deadline: Cell::new(FOREVER),
            receive: Rc::default(),
            poller: RefCell::new(poller),
            shared,
        }
    }

    pub(crate) fn poller(&self) -> RefMut<'_, Poller> {
        self.poller.borrow_mut()
    }

    pub(crate) fn now(&self) -> u64 {
        self.shared.clock.now()
    }

    /// A source has something to tell that the poller does not know of: `prepare` is called soon, with the hint 0.
    pub(crate) fn comes_due(&self, id: Id) {
        self.shared.source_finished(id);
    }

    /// What reads streams ahead, if this guest's drive has somebody to do so.
    pub(crate) fn read_ahead(&self) -> io::Result<Option<&ReadAhead>> {
        self.shared.drive.read_ahead()
    }

    /// The earliest deadline of all, or `FOREVER`.
    #[inline(always)]
    pub(crate) fn earliest(&self) -> u64 {
        self.earliest_of(&self.timers.borrow())
    }

    #[inline(always)]
    pub(crate) fn earliest_of(&self, timers: &Timers) -> u64 {
        timers.earliest().unwrap_or(FOREVER).min(self.deadline.get())
    }

    /// Arms a timer and returns the name of this arming.
    pub(crate) fn arm_timer(&self, id: Id, deadline: u64) -> u64 {
        let name = self.timers.borrow_mut().arm(id, deadline);
        self.shared.deadline_changed(self.earliest());
        name
    }

    pub(crate) fn disarm_timer(&self, id: Id) {
        self.timers.borrow_mut().disarm(id);
        self.shared.deadline_changed(self.earliest());
    }

    /// When the caller wants a delivery, whatever is due; `FOREVER` for never. Replaces the one before.
    pub(crate) fn set_deadline(&self, deadline: u64) {
        self.deadline.set(deadline);
        self.shared.deadline_changed(self.earliest());
    }

    /// Whether the caller's deadline has come by `now`: once for each.
    pub(crate) fn take_deadline(&self, now: u64) -> bool {
        let come = self.deadline.get() <= now && now != FOREVER;
        if come {
            self.deadline.set(FOREVER);
        }
        come
    }
}
