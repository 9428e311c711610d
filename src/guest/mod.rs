//! L4. The safe Rust API: three rights, three types (the division is calloop's).
//!
//! | type | right | threads |
//! |---|---|---|
//! | [`Guest`] | owns the guest: deliver, run, shut down, drop | host |
//! | [`Handle`] | register, change and close sources | host |
//! | [`Poster`] | post, wake, cancel, look at the state | any |
//!
//! Callbacks get a `&Handle`, so none of them needs to hold the guest, and no cycle keeps it alive.

mod handle;
mod poster;
mod stream;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::clock::FOREVER;
use crate::core::registered::registry::{Deferred, Registry};
use crate::core::turn::reactor::Reactor;
use crate::error::{Error, Result, Status};

pub use self::handle::Handle;
pub use self::poster::Poster;
pub use crate::core::host::{Host, Posted, Stall};
pub use crate::core::options::{Drive, Options, WORK_THREADS_MAX};
pub use crate::core::registered::source::{Event, Kind};
pub use crate::core::stats::{LatchForm, Stats, BUCKETS};
pub use crate::core::waiting::shared::State;
pub use crate::sources::{
    ListenerInfo, ListenerOptions, Outcome, Resolved, StreamEvent, StreamInfo, StreamOptions, UdpEvent,
    UdpInfo, UdpOptions, Written,
};
pub use crate::sys::{monotonic_ns, signal_arrivals, Address, Buffer, ChildExit, OsFd, Query};

pub(crate) use crate::core::context::Context;
/// What the C ABI builds on.
pub(crate) use crate::core::live;
pub(crate) use crate::core::message::{Job, RawJob, RawJobVTable};
pub(crate) use crate::core::registered::source::{Callback, Lent};
pub(crate) use crate::core::turn::deliver::{Asked, Delivery};
pub(crate) use crate::sources::Piece;
pub(crate) use crate::sys::{LentBytes, STREAM};

/// A guest: one reactor attached to the thread that started it. Dropping it ends it. Each function fails as that of [`crate::ffi`]
/// does which is called so after `guest_`; [`Guest::deliver`] is `guest_deliver_batch`.
pub struct Guest {
    pub(crate) reactor: Rc<Reactor>,
    drive: Drive,
    /// Open batches of the pull form, the innermost last.
    // Boxed: taken out and put back with each call.
    #[allow(clippy::vec_box)]
    batches: RefCell<Vec<Box<Batch>>>,
}

struct Batch {
    held: Vec<Deferred>,
    delivery: Delivery,
}

impl Guest {
    /// Starts a guest on this thread.
    pub fn start(host: Arc<dyn Host>, options: Options) -> Result<Guest> {
        options.check()?;
        let drive = options.drive;
        Ok(Guest { reactor: Reactor::start(host, options)?, drive, batches: RefCell::default() })
    }

    /// The right to register sources.
    pub fn handle(&self) -> Handle {
        Handle(self.reactor.registry.clone())
    }

    /// The right to post from any thread.
    pub fn poster(&self) -> Poster {
        Poster { shared: self.reactor.shared.clone() }
    }

    /// Runs what is due within the guest's budget. `token`: what `Host::post` was called with, or 0.
    pub fn deliver(&self, token: u64) -> Result<()> {
        self.deliver_for(token, None)
    }

    /// The same with a budget of its own, in nanoseconds.
    pub fn deliver_for(&self, token: u64, budget: Option<u64>) -> Result<()> {
        self.deliver_as(Asked { token, budget, waits_next: false })
    }

    fn deliver_as(&self, asked: Asked) -> Result<()> {
        let mut delivery = Delivery::begin(&self.reactor, asked)?;
        while delivery.advance()? {
            delivery.run();
        }
        Ok(())
    }

    /// Waits on this thread and delivers, until the guest has ended or `timeout` nanoseconds have
    /// passed.
    pub fn run(&self, timeout: u64) -> Result<()> {
        self.run_as(timeout, false)
    }

    /// Ends the guest without its host: cancels, and drives what is left until `done` or the timeout.
    pub fn shutdown(&self, timeout: u64) -> Result<()> {
        self.run_as(timeout, true)
    }

    fn run_as(&self, timeout: u64, shutdown: bool) -> Result<()> {
        let mut run = self.running(timeout, shutdown)?;
        while run.wait()? {
            self.deliver_as(run.asked)?;
        }
        Ok(())
    }

    /// The fd that a host in drive FD watches.
    pub fn fd(&self) -> Result<OsFd> {
        match self.drive {
            Drive::Thread => Err(Error::new(
                Status::DRIVE,
                "a guest in drive THREAD watches by itself and posts tokens: start it with GUEST_DRIVE_FD for an fd",
            )),
            Drive::Fd | Drive::Run => {
                let poller = self.reactor.registry.connections.poller();
                match poller.can_be_watched() {
                    true => Ok(poller.fd()),
                    false => Err(Error::new(
                        Status::NOTSUP,
                        "this system's completion ports cannot be waited for: start the guest with GUEST_DRIVE_THREAD",
                    )),
                }
            }
        }
    }

