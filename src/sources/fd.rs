//! L3. File descriptors: level-triggered readiness.
//!
//! Owns: the registration of one fd with the poller. Host thread only.

use std::any::Any;
use std::cell::Cell;
use std::io::ErrorKind;
use std::rc::Rc;

use crate::core::context::Context;
use crate::core::live::{Alive, SOURCES};
use crate::core::registered::registry::Registry;
use crate::core::registered::source::{Callback, Connections, Event, Kind, Lent, Source};
use crate::error::{Error, Result, Status};
use crate::id::Id;
use crate::sys::{is_fd, remedy, Interest, OsFd, Poller, Readiness, ERROR, FD, HANGUP, READABLE, WRITABLE};

struct FdState {
    fd: OsFd,
    interest: Cell<Interest>,
    ready: Cell<Readiness>,
    _alive: Alive<SOURCES>,
}

struct FdSource<C> {
    state: FdState,
    callback: C,
}

/// A way into the poller; see [`Poller::add`].
pub(super) type Add = fn(&mut Poller, OsFd, Interest, u64) -> std::io::Result<Option<u64>>;

impl Registry {
    pub(crate) fn fd_add<C>(&self, fd: OsFd, interest: Interest, callback: C) -> Result<Id>
    where
        C: Callback<Readiness>,
    {
        self.watch(fd, interest, callback, Poller::add)
    }

    #[cfg(windows)]
    pub(crate) fn handle_add<C>(&self, handle: OsFd, interest: Interest, callback: C) -> Result<Id>
    where
        C: Callback<Readiness>,
    {
        self.watch(handle, interest, callback, Poller::add_handle)
    }

    /// Watches what `add` puts into the poller.
    fn watch<C>(&self, fd: OsFd, interest: Interest, callback: C, add: Add) -> Result<Id>
    where
        C: Callback<Readiness>,
    {
        let state =
            FdState { fd, interest: Cell::new(interest), ready: Cell::new(0), _alive: Alive::default() };
        self.insert(Rc::new(FdSource { state, callback }), |id| self.attach(fd, interest, id, add))
    }

    /// Puts the fd of the source `id` into the poller by `add`.
    pub(super) fn attach(&self, fd: OsFd, interest: Interest, id: Id, add: Add) -> Result<()> {
        if !is_fd(fd) {
            return Err(Error::new(Status::INVAL, format!("fd is {fd}: pass an {FD}")));
        }
        let added = add(&mut self.connections.poller(), fd, interest, id.to_bits());
        match added {
            Ok(None) => Ok(()),
            // That fd had been closed without closing its source: its id is stale from now on.
            Ok(Some(dead)) => Id::from_bits(dead).map_or(Ok(()), |dead| self.close(dead).or(Ok(()))),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(Error::new(
                Status::EXIST,
                format!("fd {fd} is registered already: use guest_fd_modify, or close that source first"),
            )),
            Err(e) => Err(refused(fd, &e)),
        }
    }

    pub(crate) fn fd_modify(&self, id: Id, interest: Interest) -> Result<()> {
        self.check_open()?;
        self.with(id, |state: &FdState| {
            if !self.table.borrow().is_muted(id) {
                let changed = self.connections.poller().modify(state.fd, interest, id.to_bits());
                changed.map_err(|e| refused(state.fd, &e))?;
            }
            state.interest.set(interest);
            Ok(())
        })?
    }
}

fn refused(fd: OsFd, error: &std::io::Error) -> Error {
    Error::os(&format!("watching fd {fd}{}", remedy(error)), error)
}

impl<C: Callback<Readiness>> Source for FdSource<C> {
    fn prepare(&self, _to: &Connections, _id: Id, hint: u64) -> bool {
        let interest = self.state.interest.get();
        let mut ready = hint as Readiness;
        if ready & (ERROR | HANGUP) != 0 {
            // Neither a read nor a write would block now, and who ignores the reported bits still
            // learns it.
            ready |= interest & (READABLE | WRITABLE);
        }
        ready &= interest | ERROR | HANGUP;
        self.state.ready.set(ready);
        ready != 0 && interest != 0
    }

    fn call(&self, context: &Context, id: Id) {
        self.callback.call(context, id, self.state.ready.get());
    }

    fn event(&self, id: Id) -> Event {
        Event { flags: self.state.ready.get(), ..Event::plain(Some(id), Kind::Fd, self.callback.user_data()) }
    }

    fn detach(&self, to: &Connections, id: Id) {
        to.poller().remove(self.state.fd, id.to_bits());
    }

    fn mute(&self, to: &Connections, id: Id) {
        // It was just reported by the poller, so it is registered.
        let _ = to.poller().modify(self.state.fd, 0, id.to_bits());
    }

    fn unmute(&self, to: &Connections, id: Id) {
        // If its fd was closed meanwhile there is nothing to switch on.
        let _ = to.poller().modify(self.state.fd, self.state.interest.get(), id.to_bits());
    }

    fn lent(&self) -> &dyn Lent {
        &self.callback
    }

    fn state(&self) -> &dyn Any {
        &self.state
    }
}
