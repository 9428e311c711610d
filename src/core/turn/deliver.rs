//! L2. Deliveries: the host thread's turn.
//!
//! Owns: the loop "find what is due, run it, look again" and its budget. Host thread only.
//!
//! A [`Delivery`] is open from `begin` until it is dropped, also by a C++ exception that passes
//! through: its end hands the waiting back, so nothing can be lost. One event at a time lies
//! between "found" and "told"; the next step settles it, or the end.

use std::rc::Rc;

use super::budget::Budget;
use super::iteration::Ready;
use super::reactor::{Look, Reactor};
use crate::core::message::Job;
use crate::core::registered::registry::Deferred;
use crate::core::registered::source::{Event, Kind, Next, Source};
use crate::core::waiting::shared::Ending;
use crate::error::{Result, Status};
use crate::id::Id;

/// One delivery in progress.
pub(crate) struct Delivery {
    pub(super) reactor: Rc<Reactor>,
    /// When it began; later by the time that was waited in it.
    pub(super) began: u64,
    /// How long its token was under way.
    latency: Option<u64>,
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
    /// Lets a delivery in. `token` 0 is let in at any time; `budget` in nanoseconds, or the guest's.
    #[inline(always)]
    pub(crate) fn begin(reactor: &Rc<Reactor>, token: u64, budget: Option<u64>) -> Result<Delivery> {
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
        if let Some(call) = self.current.take() {
            self.settle(call);
            // The callback or a drop function may have forked, and this be the child.
            self.reactor.shared.check_process()?;
        }
        self.exhausted = false;
        while let Some(ready) = self.find()? {
            // Also an event that came to nothing counts: no kind of them may keep the host waiting.
            self.budget.use_some();
            let registry = &self.reactor.registry;
            let (id, hint, again) = match ready {
                Ready::Post(job) => {
                    self.current = Some(Call::Post(job));
                    self.before_callback();
                    return Ok(true);
                }
                Ready::Fd(id, readiness) => (id, u64::from(readiness), None),
                Ready::Source(id, hint) => (id, hint, Some(hint)),
            };
            if let Some(source) = registry.begin_call(id, hint, again) {
                self.current = Some(Call::Source(id, source));
                self.before_callback();
                return Ok(true);
            }
        }
        Ok(false)
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
    fn settle(&self, call: Call) {
        let reactor = &self.reactor;
        if reactor.shared.mark.in_child() {
            // The event is the parent's.
            std::mem::forget(call);
            return;
        }
        reactor.shared.return_to_delivery();
        // The source's or post's own end, if this is it, comes after its callback has returned.
        let Call::Source(id, source) = call else { return };
        reactor.registry.end_call(id, &source, |id, hint| reactor.comes_again(id, hint));
        if source.settle(&reactor.registry.connections, id) == Next::Close {
            reactor.registry.retire(id);
        }
    }

    /// The pull form: tells up to `capacity` events of one look. What has ended with its event is `held`: the caller
    /// drops it when the user has seen the events. Says whether there were any.
    #[inline(always)]
    pub(super) fn take(
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
            held.extend(registry.retire(id).map(|source| Deferred::Source { _source: source }));
        }
        Some(event)
    }

    #[inline(always)]
    fn find(&mut self) -> Result<Option<Ready>> {
        loop {
            if self.reactor.has_ends() {
                if self.run_ends()? {
                    // A drop function may have cancelled the guest: then nothing is told any more.
                    continue;
                }
                return Ok(None);
            }
            if !self.reactor.has_ready() && !self.look()? {
                self.exhausted = true;
                return Ok(None);
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

    /// Says whether something is ready.
    #[inline(always)]
    fn look(&mut self) -> Result<bool> {
        let Look { found, woken } = self.reactor.look()?;
        self.woken |= woken;
        Ok(found)
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
        if let Some(call) = self.current.take() {
            self.settle(call);
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
        if reactor.try_finish().is_err() {
            return;
        }
        // A cancel may have come after the last look at it, and its wake-up been taken by the last poll.
        let found = reactor.has_ends() || reactor.has_ready();
        // The queue comes last: once it says that it wakes, a post that comes is not overlooked.
        let more = !shared.life.is_ended() && (found || !shared.posts.arm());
        reactor.more.set(more);
        if !more {
            // Else the next delivery asks, when what was found has been told.
            reactor.registry.connections.poller().settle();
        }
        let ending = Ending {
            now,
            more,
            has_unpolled: &|| !self.exhausted && reactor.is_ready(),
            earliest: reactor.registry.connections.earliest(),
            busy: self.busy,
        };
        shared.drive.end(shared, &ending);
    }
}
