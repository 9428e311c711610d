//! L0. Generational ids: a slot number and how often that slot has been given out.
//!
//! Owns: the meaning of the 64 bits. Runs on any thread. Imports nothing.
//! The idea is calloop's and slotmap's: a stale id differs from every live one, so using it is a
//! clean error. Bit 63 stays clear, which leaves the poller room for tokens of its own.

/// Names one registered source of one guest. Never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Id(u64);

/// Generations are 31 bits wide and start at 1, so that no id is zero and bit 63 stays clear.
pub(crate) const GENERATION_MAX: u32 = 0x7fff_ffff;

impl Id {
    pub(crate) fn new(slot: u32, generation: u32) -> Id {
        debug_assert!((1..=GENERATION_MAX).contains(&generation));
        Id((u64::from(generation) << 32) | u64::from(slot))
    }

    /// The id with these 64 bits, as they came over the C boundary; whether it names something
    /// is found out when it is used. `None` for zero and for what no guest gives out.
    pub fn from_bits(bits: u64) -> Option<Id> {
        let generation = (bits >> 32) as u32;
        (1..=GENERATION_MAX).contains(&generation).then_some(Id(bits))
    }

    /// The 64 bits that cross the C boundary.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) fn slot(self) -> u32 {
        self.0 as u32
    }

    pub(crate) fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_foreign_bits_are_no_ids() {
        assert_eq!(Id::from_bits(0), None);
        assert_eq!(Id::from_bits(7), None);
        assert_eq!(Id::from_bits(1 << 63), None);
        assert_eq!(Id::from_bits(u64::MAX), None);
    }

    #[test]
    fn slot_and_generation_come_back() {
        for (slot, generation) in [(0, 1), (u32::MAX, GENERATION_MAX), (17, 23)] {
            let id = Id::new(slot, generation);
            assert_eq!((id.slot(), id.generation()), (slot, generation));
            assert_eq!(Id::from_bits(id.to_bits()), Some(id));
        }
    }
}
