//! L3. What a stream has still to send, and whom the end of each write is told.
//!
//! Owns: the queue, its counters and its water marks; it sends nothing itself. Host thread only.

use std::collections::{TryReserveError, VecDeque};
use std::io::IoSlice;

use crate::error::Status;
use crate::sys::LentBytes;

/// How a write, a connection or a whole stream has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// `OK`, or why not.
    pub status: Status,
    /// `errno` with `OS`, getaddrinfo's code with `RESOLVE`, else 0 as a rule.
    pub os_error: i32,
}

impl Outcome {
    // No constants: cbindgen would put them into the C header.
    /// The stream or the guest was closed first.
    pub(crate) const fn closed() -> Outcome {
        Outcome { status: Status::CLOSED, os_error: 0 }
    }

    pub(crate) fn of(error: &std::io::Error) -> Outcome {
        Outcome { status: Status::of(error), os_error: error.raw_os_error().unwrap_or(0) }
    }
}

/// Whom the end of a write is told, exactly once: by the last delivery that has something to do with it, or by its drop.
pub struct Written(Option<Box<dyn FnOnce(Outcome)>>);

impl Written {
    /// `told`: the user's code.
    pub fn new(told: impl FnOnce(Outcome) + 'static) -> Written {
        Written(Some(Box::new(told)))
    }

    /// The user's code and nothing else.
    pub(crate) fn tell(mut self, outcome: Outcome) {
        if let Some(told) = self.0.take() {
            told(outcome);
        }
    }

    /// The write was refused: nobody is told.
    pub(crate) fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if let Some(told) = self.0.take() {
            told(Outcome::closed());
        }
    }
}

/// Bytes that wait to be sent.
pub(crate) enum Piece {
    Copied(Box<[u8]>),
    /// Their owner leaves them alone until the end of the write is told.
    Lent(LentBytes),
}

impl Piece {
    /// A copy; `None` when memory has run out.
    pub(crate) fn copy(bytes: &[u8]) -> Option<Piece> {
        let mut copy = Vec::new();
        copy.try_reserve_exact(bytes.len()).ok()?;
        copy.extend_from_slice(bytes);
        Some(Piece::Copied(copy.into()))
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Copied(bytes) => bytes,
            Piece::Lent(bytes) => bytes.bytes(),
        }
    }
}

#[derive(Default)]
pub(crate) struct Outbox {
    /// Made when it is first needed: most streams never have one.
    queue: Option<Box<Queue>>,
    /// Bytes that were ever accepted,
    accepted: u64,
    /// and sent or given up.
    done: u64,
    /// Of those that were given up.
    lost: u64,
    /// From how much on a stream says that a lot is queued,
    high_mark: u64,
    /// and from how little on that it no longer is.
    low_mark: u64,
    /// More than the high mark was queued, and not yet so little as the low one.
    high: bool,
    told_high: bool,
}

#[derive(Default)]
struct Queue {
    pieces: VecDeque<Piece>,
    /// How much of the first piece has been sent.
    offset: usize,
    /// The ends of writes that are told: when so much is done.
    awaited: VecDeque<(u64, Written)>,
}

/// So many pieces are sent by one call.
pub(crate) const GATHER: usize = 64;

impl Outbox {
    pub(crate) fn new(high_mark: u64, low_mark: u64) -> Outbox {
        Outbox { high_mark, low_mark, ..Outbox::default() }
    }

    pub(crate) fn queued(&self) -> u64 {
        self.accepted - self.done
    }

    pub(crate) fn sent(&self) -> u64 {
        self.done - self.lost
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.as_ref().is_none_or(|queue| queue.pieces.is_empty())
    }

    fn queue(&mut self) -> &mut Queue {
        self.queue.get_or_insert_default()
    }

    /// Accepts a write of `size` bytes, of which `sent` are gone already and `pieces` are left. Room is made first.
    pub(crate) fn push(
        &mut self,
        size: u64,
        sent: u64,
        pieces: impl Iterator<Item = Piece>,
        written: Option<Written>,
    ) {
        self.accepted += size;
        self.done += sent;
        let mut pieces = pieces.filter(|piece| !piece.bytes().is_empty()).peekable();
        if pieces.peek().is_some() {
            self.queue().pieces.extend(pieces);
        }
        if let Some(written) = written {
            let end = self.accepted;
            self.queue().awaited.push_back((end, written));
        }
        self.measure();
    }

    /// Room for so many pieces.
    pub(crate) fn make_room(&mut self, pieces: usize) -> Result<(), TryReserveError> {
        match pieces {
            0 => Ok(()),
            _ => self.queue().pieces.try_reserve(pieces),
        }
    }

    /// Room for the end of one write that is told.
    pub(crate) fn make_room_for_one(&mut self) -> Result<(), TryReserveError> {
        self.queue().awaited.try_reserve(1)
    }

