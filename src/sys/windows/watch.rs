//! L1. One thing that the poller watches, a socket or a handle: what was asked of the system for it, and what came.
//!
//! Owns: the poll or the wait, and for a pending one a reference of its own, which comes back with its packet. So what the
//! system still writes to is never freed, however the watch ends. Host thread.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::rc::Rc;
use std::sync::Arc;

use windows_sys::Win32::Networking::WinSock::SOCKET;

use super::afd::{Outcome, Poll};
use super::port::{Key, Packet, Port};
use super::registered::{Often, Registered};
use crate::sys::readiness::{Interest, Readiness, READABLE};

pub(super) struct Watch {
    /// Whose it is.
    pub(super) bits: u64,
    interest: Cell<Interest>,
    state: Cell<State>,
    /// The poller has forgotten it.
    removed: Cell<bool>,
    /// Its socket was closed.
    dead: Cell<bool>,
    /// The look in which it was asked for last.
    asked_in: Cell<u64>,
    source: Source,
}

/// What the system has been asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing.
    Idle,
    /// Nothing, but shall be by the next look or the end of the delivery.
    Listed,
    /// For this; a packet will come.
    Pending(Interest),
}

enum Source {
    Socket(SOCKET, Poll),
    Handle(Object),
}

struct Object {
    /// Of our own, so that nobody closes it under the wait.
    handle: OwnedHandle,
    /// `None` from where it has sent its packet.
    wait: RefCell<Option<Registered>>,
    /// A wait has ended while this was paused. What it has reset is not signalled again.
    owed: Cell<bool>,
}

/// What a change or an end has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// Nothing new is under way.
    Nothing,
    /// One more packet will come,
    More,
    /// or one fewer.
    Less,
}

/// What a packet has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Came {
    /// Ready: tell it, and list it.
    Ready(Readiness),
    /// Nothing to tell: list it.
    Again,
    /// Nothing, and it is not asked for any more.
    Over,
}

impl Watch {
    /// `poll`: one of that socket.
    pub(super) fn socket(bits: u64, interest: Interest, socket: SOCKET, poll: Poll) -> Watch {
        Watch::new(bits, interest, Source::Socket(socket, poll))
    }

    /// `handle`: to be closed with the watch.
    pub(super) fn handle(bits: u64, interest: Interest, handle: OwnedHandle) -> Watch {
        let object = Object { handle, wait: RefCell::default(), owed: Cell::new(false) };
        Watch::new(bits, interest, Source::Handle(object))
    }

    fn new(bits: u64, interest: Interest, source: Source) -> Watch {
        let (removed, dead) = (Cell::new(false), Cell::new(false));
        let (interest, state) = (Cell::new(interest), Cell::new(State::Idle));
        Watch { bits, interest, state, removed, dead, asked_in: Cell::new(0), source }
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.get()
    }

    #[cfg(test)]
    pub(super) fn is_pending(&self) -> bool {
        matches!(self.state.get(), State::Pending(_))
    }

    /// It was reported: to be armed by the next look, or the end of the delivery.
    pub(super) fn list(&self) {
        self.state.set(State::Listed);
    }

    /// The listed one's turn has come.
    pub(super) fn arm_listed(self: &Rc<Watch>, port: &Arc<Port>, look: u64) -> io::Result<Asked> {
        if self.state.get() != State::Listed {
            return Ok(Asked::Nothing);
        }
        self.state.set(State::Idle);
        self.asked_in.set(look);
        self.arm(port)
    }

    /// The socket whose report may be out of date by now: it was asked for before this look, and may have been used since.
    pub(super) fn doubtful(&self, look: u64) -> Option<SOCKET> {
        match self.source {
            Source::Socket(socket, _) if self.asked_in.get() != look => Some(socket),
            _ => None,
        }
    }

