//! L3. What a stream reads: of its socket, or of what was read ahead while the host was away. Host thread only.

use std::io::{self, ErrorKind};

use super::outbox::Outcome;
use super::state::{Phase, StreamState, Telling};
use crate::core::registered::source::Connections;
use crate::core::waiting::read_ahead::ReadAhead;
use crate::id::Id;
use crate::sys::{Socket, READABLE};

impl StreamState {
    pub(super) fn wants_to_read(&self) -> bool {
        self.may_read() && !self.paused.get()
    }

    /// Whether something may still come from the peer that somebody wants.
    pub(super) fn may_read(&self) -> bool {
        self.reads && !self.read_all.get() && !self.closing.get()
    }

    pub(super) fn read(&self, to: &Connections, id: Id) -> Option<Telling> {
        let Phase::Open(socket) = &*self.phase.borrow() else { return None };
        let direct = || to.receive.fill(|room| socket.receive(room));
        let read = match self.reader(to) {
            Some(reader) => reader.read(id, |chunk| to.receive.take_over(chunk), direct),
            None => direct(),
        };
        match read {
            Ok(received) if received.bytes().is_empty() => {
                self.read_all.set(true);
                Some(Telling::End)
            }
            Ok(received) => {
                self.received.set(self.received.get() + received.bytes().len() as u64);
                Some(Telling::Received(received))
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => None,
            Err(e) => {
                self.break_off(Outcome::of(&e));
                None
            }
        }
    }

    // ---- ahead

    /// From now on the socket is read ahead, if that is wanted and there is somebody to do so.
    pub(super) fn begin_read_ahead(&self, to: &Connections, id: Id, socket: &Socket) -> io::Result<()> {
        match self.find_reader(to)? {
            Some(reader) => {
                reader.add(id, socket, self.read_ahead as usize, self.interest.get() & READABLE != 0)
            }
            None => Ok(()),
        }
    }

    /// Who reads ahead for this stream; fails where that takes fds that are lacking.
    pub(super) fn find_reader<'a>(&self, to: &'a Connections) -> io::Result<Option<&'a ReadAhead>> {
        match self.read_ahead {
            0 => Ok(None),
            _ => to.read_ahead(),
        }
    }

    /// The same of a stream that is registered.
    pub(super) fn reader<'a>(&self, to: &'a Connections) -> Option<&'a ReadAhead> {
        self.find_reader(to).ok().flatten()
    }

    /// Tells whoever reads ahead whether to go on.
    pub(super) fn want(&self, to: &Connections, id: Id) {
        if let Some(reader) = self.reader(to) {
            reader.set_wanted(id, self.wants_to_read());
        }
    }

    /// Whether something was read ahead, which the poller does not know of.
    pub(super) fn is_ahead(&self, to: &Connections, id: Id) -> bool {
        self.reader(to).is_some_and(|reader| reader.holds_some(id))
    }
}
