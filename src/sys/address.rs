//! L1. Names and addresses, as [`super::resolve`] takes and gives them. [`Address`] is the C header's too.
//!
//! The numbers (`AF_INET6`, `AI_...`, ...) are the system's own. Imports nothing.

use std::ffi::CString;

/// What to resolve, in getaddrinfo's terms. Not both names may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// A host name, or an address in numbers; none for the local host.
    pub node: Option<CString>,
    /// A port number or a service's name; none for port 0.
    pub service: Option<CString>,
    /// `AF_UNSPEC` (0), `AF_INET` or `AF_INET6`.
    pub family: i32,
    /// `SOCK_STREAM`, `SOCK_DGRAM` or 0 for any.
    pub socktype: i32,
    /// `AI_...` flags.
    pub flags: i32,
}

/// One address that a name resolved to.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// `AF_INET`, `AF_INET6`, ...: for `socket()`.
    pub family: i32,
    /// `SOCK_STREAM`, `SOCK_DGRAM`, ...: for `socket()`.
    pub socktype: i32,
    /// `IPPROTO_TCP`, ...: for `socket()`.
    pub protocol: i32,
    /// Bytes used of `sockaddr`: the length for `connect()` and `bind()`.
    pub length: u32,
    /// A `struct sockaddr` of that family, padded with zeros; aligned for a cast.
    pub sockaddr: [u64; 16],
}

impl Address {
    /// What getaddrinfo has found, as a copy; `None` if it is longer than any that the system has.
    ///
    /// # Safety
    /// NULL, or readable for `length` bytes.
    pub(super) unsafe fn copied(from: *const u8, length: usize, kind: [i32; 3]) -> Option<Address> {
        let [family, socktype, protocol] = kind;
        let mut copy = Address { family, socktype, protocol, length: length as u32, ..Address::default() };
        if from.is_null() || !copy.is_sound() {
            return None;
        }
        // SAFETY: the caller's promise, and they fit here.
        unsafe { std::ptr::copy_nonoverlapping(from, copy.sockaddr.as_mut_ptr().cast(), length) };
        Some(copy)
    }

    /// Whether its length is one that there is room for.
    pub(crate) fn is_sound(&self) -> bool {
        self.length as usize <= std::mem::size_of_val(&self.sockaddr)
    }
}
