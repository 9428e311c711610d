//! L5. What crosses the boundary of streams, listeners and UDP sockets: constants, callback types, structs. Layouts are the header's.

use std::ffi::c_void;

use super::boundary::ForeignGuest;
use super::types::{GuestId, GuestStatus};
use crate::guest::{Address, OsFd};

/// Stream flag: reading begins with the first `guest_stream_resume`.
pub const GUEST_STREAM_PAUSED: u32 = 1;
/// TCP: small writes are not held back (TCP_NODELAY).
pub const GUEST_STREAM_NODELAY: u32 = 2;
/// TCP: the system asks a silent peer now and then whether it is still there (SO_KEEPALIVE).
pub const GUEST_STREAM_KEEPALIVE: u32 = 4;

/// No more bytes than the low mark are queued again: write on.
pub const GUEST_WATER_LOW: u32 = 0;
/// More bytes than the high mark are queued: the peer takes less than you write.
pub const GUEST_WATER_HIGH: u32 = 1;

/// Listener flag, IPv6: takes no IPv4 connections.
pub const GUEST_LISTENER_V6ONLY: u32 = 1;
/// Several sockets may listen at the address, and share what comes (SO_REUSEPORT).
pub const GUEST_LISTENER_REUSEPORT: u32 = 2;

/// UDP flag, IPv6: takes and sends no IPv4.
pub const GUEST_UDP_V6ONLY: u32 = 1;
/// Several sockets may be bound to the address (SO_REUSEPORT).
pub const GUEST_UDP_REUSEPORT: u32 = 2;
/// It may send to all hosts of a network at once (SO_BROADCAST).
pub const GUEST_UDP_BROADCAST: u32 = 4;

/// The connection stands. Told once of a stream that connects, before anything is read.
pub type GuestOpenedFn =
    Option<unsafe extern "C-unwind" fn(g: *mut ForeignGuest, id: GuestId, user_data: *mut c_void)>;
/// This was read: `size` bytes at `data`, a view that lasts as long as the call. `size` 0: the other end writes no more;
/// the stream can still be written to, and ends when `guest_stream_shutdown` or `guest_stream_close` has ended that too.
pub type GuestReadFn = Option<
    unsafe extern "C-unwind" fn(
        g: *mut ForeignGuest,
        id: GuestId,
        data: *const c_void,
        size: usize,
        user_data: *mut c_void,
    ),
>;
/// `level`: GUEST_WATER_HIGH or GUEST_WATER_LOW, in turns. `queued`: bytes that wait to be sent.
pub type GuestWaterFn = Option<
    unsafe extern "C-unwind" fn(
        g: *mut ForeignGuest,
        id: GuestId,
        level: u32,
        queued: u64,
        user_data: *mut c_void,
    ),
>;
/// The stream has ended, and this is the last that is told of it. `status`: GUEST_OK (both directions have ended, or
/// guest_stream_close has sent all), GUEST_EOS and `os_error` is the system's (ECONNREFUSED, ECONNRESET, ...), GUEST_ERESOLVE
/// and `os_error` is getaddrinfo's code, GUEST_ENOMEM (no memory for what was read or written, so that the stream had to end).
pub type GuestClosedFn = Option<
    unsafe extern "C-unwind" fn(
        g: *mut ForeignGuest,
        id: GuestId,
        status: GuestStatus,
        os_error: i32,
        user_data: *mut c_void,
    ),
>;
/// The end of one write: told exactly once for each that was accepted. `status`: GUEST_OK, the system has all of it (which does
/// not say that the peer has read it); GUEST_EOS and its sisters as in guest_closed_fn; GUEST_ECLOSED, the stream or the guest
/// was closed first. With GUEST_ECLOSED it runs where drop functions run, before the stream's own one, and must not throw.
pub type GuestWrittenFn = Option<
    unsafe extern "C-unwind" fn(
        g: *mut ForeignGuest,
        id: GuestId,
        status: GuestStatus,
        os_error: i32,
        user_data: *mut c_void,
    ),
>;
/// A connection is offered (`status` GUEST_OK): take it here with guest_stream_accept, else it is closed when this returns. Or
/// none can be accepted just now (GUEST_EOS, `os_error` EMFILE, ENFILE, ...; GUEST_ENOMEM): the listener tries again every 100 ms
/// without being asked, and this is told once until it has succeeded.
pub type GuestAcceptFn = Option<
    unsafe extern "C-unwind" fn(
        g: *mut ForeignGuest,
        id: GuestId,
        status: GuestStatus,
        os_error: i32,
        user_data: *mut c_void,
    ),
