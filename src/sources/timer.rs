//! L3. Timers: one-shot and repeating, never early.
//!
//! Owns: the arming of one timer. Host thread only.

use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;

use crate::clock::FOREVER;
use crate::core::context::Context;
use crate::core::live::{Alive, SOURCES};
use crate::core::registered::registry::Registry;
use crate::core::registered::source::{Callback, Connections, Event, Kind, Lent, Next, Source};
use crate::error::Result;
use crate::id::Id;

#[derive(Default)]
struct TimerState {
    /// `FOREVER`: not armed.
    deadline: Cell<u64>,
    /// 0: one-shot.
    period: Cell<u64>,
    /// The name of the present arming; an expiry of another one does not count. 0: none.
    arming: Cell<u64>,
    expirations: Cell<u64>,
    _alive: Alive<SOURCES>,
}

struct TimerSource<C> {
    state: TimerState,
    callback: C,
}

impl Registry {
    pub(crate) fn timer_add(&self, delay: u64, period: u64, callback: impl Callback<u64>) -> Result<Id> {
        let state =
            TimerState { deadline: Cell::new(FOREVER), period: Cell::new(period), ..TimerState::default() };
        let source = Rc::new(TimerSource { state, callback });
        self.insert(source.clone(), |id| {
            self.connections.timers.borrow_mut().register(id)?;
            source.state.arm(&self.connections, id, self.connections.now().saturating_add(delay));
            Ok(())
        })
    }

    pub(crate) fn timer_modify(&self, id: Id, delay: u64, period: u64) -> Result<()> {
        self.check_open()?;
        self.with(id, |state: &TimerState| {
            if state.arming.replace(0) != 0 {
                self.connections.disarm_timer(id);
            }
            state.period.set(period);
            state.arm(&self.connections, id, self.connections.now().saturating_add(delay));
        })
    }
}

impl TimerState {
    fn arm(&self, to: &Connections, id: Id, deadline: u64) {
        self.deadline.set(deadline);
        // A parked timer has a name too, so that a one-shot is known to be wanted still.
        self.arming.set(match deadline {
            FOREVER => PARKED,
            _ => to.arm_timer(id, deadline),
        });
    }
}

/// The name of "registered, but not armed"; armings count from 1 and never get here.
const PARKED: u64 = u64::MAX;
/// That of a timer that is closed, which its callback may have done.
const CLOSED: u64 = u64::MAX - 1;

impl<C: Callback<u64>> Source for TimerSource<C> {
    fn prepare(&self, to: &Connections, _id: Id, hint: u64) -> bool {
        let state = &self.state;
        if state.arming.get() != hint {
            // Armed anew since it was found due.
            return false;
        }
        let late = to.now().saturating_sub(state.deadline.get());
        let missed = late.checked_div(state.period.get()).unwrap_or(0);
        state.expirations.set(1 + missed);
        state.arming.set(0);
        true
    }

    fn call(&self, context: &Context, id: Id) {
        self.callback.call(context, id, self.state.expirations.get());
    }

    fn event(&self, id: Id) -> Event {
        let value = i64::try_from(self.state.expirations.get()).unwrap_or(i64::MAX);
        Event { value, ..Event::plain(Some(id), Kind::Timer, self.callback.user_data()) }
    }

    fn settle(&self, to: &Connections, id: Id) -> Next {
        let state = &self.state;
        if state.arming.get() != 0 {
            // The callback has armed, parked or closed it.
            return Next::Keep;
        }
        if state.period.get() == 0 {
            return Next::Close;
        }
        // The next point of the grid that the expirations just told do not cover.
        let step = state.period.get().saturating_mul(state.expirations.get());
        state.arm(to, id, state.deadline.get().saturating_add(step));
        Next::Keep
    }

    fn detach(&self, to: &Connections, id: Id) {
        if self.state.arming.replace(CLOSED) != 0 {
            to.disarm_timer(id);
        }
        to.timers.borrow_mut().forget();
    }

    fn lent(&self) -> &dyn Lent {
        &self.callback
    }

    fn state(&self) -> &dyn Any {
        &self.state
    }
}