    /// The next bytes to be sent, as a scatter-gather call takes them.
    pub(crate) fn gather<'a>(&'a self, room: &mut [IoSlice<'a>; GATHER]) -> usize {
        let Some(queue) = &self.queue else { return 0 };
        let mut count = 0;
        for (place, piece) in room.iter_mut().zip(&queue.pieces) {
            let from = if count == 0 { queue.offset } else { 0 };
            *place = IoSlice::new(&piece.bytes()[from..]);
            count += 1;
        }
        count
    }

    /// So many of them were sent.
    pub(crate) fn advance(&mut self, sent: usize) {
        self.done += sent as u64;
        let queue = self.queue();
        queue.offset += sent;
        while let Some(piece) = queue.pieces.front() {
            let length = piece.bytes().len();
            if queue.offset < length {
                break;
            }
            queue.offset -= length;
            queue.pieces.pop_front();
        }
        self.measure();
    }

    /// Nothing more can be sent.
    pub(crate) fn give_up(&mut self) {
        self.lost += self.queued();
        self.done = self.accepted;
        if let Some(queue) = &mut self.queue {
            queue.pieces = VecDeque::new();
            queue.offset = 0;
        }
        self.measure();
    }

    fn measure(&mut self) {
        let queued = self.queued();
        self.high = if self.high { queued > self.low_mark } else { queued > self.high_mark };
    }

    /// A write whose end has not been told, and whether all of it was sent.
    pub(crate) fn take_ended(&mut self) -> Option<(Written, bool)> {
        if !self.has_ended() {
            return None;
        }
        let (end, written) = self.queue.as_mut()?.awaited.pop_front()?;
        Some((written, end <= self.sent()))
    }

    /// A write that was not told, ended or not.
    pub(crate) fn take_any(&mut self) -> Option<Written> {
        self.queue.as_mut()?.awaited.pop_front().map(|(_, written)| written)
    }

    pub(crate) fn has_ended(&self) -> bool {
        let first = self.queue.as_ref().and_then(|queue| queue.awaited.front());
        first.is_some_and(|(end, _)| *end <= self.done)
    }

    /// Whether somebody waits for the end of a write.
    pub(crate) fn is_awaited(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| !queue.awaited.is_empty())
    }

    /// Whether the last that was told of the water is no longer so.
    pub(crate) fn has_turned(&self) -> bool {
        self.high != self.told_high
    }

    /// What is to be told of it: whether a lot is queued.
    pub(crate) fn take_turn(&mut self) -> Option<bool> {
        let turned = self.has_turned();
        self.told_high = self.high;
        turned.then_some(self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    fn copied(length: usize) -> std::iter::Once<Piece> {
        std::iter::once(Piece::Copied(vec![7; length].into()))
    }

    fn lengths(outbox: &Outbox) -> Vec<usize> {
        let mut room = [IoSlice::new(&[]); GATHER];
        let count = outbox.gather(&mut room);
        room[..count].iter().map(|slice| slice.len()).collect()
    }

    #[test]
    fn writes_end_in_order_whatever_one_call_takes() {
        let mut outbox = Outbox::new(100, 10);
        let told = Rc::new(RefCell::new(Vec::new()));
        let written = |n: u32| {
            let told = told.clone();
            Some(Written::new(move |outcome| told.borrow_mut().push((n, outcome.status))))
        };
        outbox.push(7, 3, copied(4), written(1));
        outbox.push(0, 0, copied(0), written(2));
        outbox.push(5, 0, copied(5), None);
        outbox.push(6, 0, copied(6), written(3));
        assert_eq!((lengths(&outbox), outbox.queued()), (vec![4, 5, 6], 15));
        assert!(!outbox.has_ended());
        outbox.advance(6);
        assert_eq!((lengths(&outbox), outbox.sent()), (vec![3, 6], 9));
        while let Some((ended, whole)) = outbox.take_ended() {
            assert!(whole);
            ended.tell(Outcome::default());
        }
        assert_eq!(*told.borrow(), [(1, Status::OK), (2, Status::OK)]);
        drop(outbox);
        assert_eq!(told.borrow()[2..], [(3, Status::CLOSED)]);
    }

    #[test]
    fn the_water_is_told_when_it_has_turned_and_not_in_between() {
        let mut outbox = Outbox::new(10, 4);
        outbox.push(10, 0, copied(10), None);
        assert_eq!(outbox.take_turn(), None);
        outbox.push(1, 0, copied(1), None);
        assert_eq!((outbox.take_turn(), outbox.take_turn()), (Some(true), None));
        outbox.advance(6);
        assert_eq!(outbox.take_turn(), None, "between the marks");
        outbox.push(9, 0, copied(9), None);
        assert_eq!(outbox.take_turn(), None, "still high");
        outbox.give_up();
        assert_eq!((outbox.take_turn(), outbox.queued(), outbox.sent()), (Some(false), 0, 6));
        // Memory for all of it but 4 bytes has run out.
        outbox.push(11, 3, copied(4), Some(Written::new(|_| {})));
        outbox.give_up();
        assert!(outbox.take_ended().is_some_and(|(_, whole)| !whole));
        outbox.push(11, 0, copied(11), None);
        outbox.advance(11);
        assert_eq!(outbox.take_turn(), None, "nobody has been told that it was high");
    }
}
