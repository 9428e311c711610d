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
    /// A copy of a `sockaddr`; `None` if it is longer than any that the system has.
    ///
    /// # Safety
    /// NULL, too long, or readable for `length` bytes.
    pub(super) unsafe fn copied(from: *const u8, length: usize, kind: [i32; 3]) -> Option<Address> {
        let [family, socktype, protocol] = kind;
        let mut copy = Address { family, socktype, protocol, length: length as u32, ..Address::default() };
        if from.is_null() || length > size_of_val(&copy.sockaddr) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_not_copied() {
        for length in [129, usize::MAX, usize::MAX - u32::MAX as usize] {
            // SAFETY: too long. (The last is nothing as a u32.)
            assert_eq!(unsafe { Address::copied(&0, length, [0; 3]) }, None, "{length}");
        }
    }
}
