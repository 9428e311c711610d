//! The calls for datagrams, and the addresses of the system in Rust's types. A socket may block: each call says that it must not.

use std::io::Result;
use std::mem::{offset_of, size_of, zeroed};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::slice::from_raw_parts;

use super::{without_waiting, Room};

/// Who has sent a datagram.
pub enum Sender {
    Internet(SocketAddr),
    /// A Unix socket, by its path, and by its name, which begins with a NUL and is in no file system.
    Path(Vec<u8>),
    Abstract(Vec<u8>),
    Nameless,
}

/// Receives one datagram, of which the system drops what is more than the room; None: there is none now.
pub fn receive_from(fd: i32, room: Room<'_>) -> Result<Option<(usize, Sender)>> {
    // SAFETY: all zeros is an address.
    let mut from: libc::sockaddr_storage = unsafe { zeroed() };
    let mut length: libc::socklen_t = 0;
    let count = without_waiting(|| {
        length = size_of::<libc::sockaddr_storage>() as _;
        let (start, from) = (room.start.cast(), (&raw mut from).cast());
        // SAFETY: there is room for as many bytes as it is told, twice.
        unsafe { libc::recvfrom(fd, start, room.length, libc::MSG_DONTWAIT, from, &mut length) }
    })?;
    Ok(count.map(|count| (count, sender(&from, length as usize))))
}

fn sender(from: &libc::sockaddr_storage, length: usize) -> Sender {
    if length == 0 {
        return Sender::Nameless;
    }
    let from: *const libc::sockaddr_storage = from;
    // SAFETY: there is room for any address, and the family says which one it is.
    unsafe {
        match i32::from((*from).ss_family) {
            libc::AF_INET => {
                let from = &*from.cast::<libc::sockaddr_in>();
                let host = u32::from_be(from.sin_addr.s_addr).into();
                Sender::Internet(SocketAddrV4::new(host, u16::from_be(from.sin_port)).into())
            }
            libc::AF_INET6 => {
                let from = &*from.cast::<libc::sockaddr_in6>();
                let (host, port) = (from.sin6_addr.s6_addr.into(), u16::from_be(from.sin6_port));
                let flow = u32::from_be(from.sin6_flowinfo);
                Sender::Internet(SocketAddrV6::new(host, port, flow, from.sin6_scope_id).into())
            }
            _ => {
                let path = offset_of!(libc::sockaddr_un, sun_path);
                let path = from_raw_parts(from.cast::<u8>().add(path), length.saturating_sub(path));
                match path.iter().position(|byte| *byte == 0) {
                    Some(0) => Sender::Abstract(path.to_vec()),
                    end => Sender::Path(path[..end.unwrap_or(path.len())].to_vec()),
                }
            }
        }
    }
}

/// Sends one datagram. Whether there was room for it.
pub fn send_to(fd: i32, bytes: &[u8], to: &SocketAddr) -> Result<bool> {
    // SAFETY: all zeros is an address, of either kind.
    let (mut v4, mut v6): (libc::sockaddr_in, libc::sockaddr_in6) = unsafe { (zeroed(), zeroed()) };
    let (to, length): (*const libc::sockaddr, usize) = match to {
        SocketAddr::V4(to) => {
            v4.sin_family = libc::AF_INET as _;
            v4.sin_port = to.port().to_be();
            v4.sin_addr.s_addr = u32::from(*to.ip()).to_be();
            ((&raw const v4).cast(), size_of::<libc::sockaddr_in>())
        }
        SocketAddr::V6(to) => {
            v6.sin6_family = libc::AF_INET6 as _;
            v6.sin6_port = to.port().to_be();
            v6.sin6_flowinfo = to.flowinfo().to_be();
            v6.sin6_addr.s6_addr = to.ip().octets();
            v6.sin6_scope_id = to.scope_id();
            ((&raw const v6).cast(), size_of::<libc::sockaddr_in6>())
        }
    };
    let (start, flags) = (bytes.as_ptr().cast(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
    // SAFETY: the bytes and the address are alive; the system alone reads them.
    let sent = without_waiting(|| unsafe { libc::sendto(fd, start, bytes.len(), flags, to, length as _) })?;
    Ok(sent.is_some())
}
