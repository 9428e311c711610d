//! L3. One stream: its phase, what is told next, what the poller watches for. What it sends is in `sending`, what it reads in
//! `receiving`.
//!
//! Owns: the socket. Host thread only.
//!
//! ```text
//!  Connecting --- connected: Opened ---> Open --- both directions have ended, or were closed: Closed ---> Over
//!       +-------------------------- failed: Closed ----------------------------------------------------------^
//! ```

use std::cell::{Cell, RefCell};

use super::connect::{Connecting, Step};
use super::event::{StreamInfo, StreamOptions};
use super::outbox::{Outbox, Outcome, Written};
use crate::core::live::{Alive, SOURCES};
use crate::core::registered::receive::Received;
use crate::core::registered::registry::Registry;
use crate::core::registered::source::Connections;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::sys::{Address, Interest, Readiness, Socket, SocketOption, ERROR, HANGUP, READABLE, WRITABLE};

#[derive(Default)]
pub(super) enum Phase {
    /// Its timer is registered.
    Connecting(Box<Connecting>),
    Open(Socket),
    #[default]
    Over,
}

/// What the next call says.
pub(super) enum Telling {
    Opened,
    Received(Received),
    End,
    Water {
        high: bool,
        queued: u64,
    },
    /// And whether all of it was sent.
    Written(Written, bool),
    Closed(Outcome),
}

#[derive(Default)]
pub(in crate::sources) struct StreamState {
    pub(super) phase: RefCell<Phase>,
    pub(super) outbox: RefCell<Outbox>,
    pub(super) telling: Cell<Option<Telling>>,
    pub(super) reads: bool,
    no_delay: bool,
    keep_alive: bool,
    /// So much is read ahead; 0 also where there is nobody to do so.
    pub(super) read_ahead: u32,
    pub(super) interest: Cell<Interest>,
    pub(super) received: Cell<u64>,
    /// Why nothing can be sent any more.
    pub(super) failure: Cell<Option<Outcome>>,
    pub(super) paused: Cell<bool>,
    /// It stands, and this was not told yet.
    pub(super) opened: Cell<bool>,
    /// Nothing more comes from the peer.
    pub(super) read_all: Cell<bool>,
    /// Nothing more is accepted for sending; when all is sent, the peer is told,
    pub(super) ending: Cell<bool>,
    /// which has happened.
    pub(super) ended: Cell<bool>,
    /// It shall end when all is sent.
    pub(super) closing: Cell<bool>,
    /// The last event was found, or it was closed without one.
    pub(super) over: Cell<bool>,
    /// Its callback is on the stack; what changes meanwhile is seen to when it has returned.
    pub(super) in_call: Cell<bool>,
    /// An event of its own is under way.
    pub(super) scheduled: Cell<bool>,
    _alive: Alive<SOURCES>,
}

const READING_AHEAD: &str = "reading a stream ahead";

