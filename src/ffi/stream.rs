//! L5. Header section: streams.

use std::ffi::{c_char, c_void};

use super::boundary::ForeignGuest;
use super::callbacks::{guest_of, Foreign};
use super::stream_types::{
    GuestClosedFn, GuestOpenedFn, GuestReadFn, GuestStreamInfo, GuestStreamOptions, GuestWaterFn,
    GuestWrittenFn, GUEST_STREAM_KEEPALIVE, GUEST_STREAM_NODELAY, GUEST_STREAM_PAUSED, GUEST_WATER_HIGH,
    GUEST_WATER_LOW,
};
use super::types::{GuestDropFn, GuestStatus};
use super::{args, boundary, sized};
use crate::error::{Error, Result, Status};
use crate::guest::{
    Address, Buffer, Callback, Context, Lent, LentBytes, OsFd, Piece, StreamEvent, StreamInfo, StreamOptions,
    Written, STREAM,
};
use crate::id::Id;

/// Connects to a host by TCP. Thread: host.
///
/// The name is resolved on the guest's pool. Its addresses are tried as RFC 8305 ("happy eyeballs") says: IPv6 and IPv4 in turns,
/// each with 250 ms of start before the next; the first that connects wins. Then `options->opened` is called; if all have failed,
/// `options->closed`. The id is valid at once: writes are queued until the connection stands, and guest_close gives it up.
///
/// `node`, `service`: as in guest_resolve. `options`: see guest_stream_options_t; copied.
/// `user_data`: handed to its functions. `drop`, `id_out`: as in guest_fd_add.
///
/// A stream is a source: it ends with guest_close, which drops what is queued, and with its guest. It ends by itself, and its id
/// is stale, when `closed` has been called. Streams need callbacks: a guest with GUEST_FLAG_PULL has none.
///
/// Errors: GUEST_ENULL (options, its function `closed`), GUEST_EINVAL (node and service NULL, low_water above high_water),
/// GUEST_ESIZE, GUEST_EFLAGS, GUEST_EDRIVE (GUEST_FLAG_PULL), GUEST_EOS, GUEST_ENOTSUP (Windows), GUEST_ETHREAD, GUEST_ECLOSED,
/// GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_stream_connect(
    g: *mut ForeignGuest,
    node: *const c_char,
    service: *const c_char,
    options: *const GuestStreamOptions,
    user_data: *mut c_void,
    drop: GuestDropFn,
    id_out: *mut u64,
) -> GuestStatus {
    boundary::register(g, true, id_out, |guest| {
        // SAFETY: the caller passes NULL or NUL-terminated strings.
        let query = unsafe { args::query(node, service, STREAM) };
        // SAFETY: the caller passes NULL or a struct that begins with its size.
        let (options, functions) = unsafe { read_options(options)? };
        guest.registry().stream_connect(query, options, Foreign::new(functions, user_data, drop))
    })
}

/// The same for addresses that are known, of any family that has stream sockets. Thread: host.
///
/// `addresses`: `count` of them, at least one, as guest_resolve finds them or of your own making (`family`, `length` and
/// `sockaddr` count); copied. `options`, `user_data`, `drop`, `id_out`: as in guest_stream_connect.
///
/// Errors: GUEST_EINVAL (no address, or a `length` of more than 128), GUEST_ENULL, and those of guest_stream_connect.
#[no_mangle]
pub unsafe extern "C" fn guest_stream_connect_to(
    g: *mut ForeignGuest,
    addresses: *const Address,
    count: usize,
    options: *const GuestStreamOptions,
    user_data: *mut c_void,
    drop: GuestDropFn,
    id_out: *mut u64,
) -> GuestStatus {
    boundary::register(g, true, id_out, |guest| {
        // SAFETY: the caller gives `count` addresses.
        let addresses = unsafe { args::array(addresses, count, "addresses")? };
        // SAFETY: the caller passes NULL or a struct that begins with its size.
        let (options, functions) = unsafe { read_options(options)? };
        guest.registry().stream_connect_to(addresses, options, Foreign::new(functions, user_data, drop))
    })
}

