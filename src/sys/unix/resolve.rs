//! L1. Blocking name resolution.
//!
//! Owns: nothing. Runs on a thread of the pool, for as long as the system's resolver takes. Imports
//! libc only.

use std::ffi::{CStr, CString};
use std::mem::{size_of, zeroed};

use crate::sys::address::{Address, Query};

/// Resolves by getaddrinfo, in its order of preference; the error is getaddrinfo's code
/// (`EAI_NONAME`, ...).
pub fn resolve(query: &Query) -> Result<Vec<Address>, i32> {
    // SAFETY: all zero is the empty hint: plain numbers and NULL pointers.
    let mut hints: libc::addrinfo = unsafe { zeroed() };
    hints.ai_family = query.family;
    hints.ai_socktype = query.socktype;
    hints.ai_flags = query.flags;
    let name = |name: &Option<CString>| name.as_deref().map_or(std::ptr::null(), CStr::as_ptr);
    let mut list = std::ptr::null_mut();
    // SAFETY: the names are zero-terminated or NULL, the hints valid, and `list` is ours to write.
    let code = unsafe { libc::getaddrinfo(name(&query.node), name(&query.service), &hints, &mut list) };
    if code != 0 {
        return Err(code);
    }
    let list = List(list);
    Ok(list.iter().filter_map(address).collect())
}

/// getaddrinfo's result, given back when dropped.
struct List(*mut libc::addrinfo);

impl List {
    fn iter(&self) -> impl Iterator<Item = &libc::addrinfo> {
        // SAFETY: getaddrinfo ends the list with NULL, and its entries live until freeaddrinfo.
        std::iter::successors(unsafe { self.0.as_ref() }, |entry| unsafe { entry.ai_next.as_ref() })
    }
}

impl Drop for List {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: getaddrinfo made the list, and nothing refers to it any more.
            unsafe { libc::freeaddrinfo(self.0) };
        }
    }
}

/// A copy that outlives the list; `None` for an address longer than any the system has.
fn address(entry: &libc::addrinfo) -> Option<Address> {
    let mut sockaddr = [0u64; 16];
    let length = entry.ai_addrlen as usize;
    if entry.ai_addr.is_null() || length > size_of::<[u64; 16]>() {
        return None;
    }
    // SAFETY: getaddrinfo vouches for `length` bytes there, and they fit here.
    unsafe {
        std::ptr::copy_nonoverlapping(entry.ai_addr.cast::<u8>(), sockaddr.as_mut_ptr().cast(), length)
    };
    Some(Address {
        family: entry.ai_family,
        socktype: entry.ai_socktype,
        protocol: entry.ai_protocol,
        length: entry.ai_addrlen,
        sockaddr,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(node: Option<&str>, service: Option<&str>, flags: i32) -> Query {
        let own = |name: &str| CString::new(name).unwrap();
        Query {
            node: node.map(own),
            service: service.map(own),
            family: libc::AF_UNSPEC,
            socktype: libc::SOCK_STREAM,
            flags,
        }
    }

    #[test]
    fn numbers_become_addresses_of_either_family() {
        let v4 = resolve(&query(Some("127.0.0.1"), Some("80"), libc::AI_NUMERICHOST)).unwrap();
        assert_eq!(v4.len(), 1);
        assert_eq!((v4[0].family, v4[0].socktype), (libc::AF_INET, libc::SOCK_STREAM));
        assert_eq!((v4[0].protocol, v4[0].length), (libc::IPPROTO_TCP, 16));
        // SAFETY: the array is as aligned and longer, and every bit pattern is an address.
        let sockaddr = unsafe { &*v4[0].sockaddr.as_ptr().cast::<libc::sockaddr_in>() };
        assert_eq!((sockaddr.sin_port, sockaddr.sin_addr.s_addr), (80u16.to_be(), 0x7f00_0001u32.to_be()));
        assert_eq!(v4[0].sockaddr[2..], [0; 14], "padded with zeros");

        let v6 = resolve(&query(Some("::1"), Some("80"), libc::AI_NUMERICHOST)).unwrap();
        assert_eq!((v6.len(), v6[0].family, v6[0].length), (1, libc::AF_INET6, 28));
        // SAFETY: as above.
        let sockaddr = unsafe { &*v6[0].sockaddr.as_ptr().cast::<libc::sockaddr_in6>() };
        assert_eq!(sockaddr.sin6_port, 80u16.to_be());
        assert_eq!(sockaddr.sin6_addr.s6_addr, std::net::Ipv6Addr::LOCALHOST.octets());
    }

    #[test]
    fn either_name_may_be_missing_but_not_both() {
        assert!(!resolve(&query(None, Some("80"), 0)).unwrap().is_empty());
        assert!(!resolve(&query(Some("127.0.0.1"), None, 0)).unwrap().is_empty());
        assert_eq!(resolve(&query(None, None, 0)), Err(libc::EAI_NONAME));
    }

    #[test]
    fn failures_keep_their_code() {
        assert_eq!(resolve(&query(Some("no.number"), None, libc::AI_NUMERICHOST)), Err(libc::EAI_NONAME));
        let odd = Query { family: 9999, ..query(Some("127.0.0.1"), None, 0) };
        assert_eq!(resolve(&odd), Err(libc::EAI_FAMILY));
    }
}
