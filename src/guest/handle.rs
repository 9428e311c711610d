//! L4. The right to register, change and close sources.
//!
//! Owns: a reference to the host thread's half of the guest. Host thread only.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::core::context::Context;
use crate::core::registered::registry::Registry;
use crate::core::registered::source::{Callback, Lent};
use crate::error::Result;
use crate::id::Id;
use crate::sources::Resolved;
use crate::sync::{lock, Mutex};
use crate::sys::{ChildExit, OsFd, Query};

/// The right to register, change and close sources, on the host thread. Each function fails as that of [`crate::ffi`] does
/// which is called so after `guest_`.
#[derive(Clone)]
pub struct Handle(pub(super) Rc<Registry>);

impl Handle {
    /// Watches `fd` for readiness; level-triggered. The bits are [`crate::ffi`]'s `GUEST_READABLE`
    /// and its sisters.
    pub fn fd_add(&self, fd: OsFd, events: u32, f: impl FnMut(&Handle, Id, u32) + 'static) -> Result<Id> {
        self.0.fd_add(fd, events, Closure::new(f))
    }

    /// Changes what an fd is watched for; 0 pauses it.
    pub fn fd_modify(&self, id: Id, events: u32) -> Result<()> {
        self.0.fd_modify(id, events)
    }

    /// Watches a handle that can be waited for; level-triggered. The callback gets `GUEST_READABLE`; 0 in
    /// [`Handle::fd_modify`] pauses it.
    #[cfg(windows)]
    pub fn handle_add(&self, handle: OsFd, f: impl FnMut(&Handle, Id, u32) + 'static) -> Result<Id> {
        self.0.handle_add(handle, crate::sys::READABLE, Closure::new(f))
    }

    /// Starts a timer; `period` 0 is one-shot. The callback gets the number of expirations.
    pub fn timer_add(
        &self,
        delay: u64,
        period: u64,
        f: impl FnMut(&Handle, Id, u64) + 'static,
    ) -> Result<Id> {
        self.0.timer_add(delay, period, Closure::new(f))
    }

    /// Arms a timer anew.
    pub fn timer_modify(&self, id: Id, delay: u64, period: u64) -> Result<()> {
        self.0.timer_modify(id, delay, period)
    }

    /// Asks for a delivery at `deadline` (nanoseconds of [`crate::monotonic_ns`]; `FOREVER`: for none), also if nothing
    /// is due then; for who keeps timers of its own. Replaces the deadline before; forgotten when it has come. (`guest_deadline`)
    pub fn set_deadline(&self, deadline: u64) -> Result<()> {
        self.0.set_deadline(deadline)
    }

    /// Watches a signal. The callback gets its number and how often it arrived.
    pub fn signal_add(&self, signum: i32, f: impl FnMut(&Handle, Id, (i32, u32)) + 'static) -> Result<Id> {
        self.0.signal_add(signum, Closure::new(f))
    }

    /// Watches a child process and reaps it.
    pub fn child_add(&self, pid: i32, f: impl FnMut(&Handle, Id, ChildExit) + 'static) -> Result<Id> {
        self.0.child_add(pid, Closure::new(f))
    }

    /// Runs `work` on the pool, then `done` with its result on this thread. A `work` that panics
    /// has no result, and `done` is then dropped.
    pub fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
        done: impl FnOnce(&Handle, T) + 'static,
    ) -> Result<Id> {
        let slot = Arc::new(Mutex::new(None));
        let result = slot.clone();
        let body = move || {
            let value = work();
            *lock(&result) = Some(value);
        };
        let done = Cell::new(Some(done));
        let finish = move |handle: &Handle, _: Id, ()| {
            let value = lock(&slot).take();
            if let (Some(done), Some(value)) = (done.take(), value) {
                done(handle, value);
            }
        };
        self.0.work_add(Box::new(body), Closure::new(finish))
    }

    /// Resolves a name on the pool. One that is unknown comes to the callback.
    pub fn resolve(&self, query: Query, f: impl FnMut(&Handle, Id, &Resolved) + 'static) -> Result<Id> {
        self.0.resolve_add(query, Closure::new(f))
    }

    /// Closes a source of any kind.
    pub fn close(&self, id: Id) -> Result<()> {
        self.0.close(id)
    }

    /// Whether that source is open.
    pub fn is_open(&self, id: Id) -> bool {
        self.0.table.borrow().get(id).is_some()
    }

    /// That of the guest whose callback this is; `None` never, while one runs.
    pub(super) fn of(context: &Context) -> Option<Handle> {
        context.registry().map(Handle)
    }
}

/// A Rust closure as a source's callback. While it runs its source is not delivered again, so the
/// borrow is never met by a second one.
pub(super) struct Closure<F>(RefCell<F>);

impl<F> Closure<F> {
    pub(super) fn new(f: F) -> Closure<F> {
        Closure(RefCell::new(f))
    }
}

impl<A, F: FnMut(&Handle, Id, A) + 'static> Callback<A> for Closure<F> {
    fn call(&self, context: &Context, id: Id, args: A) {
        if let Some(handle) = Handle::of(context) {
            (self.0.borrow_mut())(&handle, id, args);
        }
    }
}

impl<F> Lent for Closure<F> {
    fn drop_runs_user_code(&self) -> bool {
        std::mem::needs_drop::<F>()
    }
}
