//! L3. What a stream sends: at once, or when the system takes more. Host thread only.

use std::io::{ErrorKind, IoSlice};

use super::outbox::{Outcome, Piece, Written, GATHER};
use super::state::{Phase, StreamState};
use crate::core::registered::source::Connections;
use crate::error::{Error, Result, Status};
use crate::id::Id;

impl StreamState {
    pub(super) fn write(
        &self,
        to: &Connections,
        id: Id,
        slices: &[IoSlice<'_>],
        keep: impl Fn(&[u8]) -> Option<Piece>,
        written: &mut Option<Written>,
    ) -> Result<()> {
        if self.ending.get() || self.closing.get() {
            let text = "the stream was shut down or closed: write before guest_stream_shutdown and guest_stream_close";
            return Err(Error::new(Status::ORDER, text));
        }
        if self.failure.get().is_some() || self.over.get() {
            let text = "the connection is broken: close the stream; its function `closed` has the reason";
            return Err(Error::new(Status::CLOSED, text));
        }
        if written.is_some() {
            self.outbox.borrow_mut().make_room_for_one()?;
        }
        let size = slices.iter().map(|slice| slice.len() as u64).sum::<u64>();
        let (sent, mut failure) = self.send_now(to, id, slices);
        let lack = Some(Outcome { status: Status::NOMEM, os_error: 0 });
        let left = if sent as u64 == size { &[] } else { slices };
        if self.outbox.borrow_mut().make_room(left.len()).is_err() {
            failure = lack;
        }
        let mut skip = sent;
        let rest = left.iter().map_while(|slice| {
            let from = skip.min(slice.len());
            skip -= from;
            let kept = if failure == lack { None } else { keep(&slice[from..]) };
            if kept.is_none() {
                failure = lack;
            }
            kept
        });
        self.outbox.borrow_mut().push(size, sent as u64, rest, written.take());
        match failure {
            Some(outcome) if failure == lack => self.break_off(outcome),
            Some(outcome) => self.fail(outcome),
            None => {}
        }
        self.touch(to, id);
        Ok(())
    }

    /// Sends what the system takes at once, if nothing is queued before it.
    fn send_now(&self, to: &Connections, id: Id, slices: &[IoSlice<'_>]) -> (usize, Option<Outcome>) {
        let Phase::Open(socket) = &*self.phase.borrow() else { return (0, None) };
        if !self.outbox.borrow().is_empty() || slices.iter().all(|slice| slice.is_empty()) {
            return (0, None);
        }
        match socket.send(&slices[..slices.len().min(GATHER)]) {
            Ok(sent) => (sent, None),
            Err(e) if e.kind() == ErrorKind::WouldBlock => (0, None),
            Err(e) => (0, Some(self.broken_by(to, id, &e))),
        }
    }

    /// Sends some of what is queued: as much as the system takes, but no more than a host should wait for.
    pub(super) fn flush(&self, to: &Connections, id: Id) {
        const CALLS: usize = 8;
        for _ in 0..CALLS {
            match self.send_some() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return self.fail(self.broken_by(to, id, &error)),
            }
        }
        self.end_writing();
    }

    /// Why a call has failed: the system tells the reason once, and the I/O thread may have been told.
    fn broken_by(&self, to: &Connections, id: Id, error: &std::io::Error) -> Outcome {
        let told = self.reader(to).and_then(|reader| reader.failure(id));
        Outcome::of(told.as_ref().unwrap_or(error))
    }

    /// Says whether the system may take more.
    fn send_some(&self) -> std::io::Result<bool> {
        let mut outbox = self.outbox.borrow_mut();
        let Phase::Open(socket) = &*self.phase.borrow() else { return Ok(false) };
        if outbox.is_empty() {
            return Ok(false);
        }
        let mut room = [IoSlice::new(&[]); GATHER];
        let count = outbox.gather(&mut room);
        let wanted: usize = room[..count].iter().map(|slice| slice.len()).sum();
        match socket.send(&room[..count]) {
            Ok(sent) => {
                outbox.advance(sent);
                Ok(sent == wanted)
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Tells the peer that no more comes, if that is so.
    pub(super) fn end_writing(&self) {
        let Phase::Open(socket) = &*self.phase.borrow() else { return };
        if self.ending.get() && !self.ended.get() && self.outbox.borrow().is_empty() {
            // If it is broken, the peer knows, and reading tells.
            let _ = socket.end_writing();
            self.ended.set(true);
        }
    }
}
