//! L5. What foreign callers lend: their callbacks, their user data.
//!
//! Owns: the rule that `user_data` is dropped exactly once if, and only if, its registration succeeded.

use std::borrow::Borrow;
use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Arc;

use super::args;
use super::boundary::ForeignGuest;
use super::stream_types::{GuestAcceptFn, GuestUdpFn};
use super::types::{
    GuestChildFn, GuestDropFn, GuestFdFn, GuestPostFn, GuestResolveFn, GuestSignalFn, GuestTimerFn,
    GuestWorkDoneFn, GuestWorkFn,
};
use crate::error::{Error, Result, Status, GUEST_ERESOLVE, GUEST_OK};
use crate::guest::{Callback, Context, Job, Lent, Outcome, RawJob, RawJobVTable, UdpEvent};
use crate::id::Id;

/// The caller's `user_data`.
pub(super) struct ForeignData {
    pointer: *mut c_void,
    drop: Cell<GuestDropFn>,
}

// SAFETY: the pointer is never followed here. Where it goes is the header's contract: callbacks and
// drop functions on the host thread, the work function on the pool. The cell is written by `release_user_data`
// alone, on the host thread, before any other thread has the data.
unsafe impl Send for ForeignData {}
// SAFETY: as above.
unsafe impl Sync for ForeignData {}

impl Drop for ForeignData {
    fn drop(&mut self) {
        if let Some(drop) = self.drop.get() {
            // SAFETY: the caller's function and data; this is the one time that it runs.
            unsafe { drop(self.pointer) }
        }
    }
}

/// A foreign callback function with its data, or with its share of it.
pub(super) struct Foreign<F, D = ForeignData> {
    function: F,
    data: D,
}

impl<F> Foreign<F> {
    pub(super) fn new(function: F, user_data: *mut c_void, drop: GuestDropFn) -> Foreign<F> {
        Foreign { function, data: ForeignData { pointer: user_data, drop: Cell::new(drop) } }
    }
}

impl<F, D> Foreign<F, D> {
    pub(super) fn function(&self) -> &F {
        &self.function
    }
}

impl<F, D: Borrow<ForeignData>> Lent for Foreign<F, D> {
    fn user_data(&self) -> *mut c_void {
        self.data.borrow().pointer
    }

    fn drop_runs_user_code(&self) -> bool {
        self.data.borrow().drop.get().is_some()
    }

    fn release_user_data(&self) {
        self.data.borrow().drop.set(None);
    }
}

pub(super) fn guest_of(context: &Context) -> *mut ForeignGuest {
    context.foreign.get().cast()
}

macro_rules! foreign_callback {
    ($callback:ty, $args:ty, |$f:ident, $g:ident, $id:ident, $a:pat_param, $data:ident| $call:expr) => {
        impl Callback<$args> for $callback {
            fn call(&self, context: &Context, id: Id, $a: $args) {
                let Some($f) = self.function else { return };
                let ($g, $id, $data) = (guest_of(context), id.to_bits(), self.user_data());
                // SAFETY: the caller's function, on the host thread, with the data given for it.
                unsafe { $call }
            }
        }
    };
}

foreign_callback!(Foreign<GuestFdFn>, u32, |f, g, id, events, data| f(g, id, events, data));
foreign_callback!(Foreign<GuestTimerFn>, u64, |f, g, id, expirations, data| f(g, id, expirations, data));
foreign_callback!(Foreign<GuestSignalFn>, (i32, u32), |f, g, id, (signum, count), data| f(
    g, id, signum, count, data
));
foreign_callback!(Foreign<GuestChildFn>, crate::guest::ChildExit, |f, g, id, exit, data| f(
    g,
    id,
    exit.code,
    exit.signal,
    data
));
foreign_callback!(Foreign<GuestResolveFn>, &crate::guest::Resolved, |f, g, id, answer, data| match answer {
    Ok(found) => f(g, id, GUEST_OK, 0, found.as_ptr(), found.len(), data),
    Err(code) => f(g, id, GUEST_ERESOLVE, *code, std::ptr::null(), 0, data),
});

foreign_callback!(ForeignWork, (), |f, g, id, (), data| f(g, id, data));
foreign_callback!(Foreign<GuestAcceptFn>, Outcome, |f, g, id, outcome, data| {
    f(g, id, outcome.status.code(), outcome.os_error, data)
});
foreign_callback!(Foreign<GuestUdpFn>, UdpEvent<'_>, |f, g, id, event, data| match event {
    UdpEvent::Datagram(from, bytes) => f(g, id, GUEST_OK, 0, from, bytes.as_ptr().cast(), bytes.len(), data),
    UdpEvent::Failed(Outcome { status, os_error }) => {
        f(g, id, status.code(), os_error, std::ptr::null(), std::ptr::null(), 0, data)
    }
});

/// A foreign post, made when it is accepted: three words in the queue, and no memory of its own.
#[inline(always)]
pub(super) fn post(
    pull: bool,
    function: GuestPostFn,
    user_data: *mut c_void,
    drop: GuestDropFn,
) -> Result<impl FnOnce() -> Job + Copy> {
    args::callback(pull, function.is_some())?;
    let function = function.map_or(0, |function| function as usize);
    let drop = drop.map_or(0, |drop| drop as usize);
    let words = [function, user_data as usize, drop];
    Ok(move || Job::Raw(RawJob { words, vtable: &FOREIGN_POST }))
}

static FOREIGN_POST: RawJobVTable = RawJobVTable {
    run: |&[function, data, _], context| {
        // SAFETY: made of the same type in `post`; 0 is `None`.
        let function = unsafe { std::mem::transmute::<usize, GuestPostFn>(function) };
        if let Some(function) = function {
            // SAFETY: the caller's function, on the host thread, with the data given for it.
            unsafe { function(guest_of(context), data as *mut c_void) }
        }
    },
    drop: |&[_, data, drop]| {
        // SAFETY: made of the same type in `post`; 0 is `None`.
        let drop = unsafe { std::mem::transmute::<usize, GuestDropFn>(drop) };
        if let Some(drop) = drop {
            // SAFETY: the caller's function and data; this is the one time that it runs.
            unsafe { drop(data as *mut c_void) }
        }
    },
};

/// The second half of a foreign piece of work; the data lives until both are gone.
pub(super) type ForeignWork = Foreign<GuestWorkDoneFn, Arc<ForeignData>>;

impl ForeignWork {
    #[allow(clippy::type_complexity)]
    pub(super) fn halves(
        work: GuestWorkFn,
        done: GuestWorkDoneFn,
        user_data: *mut c_void,
        drop: GuestDropFn,
    ) -> Result<(Box<dyn FnOnce() + Send>, ForeignWork)> {
        let Some(work) = work else {
            return Err(Error::new(Status::NULL, "work is NULL: give the function that the pool shall run"));
        };
        let data = Arc::new(ForeignData { pointer: user_data, drop: Cell::new(drop) });
        let lent = data.clone();
        // SAFETY: the caller's function, on the pool, with the data given for it.
        let body = move || unsafe { work(lent.pointer) };
        Ok((Box::new(body), Foreign { function: done, data }))
    }
}