>;

/// A datagram came (`status` GUEST_OK): `size` bytes at `data`, from `from`; both are views that last as long as the call. Or one
/// that was sent has come to nothing, as the system has heard (GUEST_EOS, `os_error` ECONNREFUSED, ...; EMSGSIZE: one
/// that came did not fit, and is gone; GUEST_ENOMEM; `from` and `data` are NULL); the socket goes on.
pub type GuestUdpFn = Option<
    unsafe extern "C-unwind" fn(
        g: *mut ForeignGuest,
        id: GuestId,
        status: GuestStatus,
        os_error: i32,
        from: *const Address,
        data: *const c_void,
        size: usize,
        user_data: *mut c_void,
    ),
>;

/// How a stream shall behave, and whom it tells. Zero the struct, set `struct_size`, then the fields that you want; a zero means
/// the default. It is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GuestStreamOptions {
    /// Set to `sizeof(guest_stream_options_t)`.
    pub struct_size: usize,
    /// May be NULL.
    pub opened: GuestOpenedFn,
    /// NULL: the stream is written to and never read, and learns that the peer has gone by its next write alone.
    pub read: GuestReadFn,
    /// May be NULL.
    pub water: GuestWaterFn,
    /// Required.
    pub closed: GuestClosedFn,
    /// `water` says GUEST_WATER_HIGH when more bytes than this are queued; default 64 KiB. Nothing is refused then.
    pub high_water: u64,
    /// `water` says GUEST_WATER_LOW when no more than this are left of them; default a quarter of the high mark.
    pub low_water: u64,
    /// GUEST_STREAM_PAUSED and its sisters.
    pub flags: u32,
    /// Must be 0.
    pub reserved: u32,
    /// So many bytes are read ahead while the host is away; default 0, none; 4 GiB at most. When it has taken no delivery for
    /// `nested_after` of guest_options_t, or is inside a callback for so long, the I/O thread goes on reading, into memory of the
    /// guest's: this much for each stream and no more, then what comes waits in the system and at the peer. It is handed to `read`
    /// in order, in front of what the system has. It has no effect where there is no I/O thread (all drives but
    /// GUEST_DRIVE_THREAD), or without `read`; nor for a stream whose own callback stands in a nested loop, while it does.
    pub read_ahead: u64,
}

/// A stream as it is at a moment.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GuestStreamInfo {
    /// Set to `sizeof(guest_stream_info_t)` before the call.
    pub struct_size: usize,
    /// Its socket, for setsockopt and the like; it stays the stream's. -1 while it connects, and when it has ended.
    pub fd: OsFd,
    /// Bytes that wait to be sent.
    pub queued: u64,
    /// Bytes that were sent.
    pub sent: u64,
    /// Bytes that were read.
    pub received: u64,
    /// This end; `length` 0 where the system does not know it.
    pub local: Address,
    /// The other end, the same.
    pub peer: Address,
    /// Bytes that were read ahead and wait for a delivery: never more than `read_ahead` of the options.
    pub read_ahead: u64,
}

/// How a listener shall behave. Zero the struct, set `struct_size`, then the fields that you want; a zero means the default. It
/// is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GuestListenerOptions {
    /// Set to `sizeof(guest_listener_options_t)`.
    pub struct_size: usize,
    /// How many connections may wait to be accepted; default 1024. The system has a limit of its own.
    pub backlog: u32,
    /// GUEST_LISTENER_V6ONLY and its sisters.
    pub flags: u32,
}

/// A listener as it is at a moment.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GuestListenerInfo {
    /// Set to `sizeof(guest_listener_info_t)` before the call.
    pub struct_size: usize,
    /// Its socket; it stays the listener's.
    pub fd: OsFd,
    /// How many connections it has offered.
    pub accepted: u64,
    /// Where it listens: the port that the system has chosen, too.
    pub local: Address,
}

/// A UDP socket as it is at a moment.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GuestUdpInfo {
    /// Set to `sizeof(guest_udp_info_t)` before the call.
    pub struct_size: usize,
    /// Its socket, for setsockopt, connect and the like; it stays the source's.
    pub fd: OsFd,
    /// Datagrams that were sent.
    pub sent: u64,
    /// Datagrams that came.
    pub received: u64,
    /// Where it is bound: the port that the system has chosen, too.
    pub local: Address,
}
