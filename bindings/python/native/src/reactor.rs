//! One native guest: fds, one alarm, signals, and the waiting.
//!
//! Every method is for the host thread except those that say otherwise. Deliveries are taken in the pull form: the events
//! of one look arrive as a flat list of ints, and no call goes from the library into Python except the host's post.

use std::collections::hash_map::{Entry, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyAssertionError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::abi::{self, Found, Guest, GuestId, Options};
use crate::delivery::Delivery;
use crate::error::{check, error, GuestError};
use crate::host::{HostCalls, Lent};
use crate::open;
use crate::stats::figures;
use crate::thread_state::ident;
use crate::time::{nanoseconds, number, seconds};

/// No alarm is set: a NaN that no computation makes.
const NO_ALARM: u64 = u64::MAX;

/// A guest of the library, for one loop.
#[pyclass(frozen, weakref, module = "asyncguest._native")]
pub struct Reactor {
    pub guest: Guest,
    calls: Arc<HostCalls>,
    /// The thread that the loop lives on; see `adopt`.
    host_thread: AtomicU64,
    /// The host's thread is that of the run, for good.
    hosted: bool,
    threaded: bool,
    looks_again: bool,
    /// Not in drive THREAD, and not on a system where nobody can wait for it.
    fd: Option<abi::OsFd>,
    /// Seconds as bits.
    alarm_at: AtomicU64,
    signals: Mutex<HashMap<i32, GuestId>>,
}

impl Reactor {
    fn is_here(&self) -> bool {
        ident() == self.host_thread.load(Relaxed)
    }

    /// Sets the alarm. Not for a time that has passed.
    pub fn alarm_to(&self, py: Python<'_>, when: Option<f64>) -> PyResult<()> {
        if !self.is_alarm(when) {
            check(py, self.set_deadline(py, when))?;
            self.note_alarm(when);
        }
        Ok(())
    }

    /// Sets the alarm to `when`, if it is not set to something earlier.
    pub fn alarm_by(&self, py: Python<'_>, when: f64) -> PyResult<()> {
        if self.alarm().is_some_and(|at| at <= when) {
            return Ok(());
        }
        self.alarm_to(py, Some(when))
    }

    /// Whether the host looks at the fd as soon as it has had its turn, and sees all that is ready then.
    pub fn is_watched(&self) -> bool {
        self.looks_again && !self.threaded
    }

    pub fn is_freed(&self) -> bool {
        self.guest.is_freed()
    }

    pub fn set_deadline(&self, py: Python<'_>, when: Option<f64>) -> abi::Status {
        let deadline = when.map_or(abi::FOREVER, nanoseconds);
        self.guest.set_deadline(py, deadline)
    }

    /// Whether the alarm is set to this. NaN equals nothing, as in Python.
    pub fn is_alarm(&self, when: Option<f64>) -> bool {
        when == self.alarm()
    }

    fn alarm(&self) -> Option<f64> {
        let bits = self.alarm_at.load(Relaxed);
        (bits != NO_ALARM).then(|| f64::from_bits(bits))
    }

    pub fn note_alarm(&self, when: Option<f64>) {
        self.alarm_at.store(when.map_or(NO_ALARM, f64::to_bits), Relaxed);
    }

    fn signals(&self) -> MutexGuard<'_, HashMap<i32, GuestId>> {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Reactor {
    #[new]
    #[pyo3(signature = (
        *, posts_to=None, deliver=None, post_failed=None, on_stall=None, stall_after=None, repost_after=None, hosted=false,
        looks_again=false
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        posts_to: Option<Bound<'_, PyAny>>,
        deliver: Option<Py<PyAny>>,
        post_failed: Option<Py<PyAny>>,
        on_stall: Option<Py<PyAny>>,
        stall_after: Option<Bound<'_, PyAny>>,
        repost_after: Option<Bound<'_, PyAny>>,
        hosted: bool,
        looks_again: bool,
    ) -> PyResult<Reactor> {
        let threaded = posts_to.is_some();
        let looks_again = looks_again && cfg!(unix); // what a host waits for on Windows is no fd
        let (post, post_local) = match &posts_to {
            Some(host) => (Some(host.getattr("post")?), host.getattr("post_local")?.extract()?),
            None => (None, None::<Py<PyAny>>),
        };
        let options = Options {
            drive: match (threaded, hosted) {
                (true, _) => abi::DRIVE_THREAD,
                (false, true) => abi::DRIVE_FD,
                (false, false) => abi::DRIVE_RUN,
            },
            repost_after: repost_after.as_ref().map_or(Ok(0), seconds)?,
            stall_after: stall_after.as_ref().filter(|_| on_stall.is_some()).map_or(Ok(0), seconds)?,
            post_local: post_local.is_some(),
            looks_again,
        };
        let post = post.map(Bound::unbind);
        let lent = Lent { post, post_local, deliver, failed: post_failed, on_stall };
        let calls = Arc::new(HostCalls::new(lent));
        let guest = Guest::start(py, calls.clone(), &options)?;
        let fd = match threaded {
            true => None,
            false => match guest.fd(py) {
                Ok(fd) => Some(fd),
                Err(abi::ENOTSUP) if !hosted => None,
                Err(status) => {
                    let failure = error(py, status);
                    guest.free(py, true);
                    return Err(failure);
                }
            },
        };
        Ok(Reactor {
            guest,
            calls,
            host_thread: AtomicU64::new(ident()),
            hosted,
            threaded,
            looks_again,
            fd,
            alarm_at: AtomicU64::new(NO_ALARM),
            signals: Mutex::default(),
        })
    }

    #[pyo3(signature = (**_options))]
    fn __init__(slf: &Bound<'_, Self>, _options: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        open::add(slf)
    }

    // ---- the way to the host

    /// From here on what is posted is `deliver(token)`; None: nothing is any more.
    #[pyo3(signature = (deliver, /))]
    fn post_deliveries(&self, deliver: Option<Py<PyAny>>) {
        self.calls.set_deliver(deliver);
    }

    /// Whether an I/O thread of the library does the waiting and posts tokens.
    #[getter]
    fn threaded(&self) -> bool {
        self.threaded
    }

    // ---- threads

    /// The thread that the loop lives on; see `adopt`.
    #[getter]
    fn host_thread(&self) -> u64 {
        self.host_thread.load(Relaxed)
    }

    /// Makes the calling thread the loop's, if nothing of it is in progress elsewhere.
    ///
    /// asyncio allows a loop to be made on one thread, run on another and closed on a third, one after the other.
    pub fn adopt(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_here() || self.hosted {
            return Ok(());
        }
        self.take_over(py)
    }

    /// The same for the loop of a run, whose host thread is no more.
    fn take_over(&self, py: Python<'_>) -> PyResult<()> {
        check(py, self.guest.adopt(py))?;
        self.host_thread.store(ident(), Relaxed);
        Ok(())
    }

    // ---- what is watched

    /// Watches a borrowed fd for EVENT_READ, EVENT_WRITE or both; returns the id of the watch.
    #[pyo3(signature = (fd, events, /))]
    fn watch(&self, py: Python<'_>, fd: i32, events: u32) -> PyResult<GuestId> {
        self.adopt(py)?;
        self.guest.fd_add(py, fd, events).map_err(|status| error(py, status))
    }

    /// Watches a borrowed handle that is no socket, as EVENT_READ for as long as it is signalled; returns the id of the watch.
    #[cfg(windows)]
    #[pyo3(signature = (handle, /))]
    fn watch_handle(&self, py: Python<'_>, handle: usize) -> PyResult<GuestId> {
        self.adopt(py)?;
        self.guest.handle_add(py, handle).map_err(|status| error(py, status))
    }

    /// Watches for something else; 0 pauses.
    #[pyo3(signature = (watch, events, /))]
    fn rewatch(&self, py: Python<'_>, watch: GuestId, events: u32) -> PyResult<()> {
        self.adopt(py)?;
        check(py, self.guest.fd_modify(py, watch, events))
    }

    /// Ends a watch. One that is over already is ignored.
    #[pyo3(signature = (watch, /))]
    fn unwatch(&self, py: Python<'_>, watch: GuestId) -> PyResult<()> {
        self.adopt(py)?;
        self.guest.close(py, watch);
        Ok(())
    }

    /// Looks report `signum` from here on.
    #[pyo3(signature = (signum, /))]
    fn watch_signal(&self, py: Python<'_>, signum: i32) -> PyResult<()> {
        let added = match self.signals().entry(signum) {
            Entry::Occupied(_) => return Ok(()),
            Entry::Vacant(entry) => self.guest.signal_add(py, signum).map(|watch| *entry.insert(watch)),
        };
        added.map(drop).map_err(|status| error(py, status))
    }

    /// The opposite; the handler that was there before is put back.
    #[pyo3(signature = (signum, /))]
    fn unwatch_signal(&self, py: Python<'_>, signum: i32) {
        if let Some(watch) = self.signals().remove(&signum) {
            self.guest.close(py, watch);
        }
    }

    /// Something is due at `when`, in the time of `monotonic()`, or nothing is. Not for a time that has passed.
    #[pyo3(signature = (when, /))]
    fn set_alarm(&self, py: Python<'_>, when: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        self.alarm_to(py, when.as_ref().map(number).transpose()?)
    }

    /// What the alarm is set to.
    #[getter]
    fn alarm_at(&self) -> Option<f64> {
        self.alarm()
    }

    // ---- deliveries

    /// Opens a delivery and looks: what `poll` returns. None: the token was old, doubled or delivered inside `post`, or the
    /// guest is over; nothing is open.
    #[pyo3(signature = (token, /))]
    fn begin<'py>(&self, py: Python<'py>, token: u64) -> PyResult<Option<Bound<'py, PyList>>> {
        let mut found = Found::new();
        if !self.begin_with(py, token, &mut found)? {
            return Ok(None);
        }
        PyList::new(py, found.numbers()).map(Some)
    }

    /// What is ready: fd and readiness, or -signum and how often, by turns. If it is to wait for the first event, it does
    /// so without the interpreter lock; None waits for ever.
    #[pyo3(signature = (nanoseconds=Some(0), /))]
    fn poll<'py>(&self, py: Python<'py>, nanoseconds: Option<u64>) -> PyResult<Bound<'py, PyList>> {
        let mut found = Found::new();
        self.look(py, nanoseconds.unwrap_or(abi::FOREVER), &mut found)?;
        PyList::new(py, found.numbers())
    }

    /// Ends the innermost delivery: the alarm is set to `when`, or the next delivery is asked for.
    #[pyo3(signature = (when, more, /))]
    fn end(&self, py: Python<'_>, when: Option<Bound<'_, PyAny>>, more: bool) -> PyResult<()> {
        self.end_with(py, when.as_ref().map(number).transpose()?, more)
    }

    /// A delivery that nobody announced, for a `with` statement; nothing is looked at yet.
    fn delivery(slf: Py<Self>) -> Delivery {
        Delivery::of(slf)
    }

    /// Asks for a delivery. Any thread, also after the end.
    pub fn wake(&self, py: Python<'_>) {
        self.guest.poster_wake(py);
    }

    // ---- the rest

    /// Readable whenever anything is due; on Windows a handle. Not in drive THREAD.
    #[getter]
    fn fd(&self) -> PyResult<abi::OsFd> {
        self.fd.ok_or_else(|| PyAssertionError::new_err("a guest in drive THREAD has no fd"))
    }

    /// The library's counters by their names in the C header; histograms are tuples. Any thread.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.guest.stats(py).map_err(|status| error(py, status))?;
        figures(py, &stats)
    }

    /// Whether `close` has been called.
    #[getter]
    fn closed(&self) -> bool {
        self.guest.is_freed()
    }

    /// Frees the guest and joins its thread; once. In a forked child, frees the child's copy.
    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        if this.guest.is_freed() {
            return Ok(());
        }
        // It fails in the child of a fork; or in use on another thread, and then the library refuses and frees nothing.
        let adopted = this.adopt(py);
        if adopted.as_ref().is_err_and(|error| !error.is_instance_of::<GuestError>(py)) {
            return adopted;
        }
        open::discard(slf);
        this.signals().clear();
        this.guest.free(py, this.is_here());
        this.calls.clear();
        Ok(())
    }

    /// The same in the child of a fork. A loop that lives on a thread that does not exist here is left as it is: that
    /// thread may have been inside it.
    fn forget_in_child(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.get().is_here() {
            return Self::close(slf);
        }
        slf.get().guest.abandon();
        open::discard(slf);
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.calls.traverse(visit)
    }

    fn __clear__(&self) {
        self.calls.clear();
    }
}
