//! L3. Listeners: sockets that accept connections, each offered to a callback.
//!
//! Owns: one listening socket, and the connection that it offers at present. Host thread only.
//!
//! When the process has no fd left, or the system no memory, the poller would report the connection that waits again and again. So
//! the listener waits for a while, tells so once, and tries again until it has succeeded; but not while its user has paused it.

use std::any::Any;
use std::cell::Cell;
use std::ffi::CStr;
use std::io::ErrorKind;
use std::rc::Rc;

use super::socket::{adopt, first_bound, own_addresses, socket_for, unix_address, SocketCell};
use super::stream::outbox::Outcome;
use super::stream::{StreamOptions, Told};
use crate::core::context::Context;
use crate::core::live::{Alive, SOURCES};
use crate::core::registered::registry::Registry;
use crate::core::registered::source::{Callback, Connections, Lent, Next, Source};
use crate::error::{Error, Result, Status};
use crate::id::Id;
use crate::sys::{Address, OsFd, Query, Socket, SocketOption, STREAM};

/// How long it waits when something is lacking.
const WAIT: u64 = 100_000_000;

/// How a listener shall behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerOptions {
    /// How many connections may wait to be accepted.
    pub backlog: u32,
    /// IPv6: no IPv4 connections are taken.
    pub only_v6: bool,
    /// Other sockets may listen at the same address, and share what comes.
    pub reuse_port: bool,
}

impl Default for ListenerOptions {
    fn default() -> ListenerOptions {
        ListenerOptions { backlog: 1024, only_v6: false, reuse_port: false }
    }
}

/// A listener as it is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerInfo {
    /// Its socket, which stays the listener's.
    pub fd: OsFd,
    /// Where it listens.
    pub local: Option<Address>,
    /// How many connections it has offered.
    pub accepted: u64,
}

#[derive(Default)]
struct ListenerState {
    socket: SocketCell,
    /// What the callback may take.
    offered: Cell<Option<Socket>>,
    outcome: Cell<Outcome>,
    accepted: Cell<u64>,
    /// Its user wants no connections at present.
    paused: Cell<bool>,
    /// Something is lacking, and this was told: it tries by its timer.
    lacking: Cell<bool>,
    _alive: Alive<SOURCES>,
}

struct ListenerSource<C> {
    state: ListenerState,
    callback: C,
}

impl Registry {
    pub(crate) fn listener_tcp(
        &self,
        query: Query,
        options: ListenerOptions,
        callback: impl Callback<Outcome>,
    ) -> Result<Id> {
        self.listener_add(callback, || first_bound(&own_addresses(query, STREAM)?, |at| listen(at, options)))
    }

    pub(crate) fn listener_unix(
        &self,
        path: &CStr,
        options: ListenerOptions,
        callback: impl Callback<Outcome>,
    ) -> Result<Id> {
        self.listener_add(callback, || first_bound(&[unix_address(path)?], |at| listen(at, options)))
    }

    pub(crate) fn listener_adopt(&self, fd: OsFd, callback: impl Callback<Outcome>) -> Result<Id> {
        self.listener_add(callback, || adopt(fd, STREAM, true, "a listening stream socket"))
    }

    fn listener_add(
        &self,
        callback: impl Callback<Outcome>,
        make: impl FnOnce() -> Result<Socket>,
    ) -> Result<Id> {
        let source = Rc::new(ListenerSource { state: ListenerState::default(), callback });
        self.insert(source.clone(), |id| {
            self.check_sockets()?;
            self.connections.timers.borrow_mut().register(id)?;
            let filled = source.state.socket.fill(self, id, make());
            filled.inspect_err(|_| self.connections.timers.borrow_mut().forget())
        })
    }

    pub(crate) fn stream_accept(
        &self,
        listener: Id,
        options: StreamOptions,
        callback: impl Told,
    ) -> Result<Id> {
        self.stream_add(options, callback, |id, stream| {
            self.with(listener, |state: &ListenerState| {
                let Some(socket) = state.offered.take() else {
                    let text = "the listener offers no connection: call guest_stream_accept inside its callback, once, and only \
                                if that says GUEST_OK";
                    return Err(Error::new(Status::ORDER, text));
                };
                stream.open(self, id, socket).map_err(|(error, socket)| {
                    state.offered.set(Some(socket));
                    error
                })
            })?
        })
    }

