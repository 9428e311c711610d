//! L3. What streams, listeners and UDP sockets have in common: whether there are any, whose socket it is, how the poller gets it,
//! where it is bound.
//!
//! Owns: as a [`SocketCell`], the socket of a source that has one for its whole life. Host thread only.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::io::{self, ErrorKind};

use crate::core::registered::registry::Registry;
use crate::core::registered::source::{Connections, Next};
use crate::error::{Error, Result, Status};
use crate::id::Id;
use crate::sys::{
    self, Address, Interest, OsFd, Poller, Query, Socket, SocketOption, NUMBERS, PASSIVE, READABLE, SOCKETS,
    V6,
};

const NO_SOCKETS: &str =
    "this system has no streams, listeners and UDP sockets yet: watch a socket of your own with guest_fd_add";
const NO_PULL: &str =
    "streams, listeners and UDP sockets tell by callbacks: start the guest without GUEST_FLAG_PULL";

impl Registry {
    /// Fails where there are none, and in guests that do not call.
    pub(super) fn check_sockets(&self) -> Result<()> {
        match () {
            () if !SOCKETS => Err(Error::new(Status::NOTSUP, NO_SOCKETS)),
            () if self.shared.pull => Err(Error::new(Status::DRIVE, NO_PULL)),
            () => Ok(()),
        }
    }

    /// Puts the socket of the source `id` into the poller; it comes back if that fails.
    pub(super) fn attach_socket(
        &self,
        socket: Socket,
        interest: Interest,
        id: Id,
    ) -> std::result::Result<Socket, (Error, Socket)> {
        // Under the number of one that was made just now nobody can be but a source whose fd was closed.
        let add = if socket.is_adopted() { Poller::add } else { Poller::add_new };
        match self.attach(socket.fd(), interest, id, add) {
            Ok(()) => Ok(socket),
            Err(error) => Err((error, socket)),
        }
    }
}

/// So often, and for so many nanoseconds, a socket is asked for what one look at the poller has found: a look costs as much as a
/// datagram, and a timer that has become due since then waits for the next one.
const TIMES: u32 = 32;
const WHILE: u64 = 100_000;

/// The socket of a source that is read from the beginning to the end; empty when it is closed.
#[derive(Default)]
pub(super) struct SocketCell {
    socket: RefCell<Option<Socket>>,
    /// How often it is asked again without a look, and until when.
    left: Cell<u32>,
    until: Cell<u64>,
}

impl SocketCell {
    /// Puts one that was just made or adopted into the poller, and in here. If that fails its owner has it again.
    pub(super) fn fill(&self, registry: &Registry, id: Id, made: Result<Socket>) -> Result<()> {
        match registry.attach_socket(made?, READABLE, id) {
            Ok(socket) => {
                self.socket.replace(Some(socket));
                Ok(())
            }
            Err((error, socket)) => {
                socket.give_back();
                Err(error)
            }
        }
    }

    /// Fails if it is closed.
    pub(super) fn with<R>(&self, f: impl FnOnce(&Socket) -> R) -> Result<R> {
        self.socket.borrow().as_ref().map(f).ok_or_else(|| Status::STALE.into())
    }

    /// It is about to be asked; `hint`: whether by a look.
    pub(super) fn begin_asking(&self, to: &Connections, hint: u64) {
        if hint != 0 {
            self.left.set(TIMES);
            self.until.set(to.now().saturating_add(WHILE));
        }
        self.left.set(self.left.get().saturating_sub(1));
    }

    /// What comes after something was found.
    pub(super) fn next(&self, to: &Connections) -> Next {
        if self.left.get() > 0 && to.now() < self.until.get() {
            Next::Again
        } else {
            Next::Keep
        }
    }

    /// Has the poller watch it, or not.
    pub(super) fn watch(&self, to: &Connections, id: Id, on: bool) {
        // It is registered for as long as it is open; a refusal leaves it as it was.
        let interest = if on { READABLE } else { 0 };
        let _ = self.with(|socket| to.poller().modify(socket.fd(), interest, id.to_bits()));
    }

    /// Closes it.
    pub(super) fn close(&self, to: &Connections, id: Id) {
        if let Some(socket) = self.socket.take() {
            to.poller().remove(socket.fd(), id.to_bits());
        }
    }

    pub(super) fn close_in_child(&self) {
        let _ = self.with(Socket::close_in_child);
    }
}

/// A socket of the caller's, taken over if it is `what`: of that kind, and listening or not.
pub(super) fn adopt(fd: OsFd, kind: i32, listening: bool, what: &str) -> Result<Socket> {
    Socket::adopt(fd, kind, listening).map_err(|error| match error.kind() {
        ErrorKind::InvalidInput => Error::new(Status::INVAL, format!("fd {fd} is not {what}: pass one")),
        _ => Error::os(&format!("adopting fd {fd} as {what}"), &error),
    })
}

/// The address of a Unix socket.
pub(super) fn unix_address(path: &CStr) -> Result<Address> {
    sys::unix_address(path).ok_or_else(|| {
        Error::new(Status::INVAL, "path is empty, or too long for a Unix socket: give one of 1 to 107 bytes")
    })
}

/// The addresses of this machine that `query` names in numbers; without a node all, without a service a port that is free.
pub(super) fn own_addresses(mut query: Query, kind: i32) -> Result<Vec<Address>> {
    (query.flags, query.socktype) = (NUMBERS | PASSIVE, kind);
    query.service = query.service.or_else(|| Some(c"0".to_owned()));
    sys::resolve(&query).map_err(|code| {
        let text = format!(
            "no address of this machine (getaddrinfo: {code}): give node and service in numbers, or resolve them first"
        );
        Error::new(Status::INVAL, text)
    })
}

/// A socket to be bound to that address, with the options that are on.
pub(super) fn socket_for(
    address: &Address,
    kind: i32,
    only_v6: bool,
    options: [(SocketOption, bool); 2],
) -> io::Result<Socket> {
    let socket = Socket::new(address.family, kind)?;
    if address.family == V6 {
        socket.set(SocketOption::OnlyV6, only_v6)?;
    }
    options.into_iter().filter(|(_, on)| *on).try_for_each(|(option, _)| socket.set(option, true))?;
    Ok(socket)
}

/// A socket at the first of these addresses that `bind` succeeds with. IPv6 comes first, for it takes IPv4 too.
pub(super) fn first_bound(
    addresses: &[Address],
    bind: impl Fn(&Address) -> io::Result<Socket>,
) -> Result<Socket> {
    let (first, then): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| address.family == V6);
    let mut refused = Err(Error::new(Status::INVAL, "there is no address of that kind"));
    for address in first.into_iter().chain(then) {
        match bind(address) {
            Ok(socket) => return Ok(socket),
            Err(error) => {
                refused = Err(Error::os("binding to an address", &error));
                // IPv4 instead is for systems without IPv6, and not for an address that is taken.
                if error.kind() == ErrorKind::AddrInUse {
                    break;
                }
            }
        }
    }
    refused
}
