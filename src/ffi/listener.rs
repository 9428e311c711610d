//! L5. Header section: listeners.

use std::ffi::{c_char, c_void};

use super::boundary::ForeignGuest;
use super::callbacks::Foreign;
use super::stream_types::{
    GuestAcceptFn, GuestListenerInfo, GuestListenerOptions, GUEST_LISTENER_REUSEPORT, GUEST_LISTENER_V6ONLY,
};
use super::types::{GuestDropFn, GuestStatus};
use super::{args, boundary, sized};
use crate::error::{Error, Result, Status};
use crate::guest::{ListenerInfo, ListenerOptions, OsFd};

/// Listens for TCP connections. Thread: host.
///
/// `node`: an address in numbers; NULL for all of this machine's, IPv6 and IPv4 by one socket (IPv4 alone where there is no
/// IPv6). `service`: a port number; NULL or "0" for one that the system chooses, which guest_listener_info tells. Nothing is
/// looked up: resolve names first. An address that was in use until a moment ago can be listened at again (SO_REUSEADDR).
/// `options`: NULL for all defaults; copied. `callback`: offers each connection; see guest_accept_fn. `user_data`, `drop`,
/// `id_out`: as in guest_fd_add. guest_close ends the listener; what it has accepted goes on.
///
/// Errors: GUEST_EINVAL (no address in numbers), GUEST_EOS (EADDRINUSE, EACCES, ...), GUEST_ENULL (callback), GUEST_ESIZE,
/// GUEST_EFLAGS, GUEST_EDRIVE (GUEST_FLAG_PULL), GUEST_ENOTSUP (Windows), GUEST_ETHREAD, GUEST_ECLOSED, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_listener_tcp(
    g: *mut ForeignGuest,
    node: *const c_char,
    service: *const c_char,
    options: *const GuestListenerOptions,
    callback: GuestAcceptFn,
    user_data: *mut c_void,
    drop: GuestDropFn,
    id_out: *mut u64,
) -> GuestStatus {
    boundary::register(g, callback.is_some(), id_out, |guest| {
        // SAFETY: the caller passes NULL or NUL-terminated strings.
        let query = unsafe { args::query(node, service, 0) };
        // SAFETY: the caller passes NULL or a struct that begins with its size.
        let options = unsafe { read_options(options)? };
        guest.registry().listener_tcp(query, options, Foreign::new(callback, user_data, drop))
    })
}

/// Listens at a path of the file system. Thread: host.
///
/// `path`: 107 bytes at most, and nothing may be there (EADDRINUSE): remove what an earlier process has left. The file stays when
/// the listener is closed, and is yours to remove. `options`, `callback`, `user_data`, `drop`, `id_out`: as in
/// guest_listener_tcp; of the options the backlog counts.
///
/// Errors: GUEST_EINVAL (an empty or long path), GUEST_ENULL (path, callback), and those of guest_listener_tcp.
#[no_mangle]
pub unsafe extern "C" fn guest_listener_unix(
    g: *mut ForeignGuest,
    path: *const c_char,
    options: *const GuestListenerOptions,
    callback: GuestAcceptFn,
    user_data: *mut c_void,
    drop: GuestDropFn,
    id_out: *mut u64,
) -> GuestStatus {
    boundary::register(g, callback.is_some(), id_out, |guest| {
        // SAFETY: the caller passes NULL or a NUL-terminated string.
        let path = unsafe { args::string(path) }.ok_or_else(|| args::null("path"))?;
        // SAFETY: the caller passes NULL or a struct that begins with its size.
        let options = unsafe { read_options(options)? };
        guest.registry().listener_unix(&path, options, Foreign::new(callback, user_data, drop))
    })
}

/// Makes a listener of a socket that listens already, such as one that a service manager hands over. Thread: host.
///
/// `fd`: with success it belongs to the listener, which makes it non-blocking and closes it in the end. When this fails it stays
/// yours. `callback`, `user_data`, `drop`, `id_out`: as in guest_listener_tcp.
///
/// Errors: GUEST_EINVAL (it is no stream socket that listens), GUEST_EEXIST (a source has it already), GUEST_EOS (EBADF,
/// ENOTSOCK), and those of guest_listener_tcp.
#[no_mangle]
pub unsafe extern "C" fn guest_listener_adopt(
    g: *mut ForeignGuest,
    fd: OsFd,
    callback: GuestAcceptFn,
    user_data: *mut c_void,
    drop: GuestDropFn,
    id_out: *mut u64,
) -> GuestStatus {
    boundary::register(g, callback.is_some(), id_out, |guest| {
        guest.registry().listener_adopt(fd, Foreign::new(callback, user_data, drop))
    })
}

/// Offers no connections any more, at any moment. Thread: host.
///
/// From here on the listener's callback is not called, not even for what the present batch has found or to say that an fd is lacking.
/// Peers connect all the same, up to the backlog, and wait. Harmless when repeated.
///
/// Errors: GUEST_ESTALE (also for an id that is no listener), GUEST_ETHREAD, GUEST_ECLOSED, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_listener_pause(g: *mut ForeignGuest, id: u64) -> GuestStatus {
    boundary::host(g, |guest| guest.registry().listener_pause(args::id(id)?, true))
}

/// Offers connections again, those first that have waited. Thread: host. Harmless when repeated.
///
/// Errors: those of guest_listener_pause.
#[no_mangle]
pub unsafe extern "C" fn guest_listener_resume(g: *mut ForeignGuest, id: u64) -> GuestStatus {
    boundary::host(g, |guest| guest.registry().listener_pause(args::id(id)?, false))
}

/// Where a listener listens, its socket, and how many connections it has offered. Thread: host.
///
/// Errors: GUEST_ENULL, GUEST_ESIZE, GUEST_ESTALE (also for an id that is no listener), GUEST_ETHREAD, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_listener_info(
    g: *const ForeignGuest,
    id: u64,
    info_out: *mut GuestListenerInfo,
) -> GuestStatus {
    boundary::host(g, |guest| {
        let ListenerInfo { fd, local, accepted } = guest.registry().listener_info(args::id(id)?)?;
        let struct_size = std::mem::size_of::<GuestListenerInfo>();
        let info = GuestListenerInfo { struct_size, fd, accepted, local: local.unwrap_or_default() };
        // SAFETY: the caller passes a struct that begins with its size.
        unsafe { sized::write(info_out, info, "info_out") }
    })
}

/// # Safety
/// NULL, or as `sized::read`.
unsafe fn read_options(from: *const GuestListenerOptions) -> Result<ListenerOptions> {
    let default = ListenerOptions::default();
    if from.is_null() {
        return Ok(default);
    }
    // SAFETY: the caller's promise.
    let given = unsafe { sized::read(from, "options")? };
    if given.flags & !(GUEST_LISTENER_V6ONLY | GUEST_LISTENER_REUSEPORT) != 0 {
        let text = "options.flags has an unknown bit: zero the struct first, then set GUEST_LISTENER_ values";
        return Err(Error::new(Status::FLAGS, text));
    }
    Ok(ListenerOptions {
        backlog: if given.backlog == 0 { default.backlog } else { given.backlog },
        only_v6: given.flags & GUEST_LISTENER_V6ONLY != 0,
        reuse_port: given.flags & GUEST_LISTENER_REUSEPORT != 0,
    })
}
