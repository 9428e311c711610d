//! L3. Signals.
//!
//! Owns: one watched signal of one guest. Host thread only; the handler is `sys::signal`'s.

use std::cell::Cell;
use std::rc::Rc;

use crate::core::context::Context;
use crate::core::live::{Alive, SOURCES};
use crate::core::registered::registry::Registry;
use crate::core::registered::source::{Callback, Connections, Event, Kind, Lent, Source};
use crate::error::{Error, Result, Status};
use crate::id::Id;
use crate::sys::{errno, Listener};

/// What a signal's callback gets: its number, and how often it arrived.
pub(crate) type Arrival = (i32, u32);

struct SignalSource<C> {
    signum: i32,
    count: Cell<u32>,
    callback: C,
    _alive: Alive<SOURCES>,
}

impl Registry {
    pub(crate) fn signal_add(&self, signum: i32, callback: impl Callback<Arrival>) -> Result<Id> {
        let listener = self.connections.listener.get_or_init(|| Listener::new(self.shared.waker.clone()));
        let source = SignalSource { signum, count: Cell::new(0), callback, _alive: Alive::default() };
        self.insert(Rc::new(source), |id| {
            if self.connections.signals.borrow().iter().any(|(watched, _)| *watched == signum) {
                let text = format!("signal {signum} is watched already: close that source first");
                return Err(Error::new(Status::EXIST, text));
            }
            self.connections.signals.borrow_mut().try_reserve(1)?;
            listener.watch(signum).map_err(|e| match e.raw_os_error() {
                Some(errno::EINVAL) => Error::new(
                    Status::INVAL,
                    format!(
                        "signal {signum} cannot be watched: it is none, or one that cannot be handled later"
                    ),
                ),
                _ => Error::os(&format!("watching signal {signum}"), &e),
            })?;
            self.connections.signals.borrow_mut().push((signum, id));
            Ok(())
        })
    }
}

impl<C: Callback<Arrival>> Source for SignalSource<C> {
    fn prepare(&self, _to: &Connections, _id: Id, hint: u64) -> bool {
        self.count.set(hint as u32);
        true
    }

    fn call(&self, context: &Context, id: Id) {
        self.callback.call(context, id, (self.signum, self.count.get()));
    }

    fn event(&self, id: Id) -> Event {
        let flags = self.signum as u32;
        let value = i64::from(self.count.get());
        Event { flags, value, ..Event::plain(Some(id), Kind::Signal, self.callback.user_data()) }
    }

    fn detach(&self, to: &Connections, id: Id) {
        to.signals.borrow_mut().retain(|(_, watched)| *watched != id);
        if let Some(listener) = to.listener.get() {
            listener.unwatch(self.signum);
        }
    }

    fn merge(&self, earlier: u64, later: u64) -> u64 {
        earlier.saturating_add(later).min(u64::from(u32::MAX))
    }

    fn lent(&self) -> &dyn Lent {
        &self.callback
    }
}
