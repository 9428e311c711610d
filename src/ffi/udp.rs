//! L5. Header section: UDP.

use std::ffi::{c_char, c_void};

use super::boundary::ForeignGuest;
use super::callbacks::Foreign;
use super::stream_types::{
    GuestUdpFn, GuestUdpInfo, GUEST_UDP_BROADCAST, GUEST_UDP_REUSEPORT, GUEST_UDP_V6ONLY,
};
use super::types::{GuestDropFn, GuestStatus};
use super::{args, boundary, sized};
use crate::error::{Error, Result, Status};
use crate::guest::{Address, Buffer, OsFd, UdpInfo, UdpOptions};

/// Binds a UDP socket. Thread: host.
///
/// `node`: an address in numbers; NULL for all of this machine's, IPv6 and IPv4 by one socket (IPv4 alone where there is no IPv6;
/// an IPv4 peer has the name ::ffff:a.b.c.d then, and answers to it reach it). `service`: a port number; NULL or "0" for one that
/// the system chooses. Nothing is looked up. `flags`: 0, or GUEST_UDP_V6ONLY and its sisters.
/// `callback`: see guest_udp_fn. `user_data`, `drop`, `id_out`: as in guest_fd_add. guest_close closes the socket.
///
/// Errors: GUEST_EINVAL (no address in numbers), GUEST_EOS (EADDRINUSE, EACCES, ...), GUEST_ENULL (callback), GUEST_EFLAGS,
/// GUEST_EDRIVE (GUEST_FLAG_PULL), GUEST_ENOTSUP (Windows), GUEST_ETHREAD, GUEST_ECLOSED, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_udp_bind(
    g: *mut ForeignGuest,
    node: *const c_char,
    service: *const c_char,
    flags: u32,
    callback: GuestUdpFn,
    user_data: *mut c_void,
    drop: GuestDropFn,
    id_out: *mut u64,
) -> GuestStatus {
    boundary::register(g, callback.is_some(), id_out, |guest| {
        // SAFETY: the caller passes NULL or NUL-terminated strings.
        let query = unsafe { args::query(node, service, 0) };
        guest.registry().udp_bind(query, options(flags)?, Foreign::new(callback, user_data, drop))
    })
}

/// Takes over a socket for datagrams, of any family. Thread: host.
///
/// `fd`: with success it belongs to the source, which makes it non-blocking and closes it in the end. When this fails it stays
/// yours. `callback`, `user_data`, `drop`, `id_out`: as in guest_udp_bind.
///
/// Errors: GUEST_EINVAL (no socket for datagrams), GUEST_EEXIST (a source has it already), GUEST_EOS (EBADF, ENOTSOCK), and
/// those of guest_udp_bind.
#[no_mangle]
pub unsafe extern "C" fn guest_udp_adopt(
    g: *mut ForeignGuest,
    fd: OsFd,
    callback: GuestUdpFn,
    user_data: *mut c_void,
    drop: GuestDropFn,
    id_out: *mut u64,
) -> GuestStatus {
    boundary::register(g, callback.is_some(), id_out, |guest| {
        guest.registry().udp_adopt(fd, Foreign::new(callback, user_data, drop))
    })
}

/// Sends one datagram, now or not at all. Thread: host.
///
/// `to`: where; NULL for the address that the socket was connected to (`fd` of guest_udp_info). `buffers`: `count` of them, which
/// together are the datagram; yours again when this returns. Nothing is queued: if the system takes no more just now this fails
/// with GUEST_EOS and EAGAIN, and you may try again or drop it, as any router on the way may.
///
/// Errors: GUEST_EOS (EAGAIN, EMSGSIZE, ENETUNREACH, ...), GUEST_ENULL (buffers, or the data of one that has a size), GUEST_EINVAL
/// (a `length` of more than 128), GUEST_ESTALE (also for an id that is no UDP socket), GUEST_ETHREAD, GUEST_ECLOSED, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_udp_send(
    g: *mut ForeignGuest,
    id: u64,
    to: *const Address,
    buffers: *const Buffer,
    count: usize,
) -> GuestStatus {
    boundary::host(g, |guest| {
        // SAFETY: the caller gives `count` buffers, which are readable during the call, and NULL or an address.
        let (slices, to) = unsafe { (args::slices(buffers, count)?, to.as_ref()) };
        guest.registry().udp_send(args::id(id)?, to, &slices)
    })
}

/// Where a UDP socket is bound, its fd, and its counters. Thread: host.
///
/// Errors: GUEST_ENULL, GUEST_ESIZE, GUEST_ESTALE (also for an id that is no UDP socket), GUEST_ETHREAD, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_udp_info(
    g: *const ForeignGuest,
    id: u64,
    info_out: *mut GuestUdpInfo,
) -> GuestStatus {
    boundary::host(g, |guest| {
        let UdpInfo { fd, local, sent, received } = guest.registry().udp_info(args::id(id)?)?;
        let struct_size = std::mem::size_of::<GuestUdpInfo>();
        let info = GuestUdpInfo { struct_size, fd, sent, received, local: local.unwrap_or_default() };
        // SAFETY: the caller passes a struct that begins with its size.
        unsafe { sized::write(info_out, info, "info_out") }
    })
}

fn options(flags: u32) -> Result<UdpOptions> {
    if flags & !(GUEST_UDP_V6ONLY | GUEST_UDP_REUSEPORT | GUEST_UDP_BROADCAST) != 0 {
        let text = format!("flags is {flags:#x}: use GUEST_UDP_ values");
        return Err(Error::new(Status::FLAGS, text));
    }
    Ok(UdpOptions {
        only_v6: flags & GUEST_UDP_V6ONLY != 0,
        reuse_port: flags & GUEST_UDP_REUSEPORT != 0,
        broadcast: flags & GUEST_UDP_BROADCAST != 0,
    })
}
