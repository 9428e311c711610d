//! L2. Armed timers, ordered by deadline, then by the order in which they were armed.
//!
//! Owns: a heap with four children per node, which is half as deep as a binary one and keeps
//! siblings on one cache line, and the place of each timer in it, so that stopping is exact: no
//! dead entry can cause a wake-up. Host thread only. Ties go by the order of arming, as in libuv.

use std::collections::TryReserveError;

use crate::id::Id;
use crate::room::make_room;

const CHILDREN: usize = 4;
const NOWHERE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Node {
    deadline: u64,
    /// Order of arming; also names this arming, so that an expiry of an earlier one is told apart.
    sequence: u64,
    id: Id,
}

impl Node {
    fn before(&self, other: &Node) -> bool {
        (self.deadline, self.sequence) < (other.deadline, other.sequence)
    }
}

#[derive(Default)]
pub(crate) struct Timers {
    heap: Vec<Node>,
    /// By slot number of the id: the index in `heap`, or `NOWHERE`.
    places: Vec<u32>,
    /// How many timers there are, armed or not: the heap has room for them all, so that arming never fails.
    registered: usize,
    sequence: u64,
}

impl Timers {
    /// Makes room for one more timer, which may be armed from now on until it is forgotten.
    pub(crate) fn register(&mut self, id: Id) -> Result<(), TryReserveError> {
        let places = self.places.len().max(id.slot() as usize + 1);
        make_room(&mut self.places, places)?;
        make_room(&mut self.heap, self.registered + 1)?;
        self.places.resize(places, NOWHERE);
        self.registered += 1;
        Ok(())
    }

    /// A registered timer is closed; it is not armed.
    pub(crate) fn forget(&mut self) {
        self.registered -= 1;
    }

    /// Arms `id`, which is registered and not armed, and returns the name of this arming.
    pub(crate) fn arm(&mut self, id: Id, deadline: u64) -> u64 {
        self.sequence += 1;
        debug_assert_eq!(self.places[id.slot() as usize], NOWHERE, "armed twice");
        self.heap.push(Node { deadline, sequence: self.sequence, id });
        self.rise(self.heap.len() - 1);
        self.sequence
    }

    /// Disarms `id`; nothing happens if it is not armed.
    pub(crate) fn disarm(&mut self, id: Id) {
        let place = self.places.get(id.slot() as usize).copied().unwrap_or(NOWHERE);
        if place != NOWHERE && self.heap[place as usize].id == id {
            self.take(place as usize);
        }
    }

    pub(crate) fn earliest(&self) -> Option<u64> {
        self.heap.first().map(|node| node.deadline)
    }

    pub(crate) fn last_arming(&self) -> u64 {
        self.sequence
    }

    /// Whether a timer is due at `now` that was armed no later than `arming`.
    ///
    /// Looking at the first is enough: deadlines are not set in the past, so a later arming comes
    /// first only when all the earlier ones are gone.
    pub(crate) fn is_due(&self, now: u64, arming: u64) -> bool {
        self.heap.first().is_some_and(|node| node.deadline <= now && node.sequence <= arming)
    }

    /// Takes the next such timer out: its id and the name of its arming.
    pub(crate) fn pop_due(&mut self, now: u64, arming: u64) -> Option<(Id, u64)> {
        if !self.is_due(now, arming) {
            return None;
        }
        let first = self.heap[0];
        self.take(0);
        Some((first.id, first.sequence))
    }

    fn take(&mut self, index: usize) {
        self.places[self.heap[index].id.slot() as usize] = NOWHERE;
        self.heap.swap_remove(index);
        if index < self.heap.len() {
            // The last node took the free place; it may belong further up or down.
            let index = self.rise(index);
            self.sink(index);
        }
    }

    fn rise(&mut self, mut index: usize) -> usize {
        let node = self.heap[index];
        while index > 0 {
            let parent = (index - 1) / CHILDREN;
            if !node.before(&self.heap[parent]) {
                break;
            }
            self.put(index, self.heap[parent]);
            index = parent;
        }
        self.put(index, node);
        index
    }

    fn sink(&mut self, mut index: usize) {
        let node = self.heap[index];
        loop {
            let first = index * CHILDREN + 1;
            let last = (first + CHILDREN).min(self.heap.len());
            let mut least = index;
            let mut candidate = node;
            for child in first..last {
                if self.heap[child].before(&candidate) {
                    (least, candidate) = (child, self.heap[child]);
                }
            }
            if least == index {
                break;
            }
            self.put(index, candidate);
            index = least;
        }
        self.put(index, node);
    }

    fn put(&mut self, index: usize, node: Node) {
        self.heap[index] = node;
        self.places[node.id.slot() as usize] = index as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(slot: u32) -> Id {
        Id::new(slot, 1)
    }

    fn registered(timers: u32) -> Timers {
        let mut registered = Timers::default();
        (0..timers).for_each(|slot| registered.register(id(slot)).unwrap());
        registered
    }

    fn due(timers: &mut Timers, now: u64) -> Vec<u32> {
        std::iter::from_fn(|| timers.pop_due(now, u64::MAX)).map(|(id, _)| id.slot()).collect()
    }

    #[test]
    fn a_disarmed_timer_leaves_nothing_behind() {
        let mut timers = registered(1);
        timers.arm(id(0), 5);
        timers.disarm(id(0));
        timers.disarm(id(0));
        timers.disarm(id(99));
        assert_eq!(timers.earliest(), None);
        timers.arm(id(0), 7);
        timers.disarm(Id::new(0, 2));
        assert_eq!(timers.earliest(), Some(7), "another generation is another timer");
    }

    /// Against a plain sorted list, with a fixed pseudo-random sequence.
    #[test]
    fn the_heap_agrees_with_a_sorted_list() {
        let mut timers = registered(300);
        let mut model: Vec<(u64, u64, u32)> = Vec::new();
        let mut seed = 42u64;
        let mut random = move |n: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % n
        };
        for _ in 0..20_000 {
            let slot = random(300) as u32;
            if let Some(at) = model.iter().position(|entry| entry.2 == slot) {
                timers.disarm(id(slot));
                model.remove(at);
            } else {
                let deadline = random(1000);
                let sequence = timers.arm(id(slot), deadline);
                model.push((deadline, sequence, slot));
            }
            if random(50) == 0 {
                model.sort_unstable();
                let now = random(500);
                let split = model.partition_point(|entry| entry.0 <= now);
                let expected: Vec<u32> = model.drain(..split).map(|entry| entry.2).collect();
                assert_eq!(due(&mut timers, now), expected);
            }
            assert_eq!(timers.earliest(), model.iter().map(|entry| entry.0).min());
        }
    }
}
