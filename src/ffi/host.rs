//! L5. The C host behind the `Host` trait.

use std::ffi::c_void;

use super::sized;
use super::types::{GuestHost, GUEST_HOST_GONE};
use crate::error::{Error, Result, Status};
use crate::guest::{Drive, Host, Posted, Stall};

/// A copy of the caller's `guest_host_t`.
pub(super) struct ForeignHost(GuestHost);

// SAFETY: the header demands of the caller that `post` and `on_stall` may be called from the I/O
// thread with `data`; everything else is called on the host thread.
unsafe impl Send for ForeignHost {}
// SAFETY: as above.
unsafe impl Sync for ForeignHost {}

impl ForeignHost {
    /// Copies the caller's struct; NULL gives a host that does nothing.
    ///
    /// # Safety
    /// `host` is NULL or points to a `guest_host_t` that begins with its size.
    pub(super) unsafe fn read(host: *const GuestHost) -> Result<ForeignHost> {
        if host.is_null() {
            let data = std::ptr::null_mut();
            let none =
                GuestHost { struct_size: 0, data, post: None, post_local: None, done: None, on_stall: None };
            return Ok(ForeignHost(none));
        }
        // SAFETY: the caller's promise.
        Ok(ForeignHost(unsafe { sized::read(host, "host")? }))
    }

    /// Whether this host can do what `drive` needs.
    pub(super) fn check(&self, drive: Drive) -> Result<()> {
        if drive == Drive::Thread && self.0.post.is_none() {
            return Err(Error::new(
                Status::NULL,
                "host.post is NULL: GUEST_DRIVE_THREAD posts tokens; give it, or start with GUEST_DRIVE_FD",
            ));
        }
        Ok(())
    }

    pub(super) fn data(&self) -> *mut c_void {
        self.0.data
    }

    fn posted(code: i32) -> Posted {
        match code {
            GUEST_HOST_GONE => Posted::Gone,
            ..0 => Posted::Later,
            _ => Posted::Queued,
        }
    }
}

impl Host for ForeignHost {
    fn post(&self, token: u64) -> Posted {
        let Some(post) = self.0.post else { return Posted::Queued };
        // SAFETY: the caller's function, called as the header says.
        ForeignHost::posted(unsafe { post(self.0.data, token) })
    }

    fn post_local(&self, token: u64) -> Posted {
        let Some(post) = self.0.post_local else { return self.post(token) };
        // SAFETY: as above.
        ForeignHost::posted(unsafe { post(self.0.data, token) })
    }

    fn done(&self, status: Status) {
        if let Some(done) = self.0.done {
            // SAFETY: as above.
            unsafe { done(self.0.data, status.code()) }
        }
    }

    fn on_stall(&self, kind: Stall, nanoseconds: u64) {
        if let Some(on_stall) = self.0.on_stall {
            // SAFETY: as above.
            unsafe { on_stall(self.0.data, kind as u32, nanoseconds) }
        }
    }
}
