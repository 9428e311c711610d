//! L3. Timers: one-shot and repeating, never early.
//!
//! Owns: the arming of one timer. Host thread only.

use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;

use crate::clock::{deadline_after, FOREVER};
use crate::core::live::{Alive, SOURCES};
use crate::core::reactor::Reactor;
use crate::core::source::{Callback, Detached, Event, Kind, Next, Source};
use crate::error::Result;
use crate::id::Id;

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

impl Reactor {
    /// Starts a timer; a delay of `FOREVER` leaves it unarmed.
    pub(crate) fn timer_add<C>(&self, delay: u64, period: u64, callback: C) -> Result<Id>
    where
        C: Callback<u64> + 'static,
    {
        let state = TimerState {
            deadline: Cell::new(FOREVER),
            period: Cell::new(period),
            arming: Cell::new(0),
            expirations: Cell::new(0),
            _alive: Alive::new(),
        };
        let source = Rc::new(TimerSource { state, callback });
        self.insert(source.clone(), |id| {
            self.register_timer(id)?;
            source.state.arm(self, id, deadline_after(self.now(), delay));
            Ok(())
        })
    }

    /// Arms a timer anew.
    pub(crate) fn timer_modify(&self, id: Id, delay: u64, period: u64) -> Result<()> {
        self.check_open()?;
        self.with(id, |state: &TimerState| {
            if state.arming.replace(0) != 0 {
                self.disarm_timer(id);
            }
            state.period.set(period);
            state.arm(self, id, deadline_after(self.now(), delay));
        })
    }
}

impl TimerState {
    fn arm(&self, reactor: &Reactor, id: Id, deadline: u64) {
        self.deadline.set(deadline);
        // A parked timer has a name too, so that a one-shot is known to be wanted still.
        self.arming.set(match deadline {
            FOREVER => PARKED,
            _ => reactor.arm_timer(id, deadline),
        });
    }
}

/// The name of "registered, but not armed"; armings count from 1 and never get here.
const PARKED: u64 = u64::MAX;

impl<C: Callback<u64> + 'static> Source for TimerSource<C> {
    fn prepare(&self, reactor: &Reactor, _id: Id, hint: u64) -> bool {
        let state = &self.state;
        if state.arming.get() != hint {
            // Armed anew since it was found due.
            return false;
        }
        let late = reactor.now().saturating_sub(state.deadline.get());
        let missed = late.checked_div(state.period.get()).unwrap_or(0);
        state.expirations.set(1 + missed);
        state.arming.set(0);
        true
    }

    fn call(&self, reactor: &Rc<Reactor>, id: Id) {
        self.callback.call(reactor, id, self.state.expirations.get());
    }

    fn event(&self, id: Id) -> Event {
        let value = i64::try_from(self.state.expirations.get()).unwrap_or(i64::MAX);
        Event { value, ..Event::plain(Some(id), Kind::Timer, self.callback.user_data()) }
    }

    fn settle(&self, reactor: &Reactor, id: Id) -> Next {
        let state = &self.state;
        if state.arming.get() != 0 || !reactor.is_open(id) {
            // The callback has armed, parked or closed it.
            return Next::Keep;
        }
        if state.period.get() == 0 {
            return Next::Close;
        }
        // The next point of the grid that the expirations just told do not cover.
        let step = state.period.get().saturating_mul(state.expirations.get());
        state.arm(reactor, id, deadline_after(state.deadline.get(), step));
        Next::Keep
    }

    fn detach(&self, reactor: &Reactor, id: Id) -> Detached {
        if self.state.arming.replace(0) != 0 {
            reactor.disarm_timer(id);
        }
        reactor.forget_timer();
        Detached::Now
    }

    fn drop_runs_user_code(&self) -> bool {
        self.callback.drop_runs_user_code()
    }

    fn disown(&self) {
        self.callback.disown();
    }

    fn state(&self) -> &dyn Any {
        &self.state
    }
}
