//! L2. The pull form of a [`Delivery`], a batch: its events are taken instead of called, and it can wait for them.
//!
//! Owns: nothing. Host thread only.
//!
//! Waiting is the host thread's own loop, for a caller that has no other, in every drive: the I/O thread is told to stand
//! back meanwhile. It ends for an event, for a wake-up that was asked for, for a signal of the system, and when the time
//! is over. Whatever else stirs the poller (a post that the look before has taken already, an
//! expiration that nobody waits for) is looked at and slept on again. The end of the time goes through
//! the alarm, as timers do, because the poller's own timeout is rounded to milliseconds.

use std::rc::Rc;

use super::deliver::{Asked, Delivery};
use super::reactor::{Reactor, Ready};
use crate::clock::FOREVER;
use crate::core::registered::registry::Deferred;
use crate::core::registered::source::{Event, Kind, Next};
use crate::error::{Error, Result, Status};
use crate::sys::monotonic_ns;

impl Delivery {
    /// Opens a batch; as [`Delivery::begin`].
    pub(crate) fn begin_batch(reactor: &Rc<Reactor>, token: u64) -> Result<Delivery> {
        reactor.shared.check_process()?;
        if !reactor.shared.pull {
            return Err(Error::new(
                Status::DRIVE,
                "batches are taken as events only from a guest that was started with GUEST_FLAG_PULL",
            ));
        }
        Delivery::open(reactor, Asked { token, ..Asked::default() })
    }

    /// Tells up to `capacity` events of one look. What has ended with its event is `held`: the caller
    /// drops it when the user has seen the events. Says whether there were any.
    #[inline(always)]
    fn take(
        &mut self,
        capacity: usize,
        held: &mut Vec<Deferred>,
        tell: &mut impl FnMut(Event),
    ) -> Result<bool> {
        self.reactor.shared.return_to_delivery();
        (self.exhausted, self.woken) = (false, false);
        let mut told = 0;
        // More than one look only while nothing of what they found was worth telling.
        while told == 0 {
            let Some(first) = self.find()? else { break };
            self.budget.use_some();
            let mut next = Some(first);
            while let Some(ready) = next {
                if let Some(event) = self.event(ready, held) {
                    tell(event);
                    told += 1;
                }
                // Only what this look has found: another one would find the same fds again.
                next = if told < capacity { self.reactor.next_ready() } else { None };
            }
        }
        self.reactor.shared.counters.events.add(told as u64);
        self.busy |= told > 0 || self.woken;
        Ok(told > 0)
    }

    /// What is told of something ready, and told by being handed out: no callback of it will be on the stack.
    #[inline(always)]
    fn event(&self, ready: Ready, held: &mut Vec<Deferred>) -> Option<Event> {
        let (id, hint) = match ready {
            Ready::Fd(id, readiness) => (id, u64::from(readiness)),
            Ready::Source(id, hint) => (id, hint),
            Ready::Post(job) => {
                let event = Event::plain(None, Kind::Post, job.user_data());
                held.push(Deferred::Post { _job: job });
                return Some(event);
            }
        };
        let registry = &self.reactor.registry;
        let (event, next) = {
            let table = registry.table.borrow();
            let source = table.get(id)?;
            if !source.prepare(&registry.connections, id, hint) {
                return None;
            }
            (source.event(id), source.settle(&registry.connections, id))
        };
        if next == Next::Close {
            held.extend(registry.retire(id).map(|source| Deferred::Source { source }));
        }
        Some(event)
    }

    /// As [`Delivery::take`], and if nothing is due, sleeps up to `timeout` nanoseconds for the first
    /// event. The budget does not count then, and begins anew.
    #[inline(always)]
    pub(crate) fn take_or_wait(
        &mut self,
        timeout: u64,
        capacity: usize,
        held: &mut Vec<Deferred>,
        tell: &mut impl FnMut(Event),
    ) -> Result<()> {
        let taken = if timeout == 0 {
            self.take(capacity, held, tell).map(drop)
        } else {
            self.budget.lift();
            let waited = self.wait(timeout, capacity, held, tell);
            self.budget.begin_anew(self.reactor.shared.clock.now());
            waited
        };
        let reactor = &self.reactor;
        if self.busy {
            // The user handles these outside, or has work of its own (asyncio's ready queue) that nothing
            // here knows of: a nested loop may begin there and must get its turns.
            reactor.shared.nested_wake();
        } else {
            let has_unpolled = || !self.exhausted && reactor.has_unpolled();
            reactor.shared.before_callback(has_unpolled, || reactor.registry.connections.earliest());
        }
        taken
    }

    fn wait(
        &mut self,
        timeout: u64,
        capacity: usize,
        held: &mut Vec<Deferred>,
        tell: &mut impl FnMut(Event),
    ) -> Result<()> {
        let until = if timeout == FOREVER { FOREVER } else { monotonic_ns().saturating_add(timeout) };
        let reactor = &self.reactor;
        // What polling finds, and a post, end a sleep at once: they need no look before it.
        let is_left = reactor.has_ready() || reactor.has_unpolled() || reactor.shared.life.is_cancelled();
        let mut uninterrupted = is_left || self.sleep(until)?;
        loop {
            if self.take(capacity, held, tell)? || self.woken || !uninterrupted {
                return Ok(());
            }
            // A guest that ends has no more events, and its end waits for that of this batch.
            if self.reactor.shared.life.is_cancelled() || monotonic_ns() >= until {
                return Ok(());
            }
            uninterrupted = self.sleep(until)?;
        }
    }

    /// Sleeps until something stirs, or `until`. Says whether no signal has interrupted it.
    fn sleep(&mut self, until: u64) -> Result<bool> {
        let shared = &self.reactor.shared;
        // From here on a post wakes. One that came just now is looked at first, and so is a timer that is due: no alarm
        // goes off for that of a clock that a test moves.
        if !self.reactor.arm_posts() {
            return Ok(true);
        }
        let (began, earliest) = (shared.clock.now(), self.reactor.registry.connections.earliest());
        if earliest <= began {
            return Ok(true);
        }
        shared.begin_sleep(earliest.min(until));
        let left = if until == FOREVER { FOREVER } else { until.saturating_sub(monotonic_ns()) };
        let slept = self.reactor.sleep(left);
        let now = self.reactor.shared.clock.now();
        shared.end_sleep(now);
        self.began += now.saturating_sub(began);
        slept
    }
}
