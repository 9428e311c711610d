//! L2. Deliveries: the host thread's turn.
//!
//! Owns: the loop "find what is due, run it, look again" and its budget. Host thread only.
//!
//! A [`Delivery`] is open from `begin` until it is dropped, also by a C++ exception that passes
//! through: its end hands the waiting back, so nothing can be lost. One event at a time lies
//! between "found" and "told"; the next step settles it, or the end.

use std::rc::Rc;

use super::batch::Begun;
use super::budget::Budget;
use super::message::Job;
use super::pass::Ready;
use super::reactor::Reactor;
use super::shared::Drive;
use super::source::{Event, Kind, Next, Source};
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
    /// The event whose callback is to be called, or is being called.
    current: Option<Item>,
    /// The last look has found nothing. Else a host that watches the fd edge-triggered has to be told
    /// again: what is ready stays so, without a new edge.
    pub(super) exhausted: bool,
    /// The last look has met a wake-up that somebody has asked for.
    pub(super) woken: bool,
    /// The pull form: it was not opened in vain.
    pub(super) busy: bool,
}

/// What is to be told to the user next.
pub(crate) enum Item {
    Source(Id, Rc<dyn Source>),
    Post(Job),
}

impl Delivery {
    /// Lets a delivery in. `token` 0 is let in at any time; `budget` in nanoseconds, or the guest's.
    pub(crate) fn begin(reactor: &Rc<Reactor>, token: u64, budget: Option<u64>) -> Result<Delivery> {
        let shared = &reactor.shared;
        if shared.is_posting() {
            shared.note_inlined();
            return Err(Status::INLINE.into());
        }
        if shared.is_ended() {
            // A wake-up of another thread may have met the end.
            reactor.fall_silent();
            return Err(Status::CLOSED.into());
        }
        let now = reactor.now();
        let outer = shared.depth();
        let begun = match shared.drive {
            Drive::Thread => shared.hand_off.begin(token, now),
            // There are no tokens, and nobody to hand anything off to.
            Drive::Fd | Drive::Run => {
                (token == 0).then_some(Begun { latency: None, watched: false, unnoticed: false })
            }
        };
        let Some(Begun { latency, watched, unnoticed }) = begun else {
            shared.counters.stale_tokens.add(1);
            return Err(Status::STALE.into());
        };
        if shared.drive != Drive::Thread {
            shared.begin_unposted(now);
        }
        shared.set_depth(outer + 1);
        shared.set_looking(watched);
        shared.cover_unnoticed(watched, unnoticed);
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

    /// Settles the event that was told last and finds the next. `false`: nothing is due, or the
    /// budget is spent.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        self.settle();
        self.exhausted = false;
        while let Some(ready) = self.find()? {
            // Also an event that came to nothing counts: no kind of them may keep the host waiting.
            self.budget.use_some();
            let Some(item) = self.prepare(ready) else { continue };
            let reactor = &self.reactor;
            reactor.shared.before_callback(|| reactor.owes(), || reactor.earliest());
            self.current = Some(item);
            return Ok(true);
        }
        Ok(false)
    }

    /// The user's code and nothing else, so that a C++ exception may pass.
    pub(crate) fn run(&mut self) {
        match &mut self.current {
            Some(Item::Source(id, source)) => source.call(&self.reactor, *id),
            Some(Item::Post(job)) => job.run(&self.reactor),
            None => {}
        }
    }

    /// The callback has returned, or was left by an exception.
    #[inline(always)]
    fn settle(&mut self) {
        let Some(item) = self.current.take() else { return };
        let reactor = &self.reactor;
        if reactor.shared.mark.in_child() {
            // The callback forked, and this is the child: the event is the parent's.
            std::mem::forget(item);
            return;
        }
        if !reactor.shared.is_looking() {
            // It ran a nested loop, whose last delivery ended: this one looks again from here on.
            reactor.shared.set_looking(false);
        }
        if let Item::Source(id, source) = &item {
            reactor.set_idle(*id, source);
        }
        // The source's or post's own end, if this is it: after its callback has returned.
        drop(item.settle(reactor));
    }

    /// The pull form: up to `capacity` events of one look. The items have been told by being handed
    /// out; the caller keeps them until the user has seen the events. `false`: there were none.
    #[inline(always)]
    pub(super) fn take(
        &mut self,
        capacity: usize,
        held: &mut Vec<Item>,
        tell: &mut impl FnMut(Event),
    ) -> Result<bool> {
        if !self.reactor.shared.is_looking() {
            // The user ran a nested loop meanwhile.
            self.reactor.shared.set_looking(false);
        }
        (self.exhausted, self.woken) = (false, false);
        let mut told = 0;
        // More than one look only while nothing of what they found was worth telling.
        while told == 0 {
            let Some(first) = self.find()? else { break };
            self.budget.use_some();
            let mut next = Some(first);
            while let Some(ready) = next {
                if let Some(item) = self.prepare(ready) {
                    tell(item.event());
                    if let Item::Source(id, source) = &item {
                        self.reactor.set_idle(*id, source);
                    }
                    held.extend(item.settle(&self.reactor));
                    told += 1;
                }
                // Only what this look has found: another one would find the same fds again.
                next = if told < capacity { self.reactor.next_ready() } else { None };
            }
        }
        self.busy |= told > 0 || self.woken;
        Ok(told > 0)
    }

