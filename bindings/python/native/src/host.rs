//! The way from the library into Python: `host.post(partial(deliver, token))`, and reports of stalls.
//!
//! Owns: the host and the functions that the reactor was given, shared with the library until the guest is freed. Runs on
//! whichever thread the guest posts from, most often its I/O thread, which Python has never heard of.

use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use asyncguest::ffi::types::GUEST_HOST_GONE;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::thread_state::{attached, Uncollected};

/// What `post` returns to be asked again later.
pub const AGAIN: i32 = -1;

/// What the library may call of a reactor's, under the interpreter lock.
#[derive(Default)]
pub struct Lent {
    /// The host's own, called with a job.
    pub post: Option<Py<PyAny>>,
    pub post_local: Option<Py<PyAny>>,
    /// What is posted is `deliver(token)`. None: nothing is posted any more.
    pub deliver: Option<Py<PyAny>>,
    /// Called with how many posts in a row have failed, and the exception. True: nothing more is to be posted.
    pub failed: Option<Py<PyAny>>,
    /// Called with a kind and seconds, on a thread of the library.
    pub on_stall: Option<Py<PyAny>>,
}

/// What the library calls.
#[derive(Default)]
pub struct HostCalls {
    /// Locked for a moment, with the interpreter lock held, and never while Python code runs.
    lent: Mutex<Lent>,
    /// Posts that were refused in a row.
    failures: AtomicI32,
}

impl HostCalls {
    pub fn new(lent: Lent) -> HostCalls {
        HostCalls { lent: Mutex::new(lent), failures: AtomicI32::new(0) }
    }

    fn lent(&self) -> MutexGuard<'_, Lent> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on what is posted is `deliver(token)`; None: nothing is any more.
    pub fn set_deliver(&self, deliver: Option<Py<PyAny>>) {
        let before = std::mem::replace(&mut self.lent().deliver, deliver);
        drop(before); // the lock is not held: it may run Python code
    }

    /// Keeps nothing of Python's any more.
    pub fn clear(&self) {
        let lent = std::mem::take(&mut *self.lent());
        drop(lent);
    }

    /// For Python's garbage collector.
    pub fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(lent) = self.lent.try_lock() else { return Ok(()) };
        visit.call(&lent.post)?;
        visit.call(&lent.post_local)?;
        visit.call(&lent.deliver)?;
        visit.call(&lent.failed)?;
        visit.call(&lent.on_stall)
    }

    /// Has the host run a delivery soon.
    pub fn post(&self, token: u64) -> i32 {
        attached(|py| {
            let _uncollected = Uncollected::begin(py);
            self.hand_over(py, |lent| &lent.post, token)
        })
        .unwrap_or(GUEST_HOST_GONE)
    }

    /// The same by the host's cheaper way, on its own thread.
    pub fn post_local(&self, token: u64) -> i32 {
        attached(|py| self.hand_over(py, |lent| &lent.post_local, token)).unwrap_or(GUEST_HOST_GONE)
    }

    fn hand_over(&self, py: Python<'_>, way: fn(&Lent) -> &Option<Py<PyAny>>, token: u64) -> i32 {
        let (post, deliver) = {
            let lent = self.lent();
            (way(&lent).as_ref().map(|it| it.clone_ref(py)), lent.deliver.as_ref().map(|it| it.clone_ref(py)))
        };
        let (Some(post), Some(deliver)) = (post, deliver) else { return 0 };
        let job = partial(py).and_then(|partial| partial.call1((deliver, token)));
        match job.and_then(|job| post.bind(py).call1((job,))) {
            Ok(_) => {
                self.failures.store(0, Relaxed);
                0
            }
            Err(error) => {
                self.tell(py, error);
                AGAIN
            }
        }
    }

    /// The host's `post` has raised.
    fn tell(&self, py: Python<'_>, error: PyErr) {
        let failures = self.failures.load(Relaxed) + 1;
        self.failures.store(failures, Relaxed);
        let failed = self.lent().failed.as_ref().map(|it| it.clone_ref(py));
        let Some(failed) = failed else { return };
        let told = failed.bind(py).call1((failures, error.into_value(py)));
        if told.and_then(|told| told.is_truthy()).unwrap_or(false) {
            self.set_deliver(None);
        }
    }

    /// The host has been stuck for so long.
    pub fn stalled(&self, kind: u32, nanoseconds: u64) {
        attached(|py| {
            let on_stall = self.lent().on_stall.as_ref().map(|it| it.clone_ref(py));
            // It tells of its own exceptions: on this thread nobody else does.
            on_stall.and_then(|on_stall| on_stall.call1(py, (kind, nanoseconds as f64 / 1e9)).ok())
        });
    }
}

fn partial(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static PARTIAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    PARTIAL.import(py, "functools", "partial")
}
