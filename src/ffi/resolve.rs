//! L5. Header section: host names.

use std::ffi::{c_char, c_void};

use super::boundary::ForeignGuest;
use super::callbacks::Foreign;
use super::types::{GuestDropFn, GuestResolveFn, GuestStatus};
use super::{args, boundary};
use crate::guest::Query;

/// Resolves a host name on the guest's pool, then calls back once. Thread: host.
///
/// `node`: a name or an address in numbers; NULL for the local host. `service`: a port number or a
/// name such as "http"; NULL for none. Not both NULL. Both are copied. `family`: AF_UNSPEC (0),
/// AF_INET or AF_INET6.
/// `socktype`: SOCK_STREAM, SOCK_DGRAM or 0. `flags`: getaddrinfo's AI_ flags, or 0.
/// `callback`: as in the type's description. guest_close(g, id) cancels it. `user_data`, `drop`,
/// `id_out`: as in guest_fd_add.
///
/// Errors: GUEST_EINVAL (node and service NULL), GUEST_ENULL, GUEST_EOS, GUEST_ETHREAD,
/// GUEST_ECLOSED, GUEST_EFORKED. A name that cannot be resolved is no error of this call: it comes
/// to the callback.
#[no_mangle]
pub unsafe extern "C" fn guest_resolve(
    g: *mut ForeignGuest,
    node: *const c_char,
    service: *const c_char,
    family: i32,
    socktype: i32,
    flags: i32,
    callback: GuestResolveFn,
    user_data: *mut c_void,
    drop: GuestDropFn,
    id_out: *mut u64,
) -> GuestStatus {
    boundary::register(g, callback.is_some(), id_out, |guest| {
        // SAFETY: the caller passes NULL or NUL-terminated strings.
        let (node, service) = unsafe { (args::string(node), args::string(service)) };
        let query = Query { node, service, family, socktype, flags };
        guest.registry().resolve_add(query, Foreign::new(callback, user_data, drop))
    })
}
