//! L5. Header section: batches as arrays of events, for languages where a callback per event is dear.

use super::boundary::{self, ForeignGuest};
use super::types::{GuestEvent, GuestStatus, GuestToken};
use super::{args, driving};
use crate::error::Result;
use crate::guest::Guest;
use crate::id::Id;

/// Opens a batch. Thread: host. Needs GUEST_FLAG_PULL.
///
/// `token`: as in guest_deliver_batch. When it succeeds, guest_batch_end has to follow.
/// A nested main loop may open, take and end batches of its own before this one is ended.
///
/// Errors: those of guest_deliver_batch; GUEST_EDRIVE if the guest was started without GUEST_FLAG_PULL.
#[no_mangle]
pub unsafe extern "C" fn guest_batch_begin(g: *mut ForeignGuest, token: GuestToken) -> GuestStatus {
    driving::begin_batch(g, token)
}

/// Takes the next events of the open batch, without waiting. Thread: host.
///
/// `events_out`: an array of `capacity` (at least 1) events. `count_out`: how many were written; 0
/// means that nothing is due, or that the batch's budget is spent: then end the batch. Events of
/// one-shot sources (one-shot timers, posts, work, names, children) close their source; their drop
/// functions run in the next guest_batch_next or guest_batch_wait or in guest_batch_end, and until then `data` and
/// `user_data` stay valid.
///
/// Errors: GUEST_ENULL, GUEST_EINVAL (capacity 0), GUEST_EORDER (no batch is open), GUEST_ETHREAD,
/// GUEST_EFORKED, GUEST_EPANIC.
#[no_mangle]
pub unsafe extern "C" fn guest_batch_next(
    g: *mut ForeignGuest,
    events_out: *mut GuestEvent,
    capacity: usize,
    count_out: *mut usize,
) -> GuestStatus {
    boundary::host(g, |guest| take(guest, 0, events_out, capacity, count_out))
}

/// Takes the next events of the open batch; if nothing is due, waits for the first one. Thread: host.
///
/// For a program without a main loop of its own: the calling thread sleeps here, in every drive, and
/// the I/O thread is not needed meanwhile. A token that was under way is stale from then on.
///
/// `timeout`: nanoseconds; GUEST_FOREVER for no limit; 0 makes it guest_batch_next. `events_out`,
/// `capacity`: as in guest_batch_next. `count_out`: how many were written; 0 means that the time is
/// over, that guest_wake was called (before or meanwhile; once for any number of calls), that the deadline of
/// guest_deadline has come, that a signal interrupted the wait (so that the caller's own handlers get their
/// turn), or that the guest was cancelled. Timers are as exact as in any delivery. The batch's budget does
/// not end this call: who waits has decided that the host can. It begins anew when the call returns.
///
/// Errors: those of guest_batch_next.
#[no_mangle]
pub unsafe extern "C" fn guest_batch_wait(
    g: *mut ForeignGuest,
    timeout: u64,
    events_out: *mut GuestEvent,
    capacity: usize,
    count_out: *mut usize,
) -> GuestStatus {
    boundary::host(g, |guest| take(guest, timeout, events_out, capacity, count_out))
}

/// Ends the innermost open batch: the guest waits again, or asks for its next turn. Thread: host.
///
/// Errors: GUEST_EORDER (no batch is open), GUEST_ETHREAD, GUEST_EFORKED, GUEST_EPANIC.
#[no_mangle]
pub unsafe extern "C" fn guest_batch_end(g: *mut ForeignGuest) -> GuestStatus {
    driving::end_batch(g)
}

fn take(
    guest: &Guest,
    timeout: u64,
    events: *mut GuestEvent,
    capacity: usize,
    count: *mut usize,
) -> Result<()> {
    if events.is_null() {
        return Err(args::null("events_out"));
    }
    let count = args::out(count, "count_out")?;
    let mut written = 0;
    guest.batch_wait(timeout, capacity, |event| {
        let event = GuestEvent {
            id: event.id.map_or(0, Id::to_bits),
            kind: event.kind as u32,
            flags: event.flags,
            value: event.value,
            data: event.data,
            user_data: event.user_data,
        };
        // SAFETY: the caller gives room for `capacity` events, and no more are told.
        unsafe { events.add(written).write(event) };
        written += 1;
    })?;
    *count = written;
    Ok(())
}
