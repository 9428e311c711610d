//! L3. UDP: datagrams, each told with the address that it came from.
//!
//! Owns: one socket. Host thread only. What is sent is sent at once or refused: datagrams may be lost anyway, and who sends
//! too many learns it.

use std::any::Any;
use std::cell::Cell;
use std::io::{ErrorKind, IoSlice};
use std::rc::Rc;

use super::socket::{adopt, first_bound, own_addresses, socket_for, SocketCell};
use super::stream::outbox::Outcome;
use crate::core::context::Context;
use crate::core::live::{Alive, SOURCES};
use crate::core::registered::receive::Received;
use crate::core::registered::registry::Registry;
use crate::core::registered::source::{Callback, Connections, Lent, Next, Source};
use crate::error::{Error, Result, Status};
use crate::id::Id;
use crate::sys::{as_v6, Address, OsFd, Query, Socket, SocketOption, DATAGRAM, V6};

/// What is told of a UDP socket.
#[derive(Clone, Copy, Debug)]
pub enum UdpEvent<'a> {
    /// A datagram came from there; the bytes are a view that lasts as long as the call.
    Datagram(&'a Address, &'a [u8]),
    /// One that was sent has come to nothing, as the system has heard; the socket goes on.
    Failed(Outcome),
}

/// How a UDP socket shall behave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpOptions {
    /// IPv6: no IPv4.
    pub only_v6: bool,
    /// Other sockets may be bound to the same address.
    pub reuse_port: bool,
    /// It may send to all hosts of a network at once.
    pub broadcast: bool,
}

/// A UDP socket as it is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpInfo {
    /// Its socket, which stays the source's.
    pub fd: OsFd,
    /// Where it is bound.
    pub local: Option<Address>,
    /// Datagrams that were sent,
    pub sent: u64,
    /// and that came.
    pub received: u64,
}

#[derive(Default)]
struct UdpState {
    socket: SocketCell,
    v6: Cell<bool>,
    telling: Cell<Option<std::result::Result<(Address, Received), Outcome>>>,
    sent: Cell<u64>,
    received: Cell<u64>,
    _alive: Alive<SOURCES>,
}

struct UdpSource<C> {
    state: UdpState,
    callback: C,
}

impl Registry {
    pub(crate) fn udp_bind(
        &self,
        query: Query,
        options: UdpOptions,
        callback: impl for<'a> Callback<UdpEvent<'a>>,
    ) -> Result<Id> {
        self.udp_add(callback, || first_bound(&own_addresses(query, DATAGRAM)?, |at| bound(at, options)))
    }

    pub(crate) fn udp_adopt(&self, fd: OsFd, callback: impl for<'a> Callback<UdpEvent<'a>>) -> Result<Id> {
        self.udp_add(callback, || adopt(fd, DATAGRAM, false, "a datagram socket"))
    }

    fn udp_add(
        &self,
        callback: impl for<'a> Callback<UdpEvent<'a>>,
        make: impl FnOnce() -> Result<Socket>,
    ) -> Result<Id> {
        let source = Rc::new(UdpSource { state: UdpState::default(), callback });
        self.insert(source.clone(), |id| {
            self.check_sockets()?;
            let state = &source.state;
            state.socket.fill(self, id, make())?;
            state.v6.set(state.socket.with(Socket::local)?.is_ok_and(|local| local.family == V6));
            Ok(())
        })
    }

    pub(crate) fn udp_send(&self, id: Id, to: Option<&Address>, slices: &[IoSlice<'_>]) -> Result<()> {
        self.check_open()?;
        if to.is_some_and(|to| !to.is_sound()) {
            let text = "the address is longer than its sockaddr: pass what guest_resolve has found";
            return Err(Error::new(Status::INVAL, text));
        }
        self.with(id, |state: &UdpState| {
            let mapped;
            let to = match to {
                // It takes IPv4 too, by names of its own.
                Some(to) if state.v6.get() => {
                    mapped = as_v6(to);
                    Some(&mapped)
                }
                to => to,
            };
            let sent = state.socket.with(|socket| socket.send_to(slices, to))?;
            sent.map_err(|error| Error::os("sending a datagram", &error))?;
            state.sent.set(state.sent.get() + 1);
            Ok(())
        })?
    }

    pub(crate) fn udp_info(&self, id: Id) -> Result<UdpInfo> {
        self.shared.check_process()?;
        self.with(id, |state: &UdpState| {
            let (sent, received) = (state.sent.get(), state.received.get());
            state.socket.with(|socket| UdpInfo {
                fd: socket.fd(),
                local: socket.local().ok(),
                sent,
                received,
            })
        })?
    }
}

fn bound(address: &Address, options: UdpOptions) -> std::io::Result<Socket> {
    let set = [(SocketOption::ReusePort, options.reuse_port), (SocketOption::Broadcast, options.broadcast)];
    let socket = socket_for(address, DATAGRAM, options.only_v6, set)?;
    socket.bind(address)?;
    Ok(socket)
}

impl<C: for<'a> Callback<UdpEvent<'a>>> Source for UdpSource<C> {
    fn prepare(&self, to: &Connections, _id: Id, hint: u64) -> bool {
        let state = &self.state;
        state.socket.begin_asking(to, hint);
        let mut from = None;
        let received = to.receive.fill(|room| {
            let received = state.socket.with(|socket| socket.receive_from(room));
            let (size, address) = received.unwrap_or_else(|_| Err(ErrorKind::WouldBlock.into()))?;
            from = Some(address);
            Ok(size)
        });
        state.telling.set(match (received, from) {
            (Ok(received), Some(from)) => {
                state.received.set(state.received.get() + 1);
                Some(Ok((from, received)))
            }
            (Ok(_), None) => None,
            (Err(e), _) if e.kind() == ErrorKind::WouldBlock => return false,
            (Err(e), _) => Some(Err(Outcome::of(&e))),
        });
        true
    }

    fn call(&self, context: &Context, id: Id) {
        match self.state.telling.take() {
            Some(Ok((from, received))) => {
                self.callback.call(context, id, UdpEvent::Datagram(&from, received.bytes()));
            }
            Some(Err(outcome)) => self.callback.call(context, id, UdpEvent::Failed(outcome)),
            None => {}
        }
    }

    fn settle(&self, to: &Connections, _id: Id) -> Next {
        self.state.socket.next(to)
    }

    fn detach(&self, to: &Connections, id: Id) {
        self.state.socket.close(to, id);
    }

    fn mute(&self, to: &Connections, id: Id) {
        self.state.socket.watch(to, id, false);
    }

    fn unmute(&self, to: &Connections, id: Id) {
        self.state.socket.watch(to, id, true);
    }

    fn close_in_child(&self) {
        self.state.socket.close_in_child();
    }

    fn lent(&self) -> &dyn Lent {
        &self.callback
    }

    fn state(&self) -> &dyn Any {
        &self.state
    }
}