/// The same for a Unix socket. Thread: host.
///
/// `path`: of the file system, 107 bytes at most; copied. If too many wait there already the connection fails with EAGAIN.
/// `options`, `user_data`, `drop`, `id_out`: as in guest_stream_connect.
///
/// Errors: GUEST_ENULL (path), GUEST_EINVAL (an empty or long path), and those of guest_stream_connect.
#[no_mangle]
pub unsafe extern "C" fn guest_stream_connect_unix(
    g: *mut ForeignGuest,
    path: *const c_char,
    options: *const GuestStreamOptions,
    user_data: *mut c_void,
    drop: GuestDropFn,
    id_out: *mut u64,
) -> GuestStatus {
    boundary::register(g, true, id_out, |guest| {
        // SAFETY: the caller passes NULL or a NUL-terminated string.
        let path = unsafe { args::string(path) }.ok_or_else(|| args::null("path"))?;
        // SAFETY: the caller passes NULL or a struct that begins with its size.
        let (options, functions) = unsafe { read_options(options)? };
        guest.registry().stream_connect_unix(&path, options, Foreign::new(functions, user_data, drop))
    })
}

/// Makes a stream of a connected socket. Thread: host.
///
/// `fd`: a stream socket, TCP, Unix or of another family; with success it belongs to the stream, which makes it non-blocking and
/// closes it in the end. When this fails it stays yours. `options`, `user_data`, `drop`, `id_out`: as in guest_stream_connect;
/// `opened` is not called, and reading begins with the next delivery.
///
/// Errors: GUEST_EINVAL (no stream socket, or one that listens), GUEST_EEXIST (a source has it already), GUEST_EOS (EBADF,
/// ENOTSOCK), and those of guest_stream_connect.
#[no_mangle]
pub unsafe extern "C" fn guest_stream_adopt(
    g: *mut ForeignGuest,
    fd: OsFd,
    options: *const GuestStreamOptions,
    user_data: *mut c_void,
    drop: GuestDropFn,
    id_out: *mut u64,
) -> GuestStatus {
    boundary::register(g, true, id_out, |guest| {
        // SAFETY: the caller passes NULL or a struct that begins with its size.
        let (options, functions) = unsafe { read_options(options)? };
        guest.registry().stream_adopt(fd, options, Foreign::new(functions, user_data, drop))
    })
}

/// Takes the connection that a listener offers. Thread: host, inside the listener's callback.
///
/// `listener`: its id. `options`, `user_data`, `drop`, `id_out`: as in guest_stream_adopt.
///
/// Errors: GUEST_EORDER (the listener offers none: outside its callback, a second time, or after a status that was not
/// GUEST_OK), GUEST_ESTALE (no open listener), and those of guest_stream_connect. The connection is still offered then.
#[no_mangle]
pub unsafe extern "C" fn guest_stream_accept(
    g: *mut ForeignGuest,
    listener: u64,
    options: *const GuestStreamOptions,
    user_data: *mut c_void,
    drop: GuestDropFn,
    id_out: *mut u64,
) -> GuestStatus {
    boundary::register(g, true, id_out, |guest| {
        // SAFETY: the caller passes NULL or a struct that begins with its size.
        let (options, functions) = unsafe { read_options(options)? };
        let listener = args::id(listener)?;
        guest.registry().stream_accept(listener, options, Foreign::new(functions, user_data, drop))
    })
}

