//! The functions of the C ABI, for safe Rust: the one way to the reactor, as every binding has it.
//!
//! Owns: the `guest_t` and its poster, until `free`. The interpreter lock, of which a `Python` is the proof, guards both
//! pointers: nobody frees them while another thread uses them.

#![allow(unsafe_code)]

mod found;
#[cfg(windows)]
mod handle;
pub mod process;

use std::ffi::c_void;
use std::mem::{size_of, MaybeUninit};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use std::sync::Arc;

use asyncguest::error::GUEST_OK;
use asyncguest::ffi::types::{self, GuestEvent, GuestHost, GuestOptions};
use asyncguest::ffi::{fd, lifecycle, post, pull, signal, timer};
pub use asyncguest::OsFd;
use pyo3::{PyResult, Python};

use crate::error::error;
use crate::host::{HostCalls, AGAIN};

pub use asyncguest::error::{
    GUEST_ECLOSED as ECLOSED, GUEST_EINLINE as EINLINE, GUEST_ENOTSUP as ENOTSUP, GUEST_ESTALE as ESTALE,
};
pub use found::{Found, EVENTS};
pub use process::{live, now, signal_arrivals, version, VERSION};
pub use types::{
    GuestId, GuestStats, GuestStatus as Status, GUEST_DRIVE_FD as DRIVE_FD, GUEST_DRIVE_RUN as DRIVE_RUN,
    GUEST_DRIVE_THREAD as DRIVE_THREAD, GUEST_FOREVER as FOREVER, GUEST_STALL_DELIVERING as STALL_DELIVERING,
};

/// How a guest is to behave: what of `guest_options_t` the package has a use for.
pub struct Options {
    pub drive: u32,
    pub repost_after: u64,
    pub stall_after: u64,
    pub post_local: bool,
    pub looks_again: bool,
}

/// A guest of the pull form, and its poster. NULL when it is freed, which each call answers with ENULL.
pub struct Guest {
    g: AtomicPtr<c_void>,
    poster: AtomicPtr<c_void>,
    /// What the library calls, which is one of its owners until no thread of it can come any more.
    calls: Arc<HostCalls>,
}

impl Guest {
    /// `guest_start` and `guest_poster_new`.
    pub fn start(py: Python<'_>, calls: Arc<HostCalls>, options: &Options) -> PyResult<Guest> {
        let threaded = options.drive == DRIVE_THREAD;
        let host = GuestHost {
            struct_size: size_of::<GuestHost>(),
            data: Arc::into_raw(calls.clone()).cast_mut().cast(),
            post: threaded.then_some(on_post as _),
            post_local: (threaded && options.post_local).then_some(on_post_local as _),
            done: None,
            on_stall: (options.stall_after != 0).then_some(on_stall as _),
        };
        let options = GuestOptions {
            struct_size: size_of::<GuestOptions>(),
            drive: options.drive,
            flags: types::GUEST_FLAG_PULL | if options.looks_again { types::GUEST_FLAG_LEVEL } else { 0 },
            batch_budget: FOREVER, // asyncio's queue has a budget of its own
            nested_after: 0,
            repost_after: options.repost_after,
            stall_after: options.stall_after,
            work_threads: 0,
            reserved: 0,
        };
        let mut g = ptr::null_mut();
        // SAFETY: both structs begin with their size; `data` is kept alive by the reference that has just been given away.
        let started = unsafe { lifecycle::guest_start(&host, &options, &mut g) };
        let guest = Guest { g: AtomicPtr::new(g.cast()), poster: AtomicPtr::default(), calls };
        if started < 0 {
            guest.take_calls_back();
            return Err(error(py, started));
        }
        let mut poster = ptr::null_mut();
        // SAFETY: a guest that has just been started.
        let made = unsafe { post::guest_poster_new(g, &mut poster) };
        if made < 0 {
            let failure = error(py, made); // while it is the last one
            guest.free(py, true);
            return Err(failure);
        }
        guest.poster.store(poster.cast(), Relaxed);
        Ok(guest)
    }

    pub fn is_freed(&self) -> bool {
        self.g.load(Relaxed).is_null()
    }

