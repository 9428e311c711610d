//! L2. Reading ahead: what the I/O thread does for streams while the host takes no deliveries.
//!
//! Owns: the set of sockets that are read ahead, and their inboxes. The I/O thread reads sockets here and nothing else of a guest's:
//! not the poller, no callback. What it has read waits in the inbox until the host thread tells it.

use std::io;

use super::inbox::{Chunk, Inboxes};
use crate::id::Id;
use crate::sys::{receive, Latch, OsFd, ReadSet, Socket};

pub(crate) struct ReadAhead {
    set: ReadSet,
    inboxes: Inboxes<OsFd>,
}

impl ReadAhead {
    /// For the thread that sleeps on that latch.
    pub(super) fn new(latch: &Latch) -> io::Result<ReadAhead> {
        let set = ReadSet::new()?;
        latch.add_set(&set)?;
        Ok(ReadAhead { set, inboxes: Inboxes::new() })
    }

    /// Host thread: from now on that socket is read by [`ReadAhead::read`], until it is removed.
    pub(crate) fn add(&self, id: Id, socket: &Socket, limit: usize, wanted: bool) -> io::Result<()> {
        let bits = id.to_bits();
        self.inboxes.add(bits, socket.fd(), limit, wanted, |fd| self.set.add(*fd, bits))
    }

    /// Host thread: before the socket is closed. Says whether bytes are dropped by that.
    pub(crate) fn remove(&self, id: Id) -> bool {
        self.inboxes.remove(id.to_bits(), |fd| self.set.remove(*fd))
    }

    pub(crate) fn set_wanted(&self, id: Id, wanted: bool) {
        self.inboxes.set_wanted(id.to_bits(), wanted, self.arm(id.to_bits()));
    }

    /// Host thread: what comes next, `chunk` of what was read ahead or `direct` of the socket.
    pub(crate) fn read<R>(
        &self,
        id: Id,
        chunk: impl FnOnce(Chunk) -> R,
        direct: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        self.inboxes.read(id.to_bits(), chunk, direct, self.arm(id.to_bits()))
    }

    pub(crate) fn holds_some(&self, id: Id) -> bool {
        self.inboxes.holds_some(id.to_bits())
    }

    pub(crate) fn failure(&self, id: Id) -> Option<io::Error> {
        self.inboxes.failure(id.to_bits())
    }

    pub(crate) fn bytes(&self, id: Id) -> usize {
        self.inboxes.bytes(id.to_bits())
    }

    /// I/O thread: reads some of what has come, and has the rest end the next wait. `tell`: whose stream has something now; says how
    /// many bytes it was.
    pub(super) fn fill(&self, latch: &Latch, tell: impl Fn(Id)) -> u64 {
        let mut bytes = 0;
        self.set.take(|bits| {
            let filled = self.inboxes.fill(bits, |fd, room| receive(*fd, room), self.arm(bits));
            bytes += filled.bytes as u64;
            if let Some(id) = Id::from_bits(bits).filter(|_| filled.tell) {
                tell(id);
            }
        });
        latch.arm_set(&self.set);
        bytes
    }

    fn arm(&self, bits: u64) -> impl FnOnce(&OsFd) + '_ {
        move |fd| self.set.arm(*fd, bits)
    }

    pub(super) fn close_in_child(&self) {
        self.set.close_in_child();
    }
}