/// Sends bytes, in the order of the calls. Thread: host. Never blocks.
///
/// What the system takes at once is sent at once, the rest when the peer has made room. Any amount is accepted: see `water` of
/// guest_stream_options_t for when to stop.
///
/// `buffers`: `count` of them, sent one after the other; the array itself is copied.
/// `written`: told the end of this write exactly once, in a later delivery, also if the stream or the guest ends first. Until
/// then the bytes must stay as they are: they are not copied. NULL: nobody is told, and what cannot be sent at once is copied, so
/// that the bytes are yours again when this returns. `user_data`: handed to it.
///
/// Errors: GUEST_ENULL (buffers, or the data of one that has a size), GUEST_EINVAL (more bytes than there is memory),
/// GUEST_EORDER (after guest_stream_shutdown or guest_stream_close), GUEST_ECLOSED (also: the connection is broken, and `closed`
/// tells why when all has been read), GUEST_ESTALE (also for an id that is no stream), GUEST_ETHREAD, GUEST_EFORKED. Nothing is
/// sent then, and `written` is not called.
#[no_mangle]
pub unsafe extern "C" fn guest_stream_write(
    g: *mut ForeignGuest,
    id: u64,
    buffers: *const Buffer,
    count: usize,
    written: GuestWrittenFn,
    user_data: *mut c_void,
) -> GuestStatus {
    boundary::host(g, |guest| {
        let id = args::id(id)?;
        // SAFETY: the caller gives `count` buffers, which are readable during the call.
        let slices = unsafe { args::slices(buffers, count)? };
        let keep: fn(&[u8]) -> Option<Piece> = if written.is_some() { lend } else { Piece::copy };
        let told = written.map(|written| {
            Written::new(move |outcome| {
                let (status, os_error) = (outcome.status.code(), outcome.os_error);
                // SAFETY: the caller's function, on the host thread, with the data given for it.
                unsafe { written(g, id.to_bits(), status, os_error, user_data) }
            })
        });
        guest.registry().stream_write(id, &slices, keep, told)
    })
}

/// Stops reading, at any moment. Thread: host.
///
/// From here on `read` is not called, not even for what the present batch has found or what was read ahead. What comes waits in the
/// system, and then at the peer. Nothing else is paused; that the connection was reset is noticed when a write fails, or after
/// guest_stream_resume. Harmless when repeated.
///
/// Errors: GUEST_ESTALE (also for an id that is no stream), GUEST_ETHREAD, GUEST_ECLOSED, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_stream_pause(g: *mut ForeignGuest, id: u64) -> GuestStatus {
    boundary::host(g, |guest| guest.registry().stream_pause(args::id(id)?, true))
}

/// Goes on reading. Thread: host. Harmless when repeated.
///
/// Errors: those of guest_stream_pause.
#[no_mangle]
pub unsafe extern "C" fn guest_stream_resume(g: *mut ForeignGuest, id: u64) -> GuestStatus {
    boundary::host(g, |guest| guest.registry().stream_pause(args::id(id)?, false))
}

/// Ends the writing side: when all that is queued has been sent, the peer is told that no more comes. Thread: host.
///
/// Reading goes on; when the peer has ended its side too, the stream ends (`closed`, GUEST_OK). Harmless when repeated.
///
/// Errors: those of guest_stream_pause.
#[no_mangle]
pub unsafe extern "C" fn guest_stream_shutdown(g: *mut ForeignGuest, id: u64) -> GuestStatus {
    boundary::host(g, |guest| guest.registry().stream_shutdown(args::id(id)?))
}

/// Ends the stream when all that is queued has been sent; a connection that does not stand yet is waited for. Thread: host.
///
/// `read` is not called any more; the ends of the writes are told, then `closed`. A peer that takes nothing can make this last:
/// guest_close ends the stream at once at any time. What the peer has sent and nobody has read makes the system reset the
/// connection, which may cost the peer what it has not read yet: to be sure that it gets all, use guest_stream_shutdown and
/// read to its end. Harmless when repeated.
///
/// Errors: those of guest_stream_pause.
#[no_mangle]
pub unsafe extern "C" fn guest_stream_close(g: *mut ForeignGuest, id: u64) -> GuestStatus {
    boundary::host(g, |guest| guest.registry().stream_close(args::id(id)?))
}

