//! L2. What sources are connected to: the poller, the timers, the signals, the children. This is what a source's methods
//! get.
//!
//! Owns: each of these. Host thread only. No borrow of any cell is held while user code runs.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::sync::Arc;

use once_cell::unsync::OnceCell;

use super::timers::Timers;
use crate::clock::FOREVER;
use crate::core::waiting::shared::Shared;
use crate::id::Id;
use crate::sys::{Listener, Poller};

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