    pub fn adopt(&self, _py: Python<'_>) -> Status {
        // SAFETY: NULL or a guest; the interpreter lock is held, so that no other thread is inside one of its calls but in
        // a wait, which the library sees.
        unsafe { lifecycle::guest_adopt(self.g.load(Relaxed).cast()) }
    }

    /// The fd is the user data of its own watch: no table to look it up in.
    pub fn fd_add(&self, _py: Python<'_>, fd: i32, events: u32) -> Result<GuestId, Status> {
        let (g, user_data) = (self.g.load(Relaxed).cast(), ptr::without_provenance_mut(fd as usize));
        let mut id = 0;
        // SAFETY: NULL or a guest; what the library has of the user data is its value.
        let status = unsafe { fd::guest_fd_add(g, fd as OsFd, events, None, user_data, None, &mut id) };
        done(status, id)
    }

    pub fn fd_modify(&self, _py: Python<'_>, id: GuestId, events: u32) -> Status {
        // SAFETY: NULL or a guest.
        unsafe { fd::guest_fd_modify(self.g.load(Relaxed).cast(), id, events) }
    }

    pub fn signal_add(&self, _py: Python<'_>, signum: i32) -> Result<GuestId, Status> {
        let mut id = 0;
        // SAFETY: NULL or a guest.
        let status = unsafe {
            signal::guest_signal_add(
                self.g.load(Relaxed).cast(),
                signum,
                None,
                ptr::null_mut(),
                None,
                &mut id,
            )
        };
        done(status, id)
    }

    pub fn close(&self, _py: Python<'_>, id: GuestId) -> Status {
        // SAFETY: NULL or a guest.
        unsafe { lifecycle::guest_close(self.g.load(Relaxed).cast(), id) }
    }

    pub fn set_deadline(&self, _py: Python<'_>, deadline: u64) -> Status {
        // SAFETY: NULL or a guest.
        unsafe { timer::guest_deadline(self.g.load(Relaxed).cast(), deadline) }
    }

    #[inline]
    pub fn batch_begin(&self, _py: Python<'_>, token: u64) -> Status {
        // SAFETY: NULL or a guest.
        unsafe { pull::guest_batch_begin(self.g.load(Relaxed).cast(), token) }
    }

    #[inline]
    pub fn batch_end(&self, _py: Python<'_>) -> Status {
        // SAFETY: NULL or a guest.
        unsafe { pull::guest_batch_end(self.g.load(Relaxed).cast()) }
    }

    /// One look of an open batch. The caller lets go of the interpreter lock if it is to wait.
    #[inline]
    pub fn batch_wait(&self, timeout: u64, found: &mut Found) -> Status {
        let mut events = [const { MaybeUninit::<GuestEvent>::uninit() }; EVENTS];
        let mut count = 0;
        let g = self.g.load(Relaxed).cast();
        // SAFETY: NULL or a guest, which nobody frees meanwhile: that is for this thread, as the batch is. There is room
        // for as many events as it is told.
        let status =
            unsafe { pull::guest_batch_wait(g, timeout, events.as_mut_ptr().cast(), EVENTS, &mut count) };
        if status < 0 {
            return status;
        }
        for event in &events[..count] {
            // SAFETY: the library has written the first `count`.
            let event = unsafe { event.assume_init_ref() };
            match event.kind {
                types::GUEST_EVENT_FD => found.push(event.user_data.addr() as i32, event.flags as i32),
                // No fd is negative, so the sign tells a signal from an fd.
                types::GUEST_EVENT_SIGNAL => {
                    found.push(-(event.flags as i32), event.value.clamp(0, i64::from(i32::MAX)) as i32);
                }
                // Posts have done their work by ending the wait, and the deadline of the loop's timers is no event.
                _ => {}
            }
        }
        status
    }

    /// Asks for the next delivery. Host thread.
    pub fn wake(&self, _py: Python<'_>) -> Status {
        // SAFETY: NULL or a guest.
        unsafe { lifecycle::guest_wake(self.g.load(Relaxed).cast()) }
    }

    /// Asks for a delivery, from any thread. It runs nothing of the host's.
    pub fn poster_wake(&self, _py: Python<'_>) {
        // SAFETY: NULL or a poster, which nobody frees while this thread has the interpreter lock.
        unsafe { post::guest_poster_wake(self.poster.load(Relaxed).cast()) };
    }