/// The names, the socket and the counters of a stream. Thread: host.
///
/// Errors: GUEST_ENULL, GUEST_ESIZE, GUEST_ESTALE (also for an id that is no stream), GUEST_ETHREAD, GUEST_EFORKED.
#[no_mangle]
pub unsafe extern "C" fn guest_stream_info(
    g: *const ForeignGuest,
    id: u64,
    info_out: *mut GuestStreamInfo,
) -> GuestStatus {
    boundary::host(g, |guest| {
        let StreamInfo { fd, local, peer, queued, sent, received, read_ahead } =
            guest.registry().stream_info(args::id(id)?)?;
        let info = GuestStreamInfo {
            struct_size: std::mem::size_of::<GuestStreamInfo>(),
            fd: fd.unwrap_or(!0),
            queued,
            sent,
            received,
            local: local.unwrap_or_default(),
            peer: peer.unwrap_or_default(),
            read_ahead,
        };
        // SAFETY: the caller passes a struct that begins with its size.
        unsafe { sized::write(info_out, info, "info_out") }
    })
}

/// The functions of a stream's options.
struct Functions {
    opened: GuestOpenedFn,
    read: GuestReadFn,
    water: GuestWaterFn,
    closed: GuestClosedFn,
}

impl Callback<StreamEvent<'_>> for Foreign<Functions> {
    fn call(&self, context: &Context, id: Id, event: StreamEvent<'_>) {
        let Functions { opened, read, water, closed } = self.function();
        let (g, id, data) = (guest_of(context), id.to_bits(), self.user_data());
        // SAFETY: the caller's functions, on the host thread, with the data given for them.
        unsafe {
            match (event, opened, read, water, closed) {
                (StreamEvent::Opened, Some(opened), ..) => opened(g, id, data),
                (StreamEvent::Data(bytes), _, Some(read), ..) => {
                    read(g, id, bytes.as_ptr().cast(), bytes.len(), data)
                }
                (StreamEvent::End, _, Some(read), ..) => read(g, id, std::ptr::null(), 0, data),
                (StreamEvent::High(queued), _, _, Some(water), _) => {
                    water(g, id, GUEST_WATER_HIGH, queued, data)
                }
                (StreamEvent::Low(queued), _, _, Some(water), _) => {
                    water(g, id, GUEST_WATER_LOW, queued, data)
                }
                (StreamEvent::Closed(outcome), _, _, _, Some(closed)) => {
                    closed(g, id, outcome.status.code(), outcome.os_error, data)
                }
                _ => {}
            }
        }
    }
}

/// # Safety
/// NULL, or as `sized::read`.
unsafe fn read_options(from: *const GuestStreamOptions) -> Result<(StreamOptions, Functions)> {
    if from.is_null() {
        return Err(args::null("options"));
    }
    // SAFETY: the caller's promise.
    let given = unsafe { sized::read(from, "options")? };
    if given.closed.is_none() {
        return Err(Error::new(Status::NULL, "options.closed is NULL: it tells how the stream has ended"));
    }
    const FLAGS: u32 = GUEST_STREAM_PAUSED | GUEST_STREAM_NODELAY | GUEST_STREAM_KEEPALIVE;
    if given.flags & !FLAGS != 0 || given.reserved != 0 {
        let text = "options.flags or reserved has an unknown bit: zero the struct first, then set GUEST_STREAM_ values";
        return Err(Error::new(Status::FLAGS, text));
    }
    let high_water = match given.high_water {
        0 => StreamOptions::default().high_water,
        high => high,
    };
    let options = StreamOptions {
        reads: given.read.is_some(),
        paused: given.flags & GUEST_STREAM_PAUSED != 0,
        no_delay: given.flags & GUEST_STREAM_NODELAY != 0,
        keep_alive: given.flags & GUEST_STREAM_KEEPALIVE != 0,
        high_water,
        low_water: if given.low_water == 0 { high_water / 4 } else { given.low_water },
        read_ahead: given.read_ahead,
    };
    let GuestStreamOptions { opened, read, water, closed, .. } = given;
    Ok((options, Functions { opened, read, water, closed }))
}

fn lend(bytes: &[u8]) -> Option<Piece> {
    // SAFETY: the caller of guest_stream_write leaves them alone until `written` is called.
    Some(Piece::Lent(unsafe { LentBytes::new(bytes) }))
}
