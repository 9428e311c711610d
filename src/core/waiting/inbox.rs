//! L2. What was read ahead of the host, and whose turn it is to read.
//!
//! Owns: the inboxes of all streams that are read ahead, under one short lock. The I/O thread fills them, the host thread empties
//! them and, when one is empty, reads for itself. Each of them reads inside the lock: so what one has read is never told before what
//! the other had read earlier, and nothing is read of what has been removed. Imports `sync` alone, so that the models in
//! `tests/loom` run this file; `F` is what is read, and how to do so comes with each call.
//!
//! ```text
//!  armed ---- reported to the I/O thread: fill ----> disarmed ---- wanted and with room, after any read ----> armed
//! ```
//!
//! An inbox that has got its first bytes is told of once. From then on the host thread asks for itself until it is empty.

use std::collections::{HashMap, VecDeque};
use std::io;

use crate::sync::{lock, Mutex};

/// Sizes of chunks: as many bytes again as there are already, between these two.
const LEAST: usize = 4 << 10;
const MOST: usize = 64 << 10;

/// Bytes that were read ahead, in order.
pub(crate) struct Chunk {
    pub(crate) bytes: Box<[u8]>,
    /// So many of them are filled.
    pub(crate) length: usize,
}

struct Inbox<F> {
    from: F,
    chunks: VecDeque<Chunk>,
    /// Bytes that the chunks have room for, and the most that they may have.
    size: usize,
    limit: usize,
    /// What comes after the chunks, if the system has told: it does so once.
    failure: Option<io::Error>,
    /// Whether it is to be read at present.
    wanted: bool,
    armed: bool,
}

pub(crate) struct Inboxes<F>(Mutex<HashMap<u64, Inbox<F>>>);

/// What a turn of the I/O thread's has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) bytes: usize,
    /// The host thread has to be told that there is something.
    pub(crate) tell: bool,
}

impl<F> Inboxes<F> {
    pub(crate) fn new() -> Inboxes<F> {
        Inboxes(Mutex::new(HashMap::new()))
    }

    /// Host thread: from now on `from` is read ahead, up to `limit` bytes, while it is `wanted`. `arm` has it reported from the
    /// first time on.
    pub(crate) fn add(
        &self,
        bits: u64,
        from: F,
        limit: usize,
        wanted: bool,
        arm: impl FnOnce(&F) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut inboxes = lock(&self.0);
        inboxes.try_reserve(1)?;
        arm(&from)?;
        let inbox =
            Inbox { from, chunks: VecDeque::new(), size: 0, limit, failure: None, wanted, armed: true };
        inboxes.insert(bits, inbox);
        Ok(())
    }

    /// Host thread: what has not been told is dropped; says whether bytes were. When this has returned nobody reads it any more.
    pub(crate) fn remove(&self, bits: u64, disarm: impl FnOnce(&F)) -> bool {
        let removed = lock(&self.0).remove(&bits);
        removed.is_some_and(|inbox| {
            disarm(&inbox.from);
            !inbox.chunks.is_empty()
        })
    }

    /// Host thread: whether it is to be read ahead from now on.
    pub(crate) fn set_wanted(&self, bits: u64, wanted: bool, arm: impl FnOnce(&F)) {
        if let Some(inbox) = lock(&self.0).get_mut(&bits) {
            inbox.wanted = wanted;
            inbox.arm_again(arm);
        }
    }

    /// Host thread: the next chunk, or what `direct` reads if there is none.
    pub(crate) fn read<R>(
        &self,
        bits: u64,
        chunk: impl FnOnce(Chunk) -> R,
        direct: impl FnOnce() -> io::Result<R>,
        arm: impl FnOnce(&F),
    ) -> io::Result<R> {
        let mut inboxes = lock(&self.0);
        let Some(inbox) = inboxes.get_mut(&bits) else { return direct() };
        let read = match (inbox.take(), inbox.failure.take()) {
            (Some(next), failure) => {
                inbox.failure = failure;
                Ok(chunk(next))
            }
            (None, Some(failure)) => Err(failure),
            (None, None) => direct(),
        };
        inbox.arm_again(arm);
        read
    }

    /// Whether there is something that the poller does not know of: bytes, or why there are no more.
    pub(crate) fn holds_some(&self, bits: u64) -> bool {
        lock(&self.0).get(&bits).is_some_and(|inbox| !inbox.is_empty())
    }

    /// Host thread: why no more comes, if that is known already.
    pub(crate) fn failure(&self, bits: u64) -> Option<io::Error> {
        let inboxes = lock(&self.0);
        let failure = inboxes.get(&bits)?.failure.as_ref()?;
        Some(failure.raw_os_error().map_or(failure.kind().into(), io::Error::from_raw_os_error))
    }

    /// How many bytes there are.
    pub(crate) fn bytes(&self, bits: u64) -> usize {
        let inboxes = lock(&self.0);
        inboxes.get(&bits).map_or(0, |inbox| inbox.chunks.iter().map(|chunk| chunk.length).sum())
    }