    #[inline(always)]
    fn find(&mut self) -> Result<Option<Ready>> {
        let reactor = &self.reactor;
        loop {
            reactor.shared.check_process()?;
            while reactor.shared.is_cancelled() && reactor.detach_some() {
                self.budget.use_some();
                if self.budget.is_spent(&reactor.shared.clock) {
                    reactor.shared.counters.budget_spent.add(1);
                    return Ok(None);
                }
            }
            while let Some(dead) = reactor.next_dead() {
                drop(dead);
                self.budget.use_some();
                if self.budget.is_spent(&reactor.shared.clock) {
                    reactor.shared.counters.budget_spent.add(1);
                    return Ok(None);
                }
            }
            if reactor.has_ready() {
                if self.budget.is_spent(&reactor.shared.clock) {
                    reactor.shared.counters.budget_spent.add(1);
                    return Ok(None);
                }
                match reactor.next_ready() {
                    Some(ready) => return Ok(Some(ready)),
                    // It was the end of something closed, which the next round buries.
                    None => continue,
                }
            }
            let nothing_to_come = reactor.closing.get() && !reactor.lingers();
            let found = !nothing_to_come && reactor.collect()?;
            // After the poll: what it has swallowed was asked for before.
            self.woken |= reactor.shared.take_request();
            if !found {
                self.exhausted = true;
                return Ok(None);
            }
        }
    }

    #[inline(always)]
    fn prepare(&self, ready: Ready) -> Option<Item> {
        let counters = &self.reactor.shared.counters;
        let item = match ready {
            Ready::Post(job) => Item::Post(job),
            ready => {
                let (id, source) = self.reactor.prepare(ready)?;
                Item::Source(id, source)
            }
        };
        counters.events.add(1);
        Some(item)
    }

    /// Counts when all has been run: what comes before the first callback is felt as latency.
    fn count(&self, now: u64, depth: u32) {
        let counters = &self.reactor.shared.counters;
        counters.batches.add(1);
        counters.nested.add(u64::from(depth > 0));
        counters.duration.add(now.saturating_sub(self.began));
        if let Some(latency) = self.latency {
            counters.latency.add(latency);
        }
        self.reactor.count_posts();
    }
}

impl Drop for Delivery {
    /// The end: the next delivery is asked for if something is still due, else the waiting begins.
    fn drop(&mut self) {
        self.settle();
        let reactor = &self.reactor;
        let shared = &reactor.shared;
        if shared.mark.in_child() {
            // The callback forked, and this is the child: all of this is the parent's.
            return;
        }
        let now = reactor.now();
        let depth = shared.depth() - 1;
        self.count(now, depth);
        shared.set_depth(depth);
        shared.set_asleep();
        reactor.try_finish();
        // A cancel may have come after the last look at it, and its wake-up been taken by the last poll.
        let cancelled = shared.is_cancelled() && !reactor.is_detached();
        // A wake-up that was asked for in here is this thread's to post: no other need wake for it.
        let asked = shared.drive == Drive::Thread && shared.has_request();
        let found = cancelled || asked || reactor.has_ready() || reactor.has_dead();
        // The queue comes last: once it says that it wakes, a post that comes is not overlooked.
        let more = !shared.is_ended() && (found || !shared.posts.arm());
        reactor.more.set(more);
        shared.settle_alarm(reactor.earliest(), now, self.busy);
        shared.end_unposted();
        match shared.drive {
            Drive::Thread => shared.hand_back(shared.hand_off.end(more, now)),
            // The fd stays readable: the waker's event is there until the next delivery polls.
            Drive::Fd | Drive::Run if more => shared.waker.wake(),
            Drive::Fd if !self.exhausted && !shared.is_ended() && reactor.is_ready() => shared.waker.wake(),
            Drive::Fd | Drive::Run => {}
        }
    }
}

impl Item {
    pub(crate) fn event(&self) -> Event {
        match self {
            Item::Source(id, source) => source.event(*id),
            Item::Post(job) => Event::plain(None, Kind::Post, job.user_data()),
        }
    }

    /// The user has been told. Returns what must live until it has forgotten the event.
    fn settle(self, reactor: &Reactor) -> Option<Item> {
        let Item::Source(id, ref source) = self else { return Some(self) };
        match source.settle(reactor, id) {
            Next::Keep => None,
            Next::Close => {
                reactor.retire(id);
                Some(self)
            }
        }
    }
}
