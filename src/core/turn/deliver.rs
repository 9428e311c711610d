//! L2. Deliveries: the host thread's turn.
//!
//! Owns: the loop "find what is due, run it, look again" and the budget: the time that it may take before the host gets
//! its turn. Host thread only. What the pull form adds is in [`super::pull`].
//!
//! A [`Delivery`] is open from `begin` until it is dropped, also by a C++ exception that passes
//! through: its end hands the waiting back, so nothing can be lost. One event at a time lies
//! between "found" and "told"; the next step settles it, or the end.

use std::rc::Rc;

use super::reactor::{Look, Reactor, Ready};
use crate::clock::{Clock, FOREVER};
use crate::core::message::Job;
use crate::core::registered::registry::Registry;
use crate::core::registered::source::{Next, Source};
use crate::core::waiting::shared::Ending;
use crate::error::{Error, Result, Status};
use crate::id::Id;

/// How a delivery is asked for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Asked {
    /// 0 is let in at any time.
    pub(crate) token: u64,
    /// In nanoseconds; `None`: the guest's.
    pub(crate) budget: Option<u64>,
    /// Who asks waits for the poller next: that is a look, too, and no other is needed at the end.
    pub(crate) waits_next: bool,
}

/// One delivery in progress.
pub(crate) struct Delivery {
    pub(super) reactor: Rc<Reactor>,
    /// When it began; later by the time that was waited in it.
    pub(super) began: u64,
    /// How long its token was under way.
    latency: Option<u64>,
    waits_next: bool,
    looked: bool,
    pub(super) budget: Budget,
    /// What is to be called, or is being called.
    current: Option<Call>,
    /// The last look has found nothing. Else a host that watches the fd edge-triggered has to be told
    /// again: what is ready stays so, without a new edge.
    pub(super) exhausted: bool,
    /// The last look has met a wake-up that somebody has asked for.
    pub(super) woken: bool,
    /// The pull form: it was not opened in vain.
    pub(super) busy: bool,
}

/// What is told to the user by a call.
enum Call {
    Source(Id, Rc<dyn Source>),
    Post(Job),
}

impl Delivery {
    /// Lets a delivery in.
    #[inline(always)]
    pub(crate) fn begin(reactor: &Rc<Reactor>, asked: Asked) -> Result<Delivery> {
        let shared = &reactor.shared;
        shared.check_process()?;
        // A cancelled guest has no events left, so that any form will do for its end.
        if shared.pull && !shared.life.is_cancelled() {
            return Err(Error::new(
                Status::DRIVE,
                "this guest was started with GUEST_FLAG_PULL: take its batches with guest_batch_begin",
            ));
        }
        Delivery::open(reactor, asked)
    }

    /// The same, in whatever form.
    #[inline(always)]
    pub(super) fn open(reactor: &Rc<Reactor>, asked: Asked) -> Result<Delivery> {
        let Asked { token, budget, waits_next } = asked;
        let shared = &reactor.shared;
        if shared.drive.refuses_inline(shared) {
            return Err(Status::INLINE.into());
        }
        if shared.life.is_ended() {
            // A wake-up of another thread may have met the end.
            reactor.fall_silent();
            return Err(Status::CLOSED.into());
        }
        let now = shared.clock.now();
        let Some(latency) = shared.begin_delivery(token, now) else {
            shared.counters.stale_tokens.add(1);
            return Err(Status::STALE.into());
        };
        Ok(Delivery {
            reactor: reactor.clone(),
            began: now,
            latency,
            waits_next,
            looked: false,
            budget: Budget::new(now, budget.unwrap_or(reactor.budget)),
            current: None,
            exhausted: false,
            woken: false,
            busy: false,
        })
    }

    /// Settles what was told last and finds what is told next. Says whether something is due and the
    /// budget not spent.
    #[inline(always)]
    pub(crate) fn advance(&mut self) -> Result<bool> {
        if self.current.is_some() {
            self.settle();
            // The callback or a drop function may have forked, and this be the child.
            self.reactor.shared.check_process()?;
        }
        self.exhausted = false;
        while let Some(ready) = self.find()? {
            // Also an event that came to nothing counts: no kind of them may keep the host waiting.
            self.budget.use_some();
            let (id, hint, again) = match ready {
                Ready::Post(job) => {
                    self.current = Some(Call::Post(job));
                    break;
                }
                Ready::Fd(id, readiness) => (id, u64::from(readiness), None),
                Ready::Source(id, hint) => (id, hint, Some(hint)),
            };
            let Registry { table, connections, .. } = &*self.reactor.registry;
            let call = table.borrow_mut().begin_call(connections, id, hint, again);
            if let Some(source) = call {
                self.current = Some(Call::Source(id, source));
                break;
            }
        }
        if self.current.is_none() {
            return Ok(false);
        }
        self.before_callback();
        Ok(true)
    }