    /// I/O thread: it was reported as readable, and is disarmed by that.
    pub(crate) fn fill(
        &self,
        bits: u64,
        receive: impl FnOnce(&F, &mut [u8]) -> io::Result<usize>,
        arm: impl FnOnce(&F),
    ) -> Filled {
        let mut inboxes = lock(&self.0);
        let Some(inbox) = inboxes.get_mut(&bits) else { return Filled::default() };
        inbox.armed = false;
        let was_empty = inbox.is_empty();
        let Some(bytes) = inbox.fill(receive) else { return Filled::default() };
        inbox.arm_again(arm);
        Filled { bytes, tell: was_empty && !inbox.is_empty() }
    }
}

impl<F> Inbox<F> {
    fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.failure.is_none()
    }

    /// Whether more may be read ahead.
    fn has_room(&self) -> bool {
        let tail = self.chunks.back().is_some_and(|tail| tail.length < tail.bytes.len());
        self.wanted && self.failure.is_none() && (tail || self.size < self.limit)
    }

    fn arm_again(&mut self, arm: impl FnOnce(&F)) {
        if !self.armed && self.has_room() {
            self.armed = true;
            arm(&self.from);
        }
    }

    fn take(&mut self) -> Option<Chunk> {
        let chunk = self.chunks.pop_front()?;
        self.size -= chunk.bytes.len();
        Some(chunk)
    }

    /// Reads once. `None`: there is nothing more to be had, and the host thread arms again when it has read for itself.
    fn fill(&mut self, receive: impl FnOnce(&F, &mut [u8]) -> io::Result<usize>) -> Option<usize> {
        if !self.has_room() {
            return None;
        }
        let mut tail = self.tail()?;
        let received = receive(&self.from, &mut tail.bytes[tail.length..]);
        tail.length += *received.as_ref().unwrap_or(&0);
        if tail.length > 0 {
            self.size += tail.bytes.len();
            self.chunks.push_back(tail);
        }
        match received {
            // The end, which the system tells the host thread again.
            Ok(0) => None,
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.failure = Some(error).filter(|error| error.kind() != io::ErrorKind::WouldBlock);
                Some(0)
            }
        }
    }

    /// A chunk with room: the last one, taken out, or a new one.
    fn tail(&mut self) -> Option<Chunk> {
        if self.chunks.back().is_some_and(|tail| tail.length < tail.bytes.len()) {
            let tail = self.chunks.pop_back()?;
            self.size -= tail.bytes.len();
            return Some(tail);
        }
        let size = self.size.clamp(LEAST, MOST).min(self.limit - self.size);
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).ok()?;
        self.chunks.try_reserve(1).ok()?;
        bytes.resize(size, 0);
        Some(Chunk { bytes: bytes.into(), length: 0 })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Fills until no more is wanted; how much that was.
    fn fill(inboxes: &Inboxes<()>, mut bytes: usize) -> usize {
        let before = bytes;
        let mut armed = true;
        while std::mem::take(&mut armed) {
            let receive = |(): &(), room: &mut [u8]| {
                let size = room.len().min(bytes).min(1000);
                bytes -= size;
                if size == 0 {
                    Err(io::ErrorKind::WouldBlock.into())
                } else {
                    Ok(size)
                }
            };
            let filled = inboxes.fill(1, receive, |()| armed = true);
            armed &= filled.bytes > 0;
        }
        before - bytes
    }

    #[test]
    fn memory_grows_with_what_comes_and_never_beyond_the_limit() {
        let inboxes = Inboxes::new();
        inboxes.add(1, (), 200_000, true, |()| Ok(())).unwrap();
        let size = |inboxes: &Inboxes<()>| lock(&inboxes.0)[&1].size;
        assert_eq!((fill(&inboxes, 10), size(&inboxes)), (10, LEAST));
        assert_eq!((fill(&inboxes, 1_000_000), size(&inboxes)), (199_990, 200_000));
        assert_eq!(inboxes.bytes(1), 200_000);
        let mut told = 0;
        while inboxes.holds_some(1) {
            let direct = || unreachable!();
            told += inboxes.read(1, |chunk| chunk.length, direct, |()| {}).unwrap();
        }
        assert_eq!((told, size(&inboxes)), (200_000, 0));
    }

    #[test]
    fn a_failure_is_told_once_and_after_what_came_before() {
        let inboxes = Inboxes::new();
        inboxes.add(1, (), 100, true, |()| Ok(())).unwrap();
        assert_eq!(fill(&inboxes, 50), 50);
        let broken = |(): &(), _: &mut [u8]| Err(io::ErrorKind::ConnectionReset.into());
        assert_eq!(inboxes.fill(1, broken, |()| unreachable!()), Filled { bytes: 0, tell: false });
        let read = || inboxes.read(1, |chunk| chunk.length, || Ok(7), |()| {}).map_err(|e| e.kind());
        assert_eq!(read(), Ok(50));
        assert_eq!((inboxes.bytes(1), inboxes.holds_some(1)), (0, true), "the failure");
        assert_eq!((read(), read()), (Err(io::ErrorKind::ConnectionReset), Ok(7)));
        let ended = |(): &(), _: &mut [u8]| Ok(0);
        assert_eq!(inboxes.fill(1, ended, |()| unreachable!()), Filled::default());
        assert!(!inboxes.holds_some(1), "the system tells the end again");
    }
}
