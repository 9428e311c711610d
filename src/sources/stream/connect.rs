//! L3. How a connection is made: the name resolved, then its addresses tried, as RFC 8305 ("happy eyeballs") says.
//!
//! Owns: the answer of the resolver, the sockets that are trying, and the stream's timer, by which the next address gets its
//! turn. Host thread only; the resolver runs on the pool.
//!
//! The addresses of the two families take turns. Each has a quarter of a second's start before the next one, which begins at once
//! when an attempt has failed. The first that connects wins, and the others are closed.

use super::outbox::Outcome;
use crate::core::registered::registry::Registry;
use crate::core::registered::source::Connections;
use crate::error::{Result, Status};
use crate::id::Id;
use crate::sources::resolve::{resolver, Found};
use crate::sync::lock;
use crate::sys::{errno, Address, Query, Socket, STREAM, WRITABLE};

/// How long an attempt is alone: the RFC's "Connection Attempt Delay".
const DELAY: u64 = 250_000_000;

pub(crate) struct Connecting {
    /// What the pool has found, until it is taken.
    found: Option<Found>,
    /// The addresses that were not tried yet, the next one last.
    left: Vec<Address>,
    trying: Vec<Socket>,
    /// When the next one gets its turn, if no attempt fails before.
    next_at: u64,
    armed: bool,
    failure: Outcome,
}

/// What a look at the attempts has come to.
pub(crate) enum Step {
    Waiting,
    /// It is in the poller, for writing.
    Connected(Socket),
    Failed(Outcome),
}

impl Connecting {
    pub(crate) fn to(addresses: &[Address]) -> Connecting {
        Connecting { left: in_turn(addresses), ..Connecting::to_found(None) }
    }

    fn to_found(found: Option<Found>) -> Connecting {
        let failure = Outcome { status: Status::RESOLVE, os_error: errno::EAI_FAIL };
        Connecting { found, left: Vec::new(), trying: Vec::new(), next_at: 0, armed: false, failure }
    }

    /// Has the name resolved on the pool, which then tells the stream.
    pub(crate) fn to_name(registry: &Registry, id: Id, query: Query) -> Result<Connecting> {
        let (found, body) = resolver(query)?;
        let (told, shared) = (found.clone(), registry.shared.clone());
        let tell = move || {
            lock(&told).get_or_insert(Err(errno::EAI_FAIL));
            shared.source_finished(id);
        };
        registry.run_on_pool(body, tell)?;
        Ok(Connecting::to_found(Some(found)))
    }

    /// Looks at what has come of the attempts, and begins what is to be begun.
    pub(crate) fn step(&mut self, to: &Connections, id: Id) -> Step {
        if let Some(found) = &self.found {
            match lock(found).take() {
                None => return Step::Waiting,
                Some(Ok(addresses)) => self.left = in_turn(&addresses),
                Some(Err(code)) => self.failure.os_error = code,
            }
            self.found = None;
        }
        if let Some(connected) = self.look(to, id) {
            return Step::Connected(connected);
        }
        while !self.left.is_empty() && (self.trying.is_empty() || to.now() >= self.next_at) {
            if let Some(connected) = self.try_next(to, id) {
                return Step::Connected(connected);
            }
        }
        if self.trying.is_empty() {
            return Step::Failed(self.failure);
        }
        if !self.left.is_empty() && !self.armed {
            to.arm_timer(id, self.next_at);
            self.armed = true;
        }
        Step::Waiting
    }

    /// The attempt that has connected; those that have failed are given up.
    fn look(&mut self, to: &Connections, id: Id) -> Option<Socket> {
        let mut at = 0;
        while let Some(socket) = self.trying.get(at) {
            match socket.is_connected() {
                Ok(true) => return Some(self.trying.swap_remove(at)),
                Ok(false) => at += 1,
                Err(error) => {
                    to.poller().remove(socket.fd(), id.to_bits());
                    self.trying.remove(at);
                    self.failed(&error, to.now());
                }
            }
        }
        None
    }

    fn try_next(&mut self, to: &Connections, id: Id) -> Option<Socket> {
        let address = self.left.pop()?;
        let begun = Socket::new(address.family, STREAM).and_then(|socket| {
            let connected = socket.connect(&address)?;
            to.poller().add_new(socket.fd(), WRITABLE, id.to_bits())?;
            Ok((socket, connected))
        });
        // Whatever timer is set was for this one.
        self.disarm(to, id);
        self.next_at = to.now().saturating_add(DELAY);
        match begun {
            Ok((socket, true)) => return Some(socket),
            Ok((socket, false)) => self.trying.push(socket),
            Err(error) => self.failed(&error, 0),
        }
        None
    }

    /// The next one begins now.
    fn failed(&mut self, error: &std::io::Error, now: u64) {
        self.failure = Outcome::of(error);
        self.next_at = now;
    }

    fn disarm(&mut self, to: &Connections, id: Id) {
        if std::mem::take(&mut self.armed) {
            to.disarm_timer(id);
        }
    }

    /// Gives up what is left.
    pub(crate) fn end(&mut self, to: &Connections, id: Id) {
        self.disarm(to, id);
        for socket in self.trying.drain(..) {
            to.poller().remove(socket.fd(), id.to_bits());
        }
    }

    /// Has the poller watch the attempts, or not.
    pub(crate) fn watch(&self, to: &Connections, id: Id, on: bool) {
        for socket in &self.trying {
            let _ = to.poller().modify(socket.fd(), if on { WRITABLE } else { 0 }, id.to_bits());
        }
    }

    pub(crate) fn close_in_child(&self) {
        self.trying.iter().for_each(Socket::close_in_child);
    }
}

/// The families in turn, that of the first address first; each in the resolver's order. The last is the first to be tried.
fn in_turn(addresses: &[Address]) -> Vec<Address> {
    let first = addresses.first().map_or(0, |address| address.family);
    let of = |wanted: bool| addresses.iter().filter(move |address| (address.family == first) == wanted);
    let (mut ours, mut others) = (of(true), of(false));
    let mut order = Vec::with_capacity(addresses.len());
    while order.len() < addresses.len() {
        order.extend(ours.next());
        order.extend(others.next());
    }
    order.reverse();
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_take_turns() {
        let of = |list: &[(i32, u32)]| -> Vec<Address> {
            let one =
                |&(family, length)| Address { family, socktype: 0, protocol: 0, length, sockaddr: [0; 16] };
            list.iter().map(one).collect()
        };
        let order = |list: &[(i32, u32)]| -> Vec<u32> {
            in_turn(&of(list)).iter().rev().map(|address| address.length).collect()
        };
        assert_eq!(order(&[(6, 1), (6, 2), (6, 3), (4, 4), (4, 5)]), [1, 4, 2, 5, 3]);
        assert_eq!(order(&[(4, 1), (6, 2), (6, 3), (6, 4)]), [1, 2, 3, 4]);
        assert_eq!(order(&[(4, 1), (4, 2)]), [1, 2]);
        assert_eq!(order(&[]), [0; 0]);
    }
}