    pub(crate) fn listener_pause(&self, id: Id, paused: bool) -> Result<()> {
        self.check_open()?;
        self.with(id, |state: &ListenerState| {
            if state.paused.replace(paused) == paused {
                return;
            }
            let to = &self.connections;
            if state.lacking.get() {
                to.disarm_timer(id);
                if !paused {
                    to.arm_timer(id, to.now());
                }
            } else if !self.table.borrow().is_muted(id) {
                state.watch(to, id);
            }
        })
    }

    pub(crate) fn listener_info(&self, id: Id) -> Result<ListenerInfo> {
        self.shared.check_process()?;
        self.with(id, |state: &ListenerState| {
            let accepted = state.accepted.get();
            state.socket.with(|socket| ListenerInfo { fd: socket.fd(), local: socket.local().ok(), accepted })
        })?
    }
}

fn listen(address: &Address, options: ListenerOptions) -> std::io::Result<Socket> {
    // What was served until a moment ago can be served again at once.
    let set = [(SocketOption::ReuseAddress, true), (SocketOption::ReusePort, options.reuse_port)];
    let socket = socket_for(address, STREAM, options.only_v6, set)?;
    socket.listen(address, i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok(socket)
}

impl ListenerState {
    /// Has the poller watch for what is wanted.
    fn watch(&self, to: &Connections, id: Id) {
        self.socket.watch(to, id, !self.paused.get() && !self.lacking.get());
    }

    fn lacks_nothing(&self, to: &Connections, id: Id) {
        if self.lacking.replace(false) {
            self.watch(to, id);
        }
    }

    /// Whether there is something to tell: a connection, or that there can be none just now.
    fn accept(&self, to: &Connections, id: Id) -> bool {
        let Ok(accepted) = self.socket.with(Socket::accept) else { return false };
        match accepted {
            Ok(socket) => {
                self.accepted.set(self.accepted.get() + 1);
                self.offered.set(Some(socket));
                self.outcome.set(Outcome::default());
                self.lacks_nothing(to, id);
                true
            }
            // Somebody else was first, or the peer has gone.
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => {
                self.lacks_nothing(to, id);
                false
            }
            Err(e) => {
                to.disarm_timer(id);
                to.arm_timer(id, to.now().saturating_add(WAIT));
                if self.lacking.replace(true) {
                    return false;
                }
                self.watch(to, id);
                self.outcome.set(Outcome::of(&e));
                true
            }
        }
    }
}

impl<C: Callback<Outcome>> Source for ListenerSource<C> {
    fn prepare(&self, to: &Connections, id: Id, hint: u64) -> bool {
        self.state.socket.begin_asking(to, hint);
        // Paused: what the present batch has found waits, too.
        !self.state.paused.get() && self.state.accept(to, id)
    }

    fn call(&self, context: &Context, id: Id) {
        self.callback.call(context, id, self.state.outcome.get());
    }

    fn settle(&self, to: &Connections, _id: Id) -> Next {
        // A connection that nobody has taken is closed.
        self.state.offered.set(None);
        self.state.socket.next(to)
    }

    fn detach(&self, to: &Connections, id: Id) {
        self.state.socket.close(to, id);
        to.disarm_timer(id);
        to.timers.borrow_mut().forget();
    }

    fn mute(&self, to: &Connections, id: Id) {
        self.state.socket.watch(to, id, false);
    }

    fn unmute(&self, to: &Connections, id: Id) {
        self.state.watch(to, id);
    }

    fn close_in_child(&self) {
        self.state.socket.close_in_child();
        if let Some(offered) = self.state.offered.take() {
            offered.close_in_child();
            std::mem::forget(offered);
        }
    }

    fn lent(&self) -> &dyn Lent {
        &self.callback
    }

    fn state(&self) -> &dyn Any {
        &self.state
    }
}