    // ---- for the C ABI, which has to be between the steps

    pub(crate) fn registry(&self) -> &Registry {
        &self.reactor.registry
    }

    /// Waits between deliveries; see [`Run::wait`].
    pub(crate) fn running(&self, timeout: u64, shutdown: bool) -> Result<Run> {
        self.reactor.shared.check_process()?;
        if shutdown {
            if self.reactor.shared.depth() > 0 {
                return Err(Error::new(
                    Status::ORDER,
                    "guest_shutdown inside a callback would wait for itself: use guest_cancel there",
                ));
            }
            self.reactor.shared.cancel();
        }
        let until = monotonic_ns().saturating_add(timeout);
        let waits_next = timeout > 0 && self.reactor.shared.drive.waits_alone();
        // No host waits for its turn when the guest is shut down.
        let asked = Asked { token: 0, budget: shutdown.then_some(FOREVER), waits_next };
        Ok(Run { reactor: self.reactor.clone(), until, started: false, asked })
    }

    /// Opens a batch of the pull form.
    pub fn batch_begin(&self, token: u64) -> Result<()> {
        let delivery = Delivery::begin_batch(&self.reactor, token)?;
        self.batches.borrow_mut().push(Box::new(Batch { held: Vec::new(), delivery }));
        Ok(())
    }

    /// Takes up to `capacity` events; none means that the batch is over.
    pub fn batch_next(&self, capacity: usize, tell: impl FnMut(Event)) -> Result<()> {
        self.batch_wait(0, capacity, tell)
    }

    /// The same, but if nothing is due, waits on this thread up to `timeout` nanoseconds for the first
    /// event. None: the time is over, or [`Poster::wake`] was called, or a signal came. Does not keep to
    /// the batch's budget, which begins anew.
    pub fn batch_wait(&self, timeout: u64, capacity: usize, mut tell: impl FnMut(Event)) -> Result<()> {
        if capacity == 0 {
            return Err(Error::new(Status::INVAL, "capacity is 0: give room for at least one event"));
        }
        // Out of the cell while drop functions run: they may come back here.
        let mut batch = self.innermost()?;
        let taken = self
            .registry()
            .drop_held(&mut batch.held)
            .and_then(|()| batch.delivery.take_or_wait(timeout, capacity, &mut batch.held, &mut tell));
        self.batches.borrow_mut().push(batch);
        taken
    }

    /// Ends the innermost batch.
    pub fn batch_end(&self) -> Result<()> {
        let batch = self.innermost()?;
        // A child that this forks finds out in its next call: the batch is over there, too.
        let _ = self.end_batch(*batch);
        Ok(())
    }

    /// What was told is forgotten inside the delivery.
    fn end_batch(&self, mut batch: Batch) -> Result<()> {
        self.registry().drop_held(&mut batch.held)
    }

    fn innermost(&self) -> Result<Box<Batch>> {
        self.reactor.shared.check_process()?;
        let none = || Error::new(Status::ORDER, "no batch is open: guest_batch_begin comes first");
        self.batches.borrow_mut().pop().ok_or_else(none)
    }

    /// In a forked child, also with a delivery on the stack: closes its copies of the fds.
    pub(crate) fn leave_in_child(&self) {
        self.reactor.clone().leave_in_child();
    }

    /// Ends the guest here and now, as dropping it does.
    pub(crate) fn end_now(&self) {
        let mut batches = self.batches.take().into_iter();
        let ended = batches.by_ref().try_for_each(|batch| self.end_batch(*batch));
        batches.for_each(std::mem::forget);
        // Else this is a child that a drop function has forked, and the end is the parent's.
        if ended.is_ok() {
            self.reactor.end_now();
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mark = &self.reactor.shared.mark;
        if !mark.in_child() {
            self.end_now();
        }
        // Also in one that a drop function has just forked.
        if mark.in_child() {
            std::mem::take(self.batches.get_mut()).into_iter().for_each(std::mem::forget);
            self.leave_in_child();
        }
    }
}

/// A loop on the calling thread.
pub(crate) struct Run {
    reactor: Rc<Reactor>,
    until: u64,
    started: bool,
    /// The delivery that follows each wait.
    pub(crate) asked: Asked,
}

impl Run {
    /// Sleeps until a delivery is due. `false`: the guest has ended.
    pub(crate) fn wait(&mut self) -> Result<bool> {
        if self.reactor.shared.life.is_ended() {
            return Ok(false);
        }
        if !std::mem::replace(&mut self.started, true) {
            // The first delivery catches up with what is due already.
            return Ok(true);
        }
        if self.reactor.waits_for_callbacks() {
            return Err(Error::new(
                Status::CLOSED,
                "the guest was cancelled and ends when the callback that runs this loop has returned",
            ));
        }
        let left = match self.until {
            FOREVER => FOREVER,
            until => until.saturating_sub(monotonic_ns()),
        };
        if left > 0 {
            self.reactor.wait(left)?;
        } else if !std::mem::take(&mut self.asked.waits_next) {
            return Err(Status::TIMEDOUT.into());
        } // else the delivery before has left its last look to a wait that does not come
        Ok(true)
    }
}
