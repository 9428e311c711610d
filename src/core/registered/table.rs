//! L2. What is registered: slots with generations.
//!
//! Owns: one reference to each open source, and what is called at present. Host thread only. The caller drops what `remove`
//! returns after its borrow of the table has ended, since a source's end may run user code.

use std::collections::TryReserveError;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::source::{Connections, Source};
use crate::id::{Id, GENERATION_MAX};
use crate::room::make_room;

struct Slot {
    generation: u32,
    activity: Activity,
    place: Place,
}

/// As large as the reference alone.
enum Place {
    Open(Rc<dyn Source>),
    /// And which slot is the next free one.
    Free(u32),
}

const NONE: u32 = u32::MAX;

/// What a source is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Activity {
    Idle,
    /// Its callback is on the stack.
    Running,
    /// So it is, and it was ready again meanwhile: it is switched off until the callback returns.
    Muted,
}

impl Slot {
    fn source(&self) -> Option<&Rc<dyn Source>> {
        match &self.place {
            Place::Open(source) => Some(source),
            Place::Free(_) => None,
        }
    }
}

pub(crate) struct Table {
    slots: Vec<Slot>,
    /// The one that was freed last.
    free: u32,
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
        Table { slots: Vec::new(), free: NONE, first, missed: Vec::new() }
    }

    /// Makes sure of a place for one more source.
    pub(crate) fn make_room(&mut self) -> Result<(), TryReserveError> {
        match self.free {
            NONE => {
                let slots = self.slots.len() + 1;
                make_room(&mut self.slots, slots)
            }
            _ => Ok(()),
        }
    }

    /// Gives `source` an id. `make_room` comes first.
    pub(crate) fn insert(&mut self, source: Rc<dyn Source>) -> Id {
        let open = Place::Open(source);
        let index = self.free;
        if let Some(slot) = self.slots.get_mut(index as usize) {
            if let Place::Free(next) = std::mem::replace(&mut slot.place, open) {
                self.free = next;
            }
            return Id::new(index, slot.generation);
        }
        // 2^32 sources need 100 GiB for their slots alone, so the index always fits.
        let index = self.slots.len() as u32;
        self.slots.push(Slot { generation: self.first, activity: Activity::Idle, place: open });
        Id::new(index, self.first)
    }

    /// The open source with that id.
    pub(crate) fn get(&self, id: Id) -> Option<&Rc<dyn Source>> {
        self.slot(id)?.source()
    }

    /// Takes the source out; its id is stale from now on.
    pub(crate) fn remove(&mut self, id: Id) -> Option<Rc<dyn Source>> {
        let slot = self.slots.get_mut(id.slot() as usize).filter(|s| s.generation == id.generation())?;
        slot.source()?;
        let place = std::mem::replace(&mut slot.place, Place::Free(self.free));
        self.free = id.slot();
        slot.activity = Activity::Idle;
        // An id comes again after its slot was given out two thousand million times.
        slot.generation = slot.generation % GENERATION_MAX + 1;
        self.missed.retain(|(missed, _)| *missed != id);
        match place {
            Place::Open(source) => Some(source),
            Place::Free(_) => None,
        }
    }

    /// Of all open sources, in the order of their slots.
    pub(crate) fn ids(&self) -> Vec<Id> {
        let open = self.slots.iter().enumerate().filter(|(_, slot)| slot.source().is_some());
        open.map(|(index, slot)| Id::new(index as u32, slot.generation)).collect()
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = &Rc<dyn Source>> {
        self.slots.iter().filter_map(Slot::source)
    }

    /// The open source with that id, unless it is muted: then it was to be silent.
    pub(crate) fn expects(&self, id: Id) -> Option<&Rc<dyn Source>> {
        self.slot(id).filter(|slot| slot.activity != Activity::Muted)?.source()
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
        let source = slot.source().filter(|source| source.prepare(to, id, hint))?.clone();
        slot.activity = Activity::Running;
        Some(source)
    }

    #[cold]
    fn miss(&mut self, to: &Connections, id: Id, again: Option<u64>) {
        let Some(slot) = self.slots.get_mut(id.slot() as usize) else { return };
        let Place::Open(source) = &slot.place else { return };
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

    pub(crate) fn give_up_missed(&mut self) {
        self.missed.clear();
    }

    fn slot(&self, id: Id) -> Option<&Slot> {
        self.slots.get(id.slot() as usize).filter(|slot| slot.generation == id.generation())
    }

    fn slot_mut(&mut self, id: Id) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.slot() as usize)?;
        (slot.generation == id.generation() && slot.source().is_some()).then_some(slot)
    }
}
