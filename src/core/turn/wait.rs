//! L2. Waiting inside a batch: the host thread's own loop, for a caller that has no other.
//!
//! Owns: nothing; it is the part of a [`Delivery`] that sleeps. Host thread only, in every drive: the
//! I/O thread is told to stand back meanwhile.
//!
//! It ends for an event, for a wake-up that was asked for, for a signal of the system, and when the time
//! is over. Whatever else stirs the poller (a post that the look before has taken already, an
//! expiration that nobody waits for) is looked at and slept on again. The end of the time goes through
//! the alarm, as timers do, because the poller's own timeout is rounded to milliseconds.

use super::deliver::Delivery;
use crate::clock::FOREVER;
use crate::core::registered::registry::Deferred;
use crate::core::registered::source::Event;
use crate::error::Result;
use crate::sys::monotonic_ns;

impl Delivery {
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
        let until = monotonic_ns().saturating_add(timeout);
        let mut uninterrupted = true;
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
        // From here on a post wakes. One that came just now is looked at first.
        if !shared.posts.arm() {
            return Ok(true);
        }
        let began = self.reactor.shared.clock.now();
        shared.begin_sleep(self.reactor.registry.connections.earliest().min(until));
        let left = if until == FOREVER { FOREVER } else { until.saturating_sub(monotonic_ns()) };
        let slept = self.reactor.sleep(left);
        let now = self.reactor.shared.clock.now();
        shared.end_sleep(now);
        self.began += now.saturating_sub(began);
        slept
    }
}
