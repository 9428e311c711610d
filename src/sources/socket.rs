//! L3. What streams, listeners and UDP sockets have in common: whether there are any, whose socket it is, where it is bound.
//!
//! Owns: nothing. Host thread only.

use std::ffi::CStr;
use std::io::{self, ErrorKind};

use crate::core::registered::registry::Registry;
use crate::error::{Error, Result, Status};
use crate::sys::{self, Address, OsFd, Query, Socket, NUMBERS, PASSIVE, SOCKETS, V6};

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