    #[inline(always)]
    fn before_callback(&self) {
        let Reactor { shared, registry, .. } = &*self.reactor;
        shared.counters.events.add(1);
        shared.before_callback(|| self.reactor.has_unpolled(), || registry.connections.earliest());
    }

    /// The user's code and nothing else, so that a C++ exception may pass.
    #[inline(always)]
    pub(crate) fn run(&mut self) {
        let context = &self.reactor.registry.context;
        match &mut self.current {
            Some(Call::Source(id, source)) => source.call(context, *id),
            Some(Call::Post(job)) => job.run(context),
            None => {}
        }
    }

    /// The callback has returned, or was left by an exception.
    #[inline(always)]
    fn settle(&mut self) {
        let reactor = &self.reactor;
        if reactor.shared.mark.in_child() {
            // The event is the parent's.
            std::mem::forget(self.current.take());
            return;
        }
        reactor.shared.return_to_delivery();
        // The source's or post's own end, if this is it, comes after its callback has returned.
        let Some(Call::Source(id, source)) = self.current.take_if(|call| matches!(call, Call::Source(..)))
        else {
            // In its place: to be moved costs as much as to be called.
            self.current = None;
            return;
        };
        let Registry { table, connections, .. } = &*reactor.registry;
        table.borrow_mut().end_call(connections, id, &source, |hint| reactor.comes_again(id, hint));
        match source.settle(connections, id) {
            Next::Keep => {}
            Next::Again => reactor.ask_again(id),
            Next::Close => drop(reactor.registry.retire(id)),
        }
    }

    #[inline(always)]
    pub(super) fn find(&mut self) -> Result<Option<Ready>> {
        loop {
            if self.has_ends() {
                if self.run_ends()? {
                    // A drop function may have cancelled the guest: then nothing is told any more.
                    continue;
                }
                return Ok(None);
            }
            if !self.reactor.has_ready() {
                if self.waits_next && self.looked && self.reactor.is_left_to_the_poller() {
                    return Ok(None);
                }
                self.looked = true;
                let Look { found, woken } = self.reactor.look()?;
                self.woken |= woken;
                if !found {
                    self.exhausted = true;
                    return Ok(None);
                }
            }
            if self.is_spent() {
                return Ok(None);
            }
            if let Some(ready) = self.reactor.next_ready() {
                return Ok(Some(ready));
            }
            // It was the end of something closed, which the next round drops.
        }
    }

    /// Whether there is something to detach or to drop.
    #[inline(always)]
    fn has_ends(&self) -> bool {
        let Reactor { shared, registry, .. } = &*self.reactor;
        registry.has_deferred_drops() || shared.life.is_cancelled() && !self.reactor.is_detached()
    }