    /// Asks the system for what it is watched for, unless that is nothing.
    pub(super) fn arm(self: &Rc<Watch>, port: &Arc<Port>) -> io::Result<Asked> {
        let interest = self.interest.get();
        if self.state.get() != State::Idle || self.removed.get() || self.dead.get() || interest == 0 {
            return Ok(Asked::Nothing);
        }
        let held = Rc::into_raw(self.clone());
        let asked = match &self.source {
            // SAFETY: nothing is pending, and `held` keeps it where it is until its packet has come.
            Source::Socket(_, poll) => unsafe { poll.start(interest, held as usize) },
            Source::Handle(object) => object.ask(port, held as usize),
        };
        if let Err(error) = asked {
            // SAFETY: from into_raw above; no packet will come.
            drop(unsafe { Rc::from_raw(held) });
            return Err(error);
        }
        self.state.set(State::Pending(interest));
        Ok(Asked::More)
    }

    /// Changes what it is watched for; 0 pauses it.
    pub(super) fn modify(self: &Rc<Watch>, interest: Interest, port: &Arc<Port>) -> io::Result<Asked> {
        self.interest.set(interest);
        match self.state.get() {
            State::Listed => Ok(Asked::Nothing),
            State::Idle => self.arm(port),
            // What is asked for covers it: what came for more is passed over.
            State::Pending(asked) if interest != 0 && interest & !asked == 0 => Ok(Asked::Nothing),
            State::Pending(_) => Ok(self.cancel()),
        }
    }

    /// Ends it: nothing is asked for any more, and what comes is nobody's.
    pub(super) fn remove(self: &Rc<Watch>) -> Asked {
        self.removed.set(true);
        match self.state.get() {
            State::Pending(_) => self.cancel(),
            _ => Asked::Nothing,
        }
    }

    /// Its socket turned out to be closed.
    pub(super) fn die(&self) {
        self.dead.set(true);
    }

    fn cancel(self: &Rc<Watch>) -> Asked {
        match &self.source {
            Source::Socket(_, poll) => {
                // SAFETY: it is pending.
                unsafe { poll.cancel() };
                Asked::Nothing
            }
            Source::Handle(object) => {
                // Without a wait its packet is under way, as it is if the wait has sent it by now.
                let is_under_way = object.wait.take().is_none_or(Registered::end);
                if is_under_way {
                    return Asked::Nothing;
                }
                // SAFETY: from into_raw in `arm`, and no packet will bring it back.
                drop(unsafe { Rc::from_raw(Rc::as_ptr(self)) });
                self.state.set(State::Idle);
                Asked::Less
            }
        }
    }

    /// The packet of what was pending has come.
    ///
    /// # Safety
    /// `data` is that of a packet that a watch has asked for, and was not given to this before.
    pub(super) unsafe fn arrive(data: usize) -> (Rc<Watch>, Came) {
        // SAFETY: the caller's word: from into_raw in `arm`.
        let watch = unsafe { Rc::from_raw(data as *const Watch) };
        watch.state.set(State::Idle);
        let outcome = match &watch.source {
            // SAFETY: its packet has come.
            Source::Socket(_, poll) => unsafe { poll.outcome() },
            Source::Handle(object) => {
                drop(object.wait.take());
                object.owed.set(watch.interest.get() == 0);
                Outcome::Ready(READABLE)
            }
        };
        let interest = watch.interest.get();
        let came = match outcome {
            _ if watch.removed.get() => Came::Over,
            Outcome::Closed => {
                watch.die();
                Came::Over
            }
            _ if interest == 0 => Came::Over,
            Outcome::Ready(ready) => Came::Ready(ready),
            Outcome::Nothing => Came::Again,
        };
        (watch, came)
    }
}

impl Object {
    /// A packet with `data` will come, once: at once if it is owed.
    fn ask(&self, port: &Arc<Port>, data: usize) -> io::Result<()> {
        let packet = Packet { key: Key::Handle, data };
        if !self.owed.get() {
            let registered = Registered::new(self.handle.as_raw_handle(), port, packet, Often::Once)?;
            self.wait.replace(Some(registered));
        } else if !port.post(packet.key, packet.data) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.owed.set(false);
        Ok(())
    }
}