    pub fn fd(&self, _py: Python<'_>) -> Result<OsFd, Status> {
        let mut fd = 0;
        // SAFETY: NULL or a guest.
        let status = unsafe { lifecycle::guest_fd(self.g.load(Relaxed).cast(), &mut fd) };
        done(status, fd)
    }

    pub fn stats(&self, _py: Python<'_>) -> Result<GuestStats, Status> {
        // SAFETY: integers alone.
        let mut stats: GuestStats = unsafe { MaybeUninit::zeroed().assume_init() };
        stats.struct_size = size_of::<GuestStats>();
        // SAFETY: NULL or a guest; the struct begins with its size.
        let status = unsafe { lifecycle::guest_stats(self.g.load(Relaxed).cast(), &mut stats) };
        done(status, stats)
    }

    /// Frees the guest, and its poster, which keeps fds open. Joins a thread that may be on its way into Python, and so
    /// lets go of the interpreter lock. Once: what comes later finds nothing.
    ///
    /// `here`: the guest is this thread's, or this process is the child of a fork. Otherwise the library refuses, its
    /// thread lives on, and what that calls has to live as well.
    pub fn free(&self, py: Python<'_>, here: bool) {
        let g = AtomicPtr::new(self.g.swap(ptr::null_mut(), Relaxed));
        if g.load(Relaxed).is_null() {
            return;
        }
        // SAFETY: a guest, which is gone from `self`.
        py.detach(|| unsafe {
            while pull::guest_batch_end(g.load(Relaxed).cast()) == GUEST_OK {} // one that an exception has left open
            lifecycle::guest_free(g.load(Relaxed).cast());
        });
        // SAFETY: NULL or a poster, which is gone from `self`.
        unsafe { post::guest_poster_free(self.poster.swap(ptr::null_mut(), Relaxed).cast()) };
        if here {
            self.take_calls_back();
        }
    }

    /// Leaves the guest as it is, for good: in a forked child, where the thread that it lives on does not exist.
    pub fn abandon(&self) {
        self.g.store(ptr::null_mut(), Relaxed);
        self.poster.store(ptr::null_mut(), Relaxed);
    }

    /// The reference that the library had.
    fn take_calls_back(&self) {
        // SAFETY: `start` has given it away, and this comes once: with the end of the guest.
        drop(unsafe { Arc::from_raw(Arc::as_ptr(&self.calls)) });
    }
}

fn done<T>(status: Status, value: T) -> Result<T, Status> {
    if status < 0 {
        Err(status)
    } else {
        Ok(value)
    }
}

/// What the library has as `data`. A reference of its own for each call, since `guest_free` leaves behind a thread whose
/// host does not return from `post`.
///
/// # Safety
/// `data` is what `start` has given to a guest that is not freed yet.
unsafe fn called(data: *mut c_void) -> Arc<HostCalls> {
    let calls = data.cast_const().cast::<HostCalls>();
    // SAFETY: the library has a reference, which is taken back when the guest has been freed.
    unsafe {
        Arc::increment_strong_count(calls);
        Arc::from_raw(calls)
    }
}

/// What `guest_host_t`'s `post` points to.
extern "C" fn on_post(data: *mut c_void, token: u64) -> i32 {
    // SAFETY: no thread of the library begins a call when its guest is freed.
    let calls = unsafe { called(data) };
    catch_unwind(AssertUnwindSafe(|| calls.post(token))).unwrap_or(AGAIN)
}

/// What `guest_host_t`'s `post_local` points to.
extern "C" fn on_post_local(data: *mut c_void, token: u64) -> i32 {
    // SAFETY: no thread of the library begins a call when its guest is freed.
    let calls = unsafe { called(data) };
    catch_unwind(AssertUnwindSafe(|| calls.post_local(token))).unwrap_or(AGAIN)
}

/// What `guest_host_t`'s `on_stall` points to.
extern "C" fn on_stall(data: *mut c_void, kind: u32, nanoseconds: u64) {
    // SAFETY: as above.
    let calls = unsafe { called(data) };
    let _ = catch_unwind(AssertUnwindSafe(|| calls.stalled(kind, nanoseconds)));
}