/// Not more than 4 GiB: each stream has this number.
fn limit(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

impl StreamState {
    pub(super) fn new(options: StreamOptions) -> StreamState {
        StreamState {
            outbox: RefCell::new(Outbox::new(options.high_water, options.low_water)),
            reads: options.reads,
            no_delay: options.no_delay,
            keep_alive: options.keep_alive,
            read_ahead: if options.reads { limit(options.read_ahead) } else { 0 },
            paused: Cell::new(options.paused),
            ..StreamState::default()
        }
    }

    /// The first phase of a stream that connects.
    pub(super) fn begin(
        &self,
        registry: &Registry,
        id: Id,
        connecting: impl FnOnce() -> Result<Connecting>,
    ) -> Result<()> {
        // Else a connection that stands would have to break for want of it.
        self.find_reader(&registry.connections).map_err(|error| Error::os(READING_AHEAD, &error))?;
        registry.connections.timers.borrow_mut().register(id)?;
        match connecting() {
            Ok(connecting) => {
                self.phase.replace(Phase::Connecting(Box::new(connecting)));
                Ok(())
            }
            Err(error) => {
                registry.connections.timers.borrow_mut().forget();
                Err(error)
            }
        }
    }

    /// The same to addresses that are known.
    pub(super) fn connect_to(&self, registry: &Registry, id: Id, addresses: &[Address]) -> Result<()> {
        self.begin(registry, id, || Ok(Connecting::to(addresses)))?;
        self.touch_soon(&registry.connections, id);
        Ok(())
    }

    /// The first phase of one that is connected; gives its socket back if that fails.
    pub(in crate::sources) fn open(
        &self,
        registry: &Registry,
        id: Id,
        socket: Socket,
    ) -> std::result::Result<(), (Error, Socket)> {
        let interest = if self.wants_to_read() { READABLE } else { 0 };
        let socket = registry.attach_socket(socket, interest, id)?;
        self.interest.set(interest);
        if let Err(error) = self.begin_read_ahead(&registry.connections, id, &socket) {
            registry.connections.poller().remove(socket.fd(), id.to_bits());
            return Err((Error::os(READING_AHEAD, &error), socket));
        }
        self.stand(socket);
        Ok(())
    }

    /// The connection stands.
    fn stand(&self, socket: Socket) {
        // What is no TCP refuses the first, and does without.
        let _ = self.no_delay.then(|| socket.set(SocketOption::NoDelay, true));
        let _ = self.keep_alive.then(|| socket.set(SocketOption::KeepAlive, true));
        self.phase.replace(Phase::Open(socket));
    }

    // ---- what the system is asked

    /// Goes on with what the system is ready for, but reading.
    pub(super) fn go_on(&self, to: &Connections, id: Id, ready: Readiness) {
        let step = match &mut *self.phase.borrow_mut() {
            Phase::Connecting(connecting) => Some(connecting.step(to, id)),
            _ => None,
        };
        match step {
            None if ready & (WRITABLE | ERROR | HANGUP) != 0 => self.flush(to, id),
            None | Some(Step::Waiting) => {}
            Some(Step::Connected(socket)) => {
                self.leave(to, id);
                // By the attempt.
                self.interest.set(WRITABLE);
                if let Err(error) = self.begin_read_ahead(to, id, &socket) {
                    self.break_off(Outcome::of(&error));
                }
                self.stand(socket);
                self.opened.set(true);
                self.flush(to, id);
            }
            Some(Step::Failed(outcome)) => {
                self.leave(to, id);
                self.break_off(outcome);
            }
        }
    }

    /// Nothing can be sent any more. What has come from the peer can still be read.
    pub(super) fn fail(&self, outcome: Outcome) {
        self.failure.set(self.failure.get().or(Some(outcome)));
        self.outbox.borrow_mut().give_up();
    }

    /// Nor can anything be read.
    pub(super) fn break_off(&self, outcome: Outcome) {
        self.read_all.set(true);
        self.fail(outcome);
    }

    // ---- what is told

    /// The next thing to tell.
    pub(super) fn next(&self, to: &Connections, id: Id, ready: Readiness) -> Option<Telling> {
        if self.over.get() {
            return None;
        }
        if self.opened.take() {
            return Some(Telling::Opened);
        }
        let readable = ready & (READABLE | ERROR | HANGUP) != 0 || self.is_ahead(to, id);
        if readable && self.wants_to_read() {
            if let Some(read) = self.read(to, id) {
                return Some(read);
            }
        }
        let mut outbox = self.outbox.borrow_mut();
        if let Some((written, whole)) = outbox.take_ended() {
            return Some(Telling::Written(written, whole));
        }
        if let Some(high) = outbox.take_turn() {
            return Some(Telling::Water { high, queued: outbox.queued() });
        }
        drop(outbox);
        if self.is_over() {
            self.leave(to, id);
            self.over.set(true);
            return Some(Telling::Closed(self.failure.get().unwrap_or_default()));
        }
        None
    }

    pub(super) fn has_more(&self, to: &Connections, id: Id) -> bool {
        let outbox = self.outbox.borrow();
        !self.over.get()
            && (self.opened.get()
                || outbox.has_ended()
                || outbox.has_turned()
                || self.is_over()
                || self.wants_to_read() && self.is_ahead(to, id))
    }

    /// Whether nothing keeps it open.
    fn is_over(&self) -> bool {
        if self.failure.get().is_some() {
            return !self.may_read();
        }
        let is_open = matches!(&*self.phase.borrow(), Phase::Open(_));
        let all_sent = self.closing.get() && self.outbox.borrow().is_empty();
        is_open && (all_sent || self.ended.get() && !self.may_read())
    }

    /// Leaves its phase, and the poller.
    pub(super) fn leave(&self, to: &Connections, id: Id) {
        match self.phase.replace(Phase::Over) {
            Phase::Over => {}
            Phase::Open(socket) => {
                if self.reader(to).is_some_and(|reader| reader.remove(id)) {
                    socket.reset_when_closed();
                }
                to.poller().remove(socket.fd(), id.to_bits());
            }
            Phase::Connecting(mut connecting) => {
                connecting.end(to, id);
                to.timers.borrow_mut().forget();
            }
        }
    }

    /// Something has changed: sees to it, at once or when the callback on the stack has returned.
    pub(super) fn touch(&self, to: &Connections, id: Id) {
        if self.in_call.get() {
            // The I/O thread reads meanwhile.
            self.want(to, id);
            return;
        }
        self.watch(to, id);
        if self.has_more(to, id) {
            self.touch_soon(to, id);
        }
    }

    pub(super) fn touch_soon(&self, to: &Connections, id: Id) {
        if !self.scheduled.replace(true) {
            to.comes_due(id);
        }
    }

    /// Has the poller watch for what is wanted now.
    pub(super) fn watch(&self, to: &Connections, id: Id) {
        let refused = {
            let Phase::Open(socket) = &*self.phase.borrow() else { return };
            let read = if self.wants_to_read() { READABLE } else { 0 };
            let write = if self.outbox.borrow().is_empty() { 0 } else { WRITABLE };
            let before = self.interest.replace(read | write);
            if before == read | write {
                return;
            }
            if (before ^ read) & READABLE != 0 {
                self.want(to, id);
            }
            to.poller().modify(socket.fd(), read | write, id.to_bits())
        };
        if let Err(error) = refused {
            self.break_off(Outcome::of(&error));
        }
    }

    /// Has the poller be silent while a callback is on the stack.
    pub(super) fn set_interest(&self, to: &Connections, id: Id, on: bool) {
        match &*self.phase.borrow() {
            Phase::Over => {}
            Phase::Connecting(connecting) => connecting.watch(to, id, on),
            Phase::Open(socket) => {
                let interest = if on { self.interest.get() } else { 0 };
                // It was just reported by the poller, so it is registered.
                let _ = to.poller().modify(socket.fd(), interest, id.to_bits());
            }
        }
    }

    pub(super) fn info(&self, to: &Connections, id: Id) -> StreamInfo {
        let phase = self.phase.borrow();
        let socket = match &*phase {
            Phase::Open(socket) => Some(socket),
            _ => None,
        };
        let outbox = self.outbox.borrow();
        StreamInfo {
            fd: socket.map(Socket::fd),
            local: socket.and_then(|socket| socket.local().ok()),
            peer: socket.and_then(|socket| socket.peer().ok()),
            queued: outbox.queued(),
            sent: outbox.sent(),
            received: self.received.get(),
            read_ahead: self.reader(to).map_or(0, |reader| reader.bytes(id) as u64),
        }
    }
}
