//! L1. Blocking name resolution.
//!
//! Runs on a thread of the pool, for as long as the system's resolver takes. Imports
//! libc only.

use std::ffi::{CStr, CString};
use std::mem::zeroed;

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

fn address(entry: &libc::addrinfo) -> Option<Address> {
    let kind = [entry.ai_family, entry.ai_socktype, entry.ai_protocol];
    // SAFETY: getaddrinfo vouches for that many bytes.
    unsafe { Address::copied(entry.ai_addr.cast(), entry.ai_addrlen as usize, kind) }
}
