//! L1. Blocking name resolution.
//!
//! Runs on a thread of the pool, for as long as the system's resolver takes. Imports
//! windows-sys only.

use std::ffi::CString;
use std::mem::zeroed;

use windows_sys::Win32::Networking::WinSock::{
    FreeAddrInfoW, GetAddrInfoW, ADDRINFOW, IPPROTO_TCP, IPPROTO_UDP, SOCK_DGRAM, SOCK_STREAM,
    WSAHOST_NOT_FOUND,
};

use super::winsock::Winsock;
use crate::sys::address::{Address, Query};

/// Resolves by GetAddrInfoW, in its order of preference; the error is its code (`WSAHOST_NOT_FOUND`, which is
/// `EAI_NONAME`, ...). Names are UTF-8.
pub fn resolve(query: &Query) -> Result<Vec<Address>, i32> {
    // A query may outlive the guest that has started Winsock.
    let _winsock = Winsock::start().map_err(|error| error.raw_os_error().unwrap_or(0))?;
    let (node, service) = (wide(&query.node)?, wide(&query.service)?);
    let pointer = |name: &Option<Vec<u16>>| name.as_ref().map_or(std::ptr::null(), |name| name.as_ptr());
    // SAFETY: all zero is the empty hint: plain numbers and NULL pointers.
    let mut hints: ADDRINFOW = unsafe { zeroed() };
    hints.ai_family = query.family;
    hints.ai_socktype = query.socktype;
    hints.ai_flags = query.flags;
    let mut list = std::ptr::null_mut();
    // SAFETY: the names are zero-terminated or NULL, the hints valid, and `list` is ours to write.
    let code = unsafe { GetAddrInfoW(pointer(&node), pointer(&service), &hints, &mut list) };
    if code != 0 {
        return Err(code);
    }
    let list = List(list);
    Ok(list.iter().filter_map(address).collect())
}

/// A name in the system's letters, zero-terminated. What is no UTF-8 is nobody's name.
fn wide(name: &Option<CString>) -> Result<Option<Vec<u16>>, i32> {
    let Some(name) = name else { return Ok(None) };
    let text = name.to_str().map_err(|_| WSAHOST_NOT_FOUND)?;
    Ok(Some(text.encode_utf16().chain([0]).collect()))
}

struct List(*mut ADDRINFOW);

impl List {
    fn iter(&self) -> impl Iterator<Item = &ADDRINFOW> {
        // SAFETY: the list ends with NULL, and its entries live until FreeAddrInfoW.
        std::iter::successors(unsafe { self.0.as_ref() }, |entry| unsafe { entry.ai_next.as_ref() })
    }
}

impl Drop for List {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: GetAddrInfoW made the list, and nothing refers to it any more.
            unsafe { FreeAddrInfoW(self.0) };
        }
    }
}

fn address(entry: &ADDRINFOW) -> Option<Address> {
    let kind = [entry.ai_family, entry.ai_socktype, protocol(entry)];
    // SAFETY: GetAddrInfoW vouches for that many bytes.
    unsafe { Address::copied(entry.ai_addr.cast(), entry.ai_addrlen, kind) }
}

/// As `socket()` wants it. The system leaves open what follows from the kind of socket.
fn protocol(entry: &ADDRINFOW) -> i32 {
    match (entry.ai_protocol, entry.ai_socktype) {
        (0, SOCK_STREAM) => IPPROTO_TCP,
        (0, SOCK_DGRAM) => IPPROTO_UDP,
        (protocol, _) => protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use windows_sys::Win32::Networking::WinSock::{
        AF_INET, AF_INET6, AF_UNSPEC, AI_NUMERICHOST, SOCKADDR_IN,
    };

    fn query(node: Option<&str>, service: Option<&str>, flags: u32) -> Query {
        let own = |name: &str| CString::new(name).unwrap();
        Query {
            node: node.map(own),
            service: service.map(own),
            family: AF_UNSPEC.into(),
            socktype: SOCK_STREAM,
            flags: flags as i32,
        }
    }

    #[test]
    fn numbers_become_addresses_of_either_family() {
        let v4 = resolve(&query(Some("127.0.0.1"), Some("80"), AI_NUMERICHOST)).unwrap();
        assert_eq!(v4.len(), 1);
        assert_eq!((v4[0].family, v4[0].socktype, v4[0].length), (AF_INET.into(), SOCK_STREAM, 16));
        assert_eq!(v4[0].protocol, IPPROTO_TCP);
        // SAFETY: the array is as aligned and longer, and every bit pattern is an address.
        let sockaddr = unsafe { &*v4[0].sockaddr.as_ptr().cast::<SOCKADDR_IN>() };
        // SAFETY: each view of the union is of plain numbers.
        let number = unsafe { sockaddr.sin_addr.S_un.S_addr };
        assert_eq!((sockaddr.sin_port, number), (80u16.to_be(), 0x7f00_0001u32.to_be()));
        assert_eq!(v4[0].sockaddr[2..], [0; 14], "padded with zeros");

        let v6 = resolve(&query(Some("::1"), Some("80"), AI_NUMERICHOST)).unwrap();
        assert_eq!((v6.len(), v6[0].family, v6[0].length), (1, AF_INET6.into(), 28));
    }

    #[test]
    fn either_name_may_be_missing_but_not_both() {
        assert!(!resolve(&query(None, Some("80"), 0)).unwrap().is_empty());
        assert!(!resolve(&query(Some("127.0.0.1"), None, 0)).unwrap().is_empty());
        assert_eq!(resolve(&query(None, None, 0)), Err(WSAHOST_NOT_FOUND));
    }

    #[test]
    fn failures_keep_their_code() {
        assert_eq!(resolve(&query(Some("no.number"), None, AI_NUMERICHOST)), Err(WSAHOST_NOT_FOUND));
        let no_text = Query { node: Some(CString::new([0xff]).unwrap()), ..query(None, None, 0) };
        assert_eq!(resolve(&no_text), Err(WSAHOST_NOT_FOUND));
    }
}
