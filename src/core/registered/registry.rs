//! L2. What is registered: what user code registers with.
//!
//! Owns: the table of sources, what they are connected to, and what was closed and is not dropped yet. Host
//! thread only. No borrow of any cell is held while user code runs, so that user code may call
//! everything: take out, end the borrow, then call.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use once_cell::unsync::OnceCell;

use super::pool::{Pool, Task};
use super::source::{Connections, Source};
use super::table::Table;
use crate::core::context::Context;
use crate::core::message::Job;
use crate::core::waiting::shared::Shared;
use crate::error::{Error, Result, Status};
use crate::id::Id;
use crate::sys::Poller;

/// Something whose end runs user code: dropped in the next delivery.
pub(crate) enum Deferred {
    Source { source: Rc<dyn Source> },
    Post { _job: Job },
}

pub struct Registry {
    pub(crate) shared: Arc<Shared>,
    pub(crate) context: Context,
    work_threads: u32,
    pool: OnceCell<Pool>,
    pub(crate) connections: Connections,
    pub(crate) table: RefCell<Table>,
    deferred_drops: RefCell<VecDeque<Deferred>>,
    /// Closed, but a thread of the library still works for them.
    in_flight: RefCell<HashMap<Id, Rc<dyn Source>>>,
}

impl Registry {
    pub(crate) fn new(shared: Arc<Shared>, poller: Poller, work_threads: u32) -> Rc<Registry> {
        Rc::new_cyclic(|registry: &Weak<Registry>| Registry {
            context: Context::new(registry.clone()),
            work_threads,
            pool: OnceCell::new(),
            connections: Connections::new(shared.clone(), poller),
            table: RefCell::new(Table::new()),
            deferred_drops: RefCell::default(),
            in_flight: RefCell::default(),
            shared,
        })
    }

    /// Fails if nothing new is taken any more.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.shared.check_process()?;
        match self.shared.life.is_cancelled() {
            true => Err(Status::CLOSED.into()),
            false => Ok(()),
        }
    }

    /// Registers a source and lets `attach` connect it; undone if that fails.
    pub(crate) fn insert(&self, source: Rc<dyn Source>, attach: impl FnOnce(Id) -> Result<()>) -> Result<Id> {
        if let Err(refused) = self.check_open().and_then(|()| Ok(self.table.borrow_mut().make_room()?)) {
            source.lent().release_user_data();
            return Err(refused);
        }
        let id = self.table.borrow_mut().insert(source);
        match attach(id) {
            Ok(()) => {
                self.shared.counters.opened.add(1);
                Ok(id)
            }
            Err(error) => {
                let source = self.table.borrow_mut().remove(id);
                // The caller keeps its user data, so this end runs none of its code.
                if let Some(source) = source {
                    source.lent().release_user_data();
                }
                Err(error)
            }
        }
    }

    /// The open source with that id, if its state is an `S`.
    pub(crate) fn with<S: 'static, R>(&self, id: Id, f: impl FnOnce(&S) -> R) -> Result<R> {
        let source = self.table.borrow().get(id).cloned();
        match source.as_ref().and_then(|source| source.state().downcast_ref::<S>()) {
            Some(state) => Ok(f(state)),
            None => Err(Status::STALE.into()),
        }
    }

    pub(crate) fn set_deadline(&self, deadline: u64) -> Result<()> {
        self.check_open()?;
        self.connections.set_deadline(deadline);
        Ok(())
    }

    /// Runs `body` on a thread of the pool, and then `tell`; see [`Task`].
    pub(crate) fn run_on_pool(
        &self,
        body: impl FnOnce() + Send + 'static,
        tell: impl FnOnce() + Send + 'static,
    ) -> Result<()> {
        let pool = self.pool.get_or_init(|| Pool::new(self.work_threads));
        let started = pool.run(Task { body: Box::new(body), tell: Box::new(tell) });
        started.map_err(|e| Error::os("starting a thread for work", &e))
    }

    // ---- the end of a source

    /// Closes a source: detached now, dropped in the current or the next delivery.
    pub(crate) fn close(&self, id: Id) -> Result<()> {
        self.shared.check_process()?;
        let source = self.take_out(id).ok_or(Status::STALE)?;
        source.detach(&self.connections, id);
        if source.is_in_flight() {
            self.in_flight.borrow_mut().insert(id, source);
        } else if source.drop_runs_user_code() {
            self.drop_later(Deferred::Source { source });
        }
        Ok(())
    }

    /// Closes a source whose last event has been told; the caller drops it when that is forgotten. `None`: the user has
    /// closed it meanwhile.
    pub(crate) fn retire(&self, id: Id) -> Option<Rc<dyn Source>> {
        let source = self.take_out(id)?;
        source.detach(&self.connections, id);
        Some(source)
    }

    fn take_out(&self, id: Id) -> Option<Rc<dyn Source>> {
        let source = self.table.borrow_mut().remove(id)?;
        self.shared.counters.closed.add(1);
        Some(source)
    }

    /// Keeps something whose end runs user code until a delivery.
    pub(crate) fn drop_later(&self, deferred: Deferred) {
        let first = !self.has_deferred_drops();
        self.deferred_drops.borrow_mut().push_back(deferred);
        // The first one's wake-up stands until a delivery has looked at all.
        if first {
            self.shared.wake();
        }
    }

    pub(crate) fn next_deferred_drop(&self) -> Option<Deferred> {
        self.deferred_drops.borrow_mut().pop_front()
    }

    pub(crate) fn has_deferred_drops(&self) -> bool {
        !self.deferred_drops.borrow().is_empty()
    }

    /// A thread of the library has finished with that source. Whether it was closed, and is dropped in this delivery.
    pub(crate) fn finish_in_flight(&self, id: Id) -> bool {
        let source = self.in_flight.borrow_mut().remove(&id);
        source.map(|source| self.deferred_drops.borrow_mut().push_back(Deferred::Source { source })).is_some()
    }

    /// Runs the end of something. Fails in the child that it has forked: all other ends are the parent's.
    pub(crate) fn drop_now(&self, deferred: Deferred) -> Result<()> {
        match deferred {
            Deferred::Source { source } if Rc::strong_count(&source) == 1 && source.end_one() => {
                self.deferred_drops.borrow_mut().push_front(Deferred::Source { source });
            }
            whole => drop(whole),
        }
        self.shared.check_process()
    }

    /// Runs the ends of what the user has seen, with the same failure.
    pub(crate) fn drop_held(&self, held: &mut Vec<Deferred>) -> Result<()> {
        let mut held = held.drain(..);
        let dropped = held.by_ref().try_for_each(|deferred| self.drop_now(deferred));
        held.for_each(std::mem::forget);
        dropped
    }

    /// Whether a thread of the library still works for a closed source.
    pub(crate) fn has_in_flight(&self) -> bool {
        !self.in_flight.borrow().is_empty()
    }

    /// Gives up what threads of the library work for: theirs is then the last reference, and the end runs there.
    /// One that has just been finished ends here; fails in the child that this end has forked.
    pub(crate) fn abandon_in_flight(&self) -> Result<()> {
        let ids: Vec<Id> = self.in_flight.borrow().keys().copied().collect();
        for id in ids {
            let source = self.in_flight.borrow_mut().remove(&id);
            source.map_or(Ok(()), |source| self.drop_now(Deferred::Source { source }))?;
        }
        Ok(())
    }
}
