//! L2. What is registered: slots with generations.
//!
//! Owns: one reference to each open source, and what is called at present. Host thread only. The caller drops what `remove`
//! returns after its borrow of the table has ended, since a source's end may run user code.

use std::collections::TryReserveError;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::source::{Connections, Source};
use crate::core::room::make_room;
use crate::id::{Id, GENERATION_MAX};

struct Slot {
    generation: u32,
    activity: Activity,
    source: Option<Rc<dyn Source>>,
}

/// What a source is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Activity {
    Idle,
    /// Its callback is on the stack.
    Running,
    /// So it is, and it was ready again meanwhile: it is switched off until the callback returns.
    Muted,
}

pub(crate) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// The generation that new slots begin with. Each guest has its own, far from the others', so
    /// that the ids of one are stale in another.
    first: u32,
    /// Events of sources whose callbacks are on the stack.
    missed: Vec<(Id, u64)>,
}

impl Table {
    pub(crate) fn new() -> Table {
        static TABLES: AtomicU32 = AtomicU32::new(1);
        // An odd factor near the golden ratio spreads consecutive numbers over the whole range.
        let spread = TABLES.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b1);
        let first = spread % GENERATION_MAX + 1;
        Table { slots: Vec::new(), free: Vec::new(), first, missed: Vec::new() }
    }

    /// Makes sure of a place for one more source, and for that place among the free ones when it is closed.
    pub(crate) fn make_room(&mut self) -> Result<(), TryReserveError> {
        if self.free.is_empty() {
            let slots = self.slots.len() + 1;
            make_room(&mut self.slots, slots)?;
            self.free.try_reserve_exact(self.slots.capacity())?;
        }
        Ok(())
    }

    /// Gives `source` an id. `make_room` comes first.
    pub(crate) fn insert(&mut self, source: Rc<dyn Source>) -> Id {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.source = Some(source);
            return Id::new(index, slot.generation);
        }
        // 2^32 sources need 100 GiB for their slots alone, so the index always fits.
        let index = self.slots.len() as u32;
        self.slots.push(Slot { generation: self.first, activity: Activity::Idle, source: Some(source) });
        Id::new(index, self.first)
    }

    /// The open source with that id.
    pub(crate) fn get(&self, id: Id) -> Option<&Rc<dyn Source>> {
        self.slot(id)?.source.as_ref()
    }

    /// Takes the source out; its id is stale from now on.
    pub(crate) fn remove(&mut self, id: Id) -> Option<Rc<dyn Source>> {
        let slot = self.slots.get_mut(id.slot() as usize).filter(|s| s.generation == id.generation())?;
        let source = slot.source.take()?;
        slot.activity = Activity::Idle;
        // An id comes again after its slot was given out two thousand million times.
        slot.generation = slot.generation % GENERATION_MAX + 1;
        self.free.push(id.slot());
        self.missed.retain(|(missed, _)| *missed != id);
        Some(source)
    }

    /// The ids of all open sources, in the order of their slots.
    pub(crate) fn ids(&self) -> Vec<Id> {
        let open = self.slots.iter().enumerate().filter(|(_, slot)| slot.source.is_some());
        open.map(|(index, slot)| Id::new(index as u32, slot.generation)).collect()
    }

    /// All open sources.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Rc<dyn Source>> {
        self.slots.iter().filter_map(|slot| slot.source.as_ref())
    }

    /// The open source with that id, unless it is muted: then it was to be silent.
    pub(crate) fn expects(&self, id: Id) -> Option<&Rc<dyn Source>> {
        self.slot(id).filter(|slot| slot.activity != Activity::Muted)?.source.as_ref()
    }

    /// Whether it is switched off until its callback returns.
    pub(crate) fn is_muted(&self, id: Id) -> bool {
        self.slot(id).is_some_and(|slot| slot.activity == Activity::Muted)
    }

    /// Whether that is an open source whose events come at the end of an iteration.
    pub(crate) fn comes_last(&self, id: Id) -> bool {
        self.get(id).is_some_and(|source| source.comes_last())
    }

    /// A source is ready: the one to call, unless it was closed since or has nothing to tell. `None` also for one whose
    /// callback is on the stack: its turn comes when that has returned. Until then an fd is switched off, or it would
    /// keep the poller ready, and of any other event one is kept, however many come: `again` is its hint.
    #[inline(always)]
    pub(crate) fn begin_call(
        &mut self,
        to: &Connections,
        id: Id,
        hint: u64,
        again: Option<u64>,
    ) -> Option<Rc<dyn Source>> {
        let slot = self.slot_mut(id)?;
        if slot.activity != Activity::Idle {
            self.miss(to, id, again);
            return None;
        }
        let source = slot.source.as_ref().filter(|source| source.prepare(to, id, hint))?;
        slot.activity = Activity::Running;
        Some(source.clone())
    }

    #[cold]
    fn miss(&mut self, to: &Connections, id: Id, again: Option<u64>) {
        let Some(slot) = self.slots.get_mut(id.slot() as usize) else { return };
        let Some(source) = &slot.source else { return };
        let before = std::mem::replace(&mut slot.activity, Activity::Muted);
        if let Some(hint) = again {
            match self.missed.iter_mut().find(|(known, _)| *known == id) {
                Some((_, earlier)) => *earlier = source.merge(*earlier, hint),
                None => self.missed.push((id, hint)),
            }
        }
        if before == Activity::Running {
            source.mute(to, id);
        }
    }

    /// Its callback has returned: `again` gets the hint of what it missed meanwhile.
    #[inline(always)]
    pub(crate) fn end_call(
        &mut self,
        to: &Connections,
        id: Id,
        source: &Rc<dyn Source>,
        mut again: impl FnMut(u64),
    ) {
        let Some(slot) = self.slot_mut(id) else { return };
        if std::mem::replace(&mut slot.activity, Activity::Idle) == Activity::Muted {
            source.unmute(to, id);
            self.missed.retain(|&(missed, hint)| {
                if missed == id {
                    again(hint);
                }
                missed != id
            });
        }
    }

    /// Gives up what sources have missed.
    pub(crate) fn give_up_missed(&mut self) {
        self.missed.clear();
    }

    fn slot(&self, id: Id) -> Option<&Slot> {
        self.slots.get(id.slot() as usize).filter(|slot| slot.generation == id.generation())
    }

    fn slot_mut(&mut self, id: Id) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.slot() as usize)?;
        (slot.generation == id.generation() && slot.source.is_some()).then_some(slot)
    }
}