    /// Detaches what the guest's end detaches, and runs drop functions. Says whether the budget has lasted.
    #[cold]
    fn run_ends(&mut self) -> Result<bool> {
        while self.reactor.shared.life.is_cancelled() && self.reactor.detach_some() {
            self.budget.use_some();
            if self.is_spent() {
                return Ok(false);
            }
        }
        while let Some(deferred) = self.reactor.registry.next_deferred_drop() {
            self.reactor.registry.drop_now(deferred)?;
            self.budget.use_some();
            if self.is_spent() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    #[inline(always)]
    fn is_spent(&mut self) -> bool {
        let shared = &self.reactor.shared;
        let spent = self.budget.is_spent(&shared.clock);
        if spent {
            shared.counters.budget_spent.add(1);
        }
        spent
    }

    /// Counts when all has been run: what comes before the first callback is felt as latency.
    fn count(&self, now: u64) {
        let shared = &self.reactor.shared;
        shared.counters.batches.add(1);
        shared.counters.nested.add(u64::from(shared.depth() > 1));
        shared.counters.duration.add(now.saturating_sub(self.began));
        if let Some(latency) = self.latency {
            shared.counters.latency.add(latency);
        }
        self.reactor.count_posts();
    }
}

impl Drop for Delivery {
    /// The end: the next delivery is asked for if something is still due, else the waiting begins.
    fn drop(&mut self) {
        if self.current.is_some() {
            self.settle();
        }
        let reactor = &self.reactor;
        let shared = &reactor.shared;
        if shared.mark.in_child() {
            // The callback forked, and this is the child: all of this is the parent's.
            return;
        }
        let now = shared.clock.now();
        self.count(now);
        shared.leave_delivery();
        if shared.life.is_detaching() && reactor.try_finish().is_err() {
            return;
        }
        // A cancel may have come after the last look at it, and its wake-up been taken by the last poll.
        let found = self.has_ends() || reactor.has_ready();
        // The queue comes last: once it says that it wakes, a post that comes is not overlooked.
        let more = !shared.life.is_ended() && (found || !reactor.arm_posts());
        reactor.more.set(more);
        if !more {
            // Else the next delivery asks, when what was found has been told.
            reactor.registry.connections.poller().settle();
        }
        let ending = Ending {
            now,
            more,
            has_unpolled: &|| !self.exhausted && reactor.registry.connections.poller().is_ready(),
            earliest: reactor.registry.connections.earliest(),
            busy: self.busy,
        };
        shared.drive.end(shared, &ending);
    }
}

/// Events shorter than this make looks at the clock rarer.
const QUICK: u64 = 1_000;
const STRIDE_MAX: u32 = 16;

/// The time that one delivery may take before the host gets its turn.
///
/// Reading the clock costs as much as a short callback. So after callbacks of less than a
/// microsecond each it is read at every second, fourth, at most sixteenth event, and at every one again
/// after a longer one. In between the coarse clock, which costs a fifth, tells whether
/// milliseconds have passed: a slow callback after quick ones is noticed when it returns.
pub(super) struct Budget {
    nanoseconds: u64,
    until: u64,
    /// Something has run; at least one thing does in each delivery.
    ran: bool,
    /// When the clock was last looked at,
    checked: u64,
    /// how many events lie between two looks,
    stride: u32,
    /// how many are left before the next,
    unchecked: u32,
    /// and what the coarse clock said then.
    coarse: u64,
}

impl Budget {
    pub(super) fn new(now: u64, nanoseconds: u64) -> Budget {
        let until = now.saturating_add(nanoseconds);
        Budget { nanoseconds, until, ran: false, checked: now, stride: 1, unchecked: 0, coarse: 0 }
    }

    /// The host wants no turn at present.
    pub(super) fn lift(&mut self) {
        self.until = FOREVER;
    }

    /// The whole budget from `now` on.
    pub(super) fn begin_anew(&mut self, now: u64) {
        *self = Budget::new(now, self.nanoseconds);
    }

    /// Something runs now.
    pub(super) fn use_some(&mut self) {
        self.ran = true;
    }

    /// Whether the host's turn has come.
    #[inline(always)]
    pub(super) fn is_spent(&mut self, clock: &Clock) -> bool {
        if !self.ran || self.until == FOREVER {
            return false;
        }
        if self.unchecked > 0 && clock.coarse() == self.coarse {
            self.unchecked -= 1;
            return false;
        }
        let now = clock.now();
        let quick = now.saturating_sub(self.checked) < QUICK * u64::from(self.stride);
        self.stride = if quick { (self.stride * 2).min(STRIDE_MAX) } else { 1 };
        self.unchecked = self.stride - 1;
        if self.unchecked > 0 {
            self.coarse = clock.coarse();
        }
        self.checked = now;
        now >= self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many events of `length` run before the budget is spent.
    fn events(budget: u64, length: u64) -> u64 {
        let clock = Clock::manual(0);
        let mut budget = Budget::new(0, budget);
        let mut count = 0;
        while !budget.is_spent(&clock) {
            budget.use_some();
            clock.advance(length);
            count += 1;
        }
        count
    }

    #[test]
    fn short_events_are_counted_by_the_coarse_clock_too() {
        assert_eq!(events(4_000_000, 100), 40_000);
    }
}
