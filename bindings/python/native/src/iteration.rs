//! One iteration of the loop, by the semantics of `BaseEventLoop._run_once`: look, then the timers that are due, then as many
//! callbacks as were ready when the running began. It can be cut by a budget, and entered again by a nested host loop.

use std::sync::atomic::Ordering::Relaxed;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

use crate::abi::{self, Found};
use crate::arguments::Arguments;
use crate::call::{call, call0};
use crate::clock::{monotonic, time};
use crate::loop_state::LoopState;
use crate::ring::Entry;
use crate::schedule;
use crate::time::nanoseconds;
use crate::timers;
use crate::watch::Watch;

/// Seconds after which a loop that has callbacks ready looks at the system's poller between them. A look costs as much as a
/// short callback does; when nothing is ready it comes at once.
pub const LOOK_EVERY: f64 = 50e-6;

/// Seconds. As CPython: a longer wait than a day is cut.
pub const LONGEST_WAIT: f64 = 24.0 * 3600.0;

/// The place of `data` in `selectors.SelectorKey`.
const DATA: usize = 3;

/// Looks at the reactor and queues what it has found. `wait`: at most so many nanoseconds for the first event. Returns
/// whether there was any.
pub fn look(slf: &Bound<'_, LoopState>, wait: u64) -> PyResult<bool> {
    let mut found = Found::new();
    slf.get().reactor()?.get().look(slf.py(), wait, &mut found)?;
    queue_found(slf, &found)?;
    Ok(!found.numbers().is_empty())
}

/// Queues the callbacks of what a look has found, in order.
///
/// No fd's while part of an iteration is left: it may be in that part already, and the callback that has run twice for once
/// would find nothing the second time. Once that part has run, a look finds it again.
pub fn queue_found(slf: &Bound<'_, LoopState>, found: &Found) -> PyResult<()> {
    let py = slf.py();
    for event in found.numbers().chunks_exact(2) {
        let (fd, flags) = (event[0], event[1]);
        if fd < 0 {
            call(&slf.getattr(intern!(py, "signal_arrived"))?, (-fd, flags))?;
            continue;
        }
        if slf.get().is_cut() {
            continue;
        }
        let keys = slf.get().keys(py);
        let Some(key) = keys.get_item(fd)? else { continue };
        let data = key.cast::<PyTuple>()?.get_item(DATA)?;
        let data = data.cast::<PyTuple>()?;
        // As CPython's EpollSelector: an error or a hang-up is reported to both sides.
        for (side, other, remove) in
            [(0, 2, intern!(py, "_remove_reader")), (1, 1, intern!(py, "_remove_writer"))]
        {
            let handle = data.get_item(side)?;
            if handle.is_none() || flags & !other == 0 {
                continue;
            }
            let entry = Entry::of(handle);
            if entry.is_cancelled(py)? {
                call(&slf.getattr(remove)?, (fd,))?;
            } else if !entry.goes_again() {
                slf.get().ready.get().push(py, entry);
            }
        }
    }
    Ok(())
}

/// Queues the timers that are due, by deadline.
pub fn queue_due(slf: &Bound<'_, LoopState>) -> PyResult<()> {
    let (py, core) = (slf.py(), slf.get());
    if core.timers.earliest(py)?.is_none() {
        return Ok(());
    }
    let now = time(slf)?;
    let end = now + core.resolution().max(now.abs() * f64::EPSILON); // it is after `now`, as from CPython 3.15 on
    while let Some(timer) = core.timers.pop_before(py, end)? {
        if timers::is_cancelled(&timer)? {
            core.timers.forget_cancelled();
        } else {
            core.ready.get().push(py, Entry::of(timer));
        }
    }
    Ok(())
}

/// Whether the next iteration has something to run, also if nothing is found that has become ready meanwhile.
pub fn has_work(slf: &Bound<'_, LoopState>) -> PyResult<bool> {
    let (py, core) = (slf.py(), slf.get());
    core.nested.unpark(slf, core.ready.get())?;
    if core.has_ready(py) {
        return Ok(true);
    }
    match core.timers.earliest(py)? {
        Some(when) => Ok(when < time(slf)? + core.resolution()),
        None => Ok(false),
    }
}

/// One iteration of `run_forever`. Returns whether it looked at the poller.
pub fn run_once(slf: &Bound<'_, LoopState>) -> PyResult<bool> {
    static BY_HAND: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static BREATHE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let (py, core) = (slf.py(), slf.get());
    if core.is_hosted(py) || !core.is_claimed() {
        // By hand: by way of the selector, like anybody's.
        return call(BY_HAND.import(py, "asyncguest._compat", "run_once")?, (slf,)).map(|_| true);
    }
    core.nested.unpark(slf, core.ready.get())?;
    let stopping = core.stopping.load(Relaxed);
    let waits = core.ready.get().count(py) == 0 && !stopping;
    let looks = waits || stopping || core.is_to_look();
    if looks {
        let wait = if waits { until_next_timer(slf)? } else { 0 };
        look(slf, wait)?;
        core.look_again_in(LOOK_EVERY);
        if wait == 0 {
            core.timers.prune(py)?;
            // Other threads get the interpreter lock where code of Python's runs, and the callbacks may be of C alone.
            call0(BREATHE.import(py, "asyncguest._compat", "breathe")?)?;
        }
    }
    iterate(slf, f64::INFINITY).map(|_| looks)
}

/// In nanoseconds.
fn until_next_timer(slf: &Bound<'_, LoopState>) -> PyResult<u64> {
    Ok(match slf.get().next_deadline(slf.py())? {
        Some(when) => nanoseconds((when - time(slf)?).min(LONGEST_WAIT)),
        None => abi::FOREVER,
    })
}

/// All of an iteration but the look. What is left when the time is over keeps its order, and is the whole of the next one.
/// At least one callback runs. Returns a time: when the last one had run, by its `Watch`; 0 if it matters to nobody.
pub fn iterate(slf: &Bound<'_, LoopState>, until: f64) -> PyResult<f64> {
    let core = slf.get();
    core.idle.store(false, Relaxed);
    core.nested.unpark(slf, core.ready.get())?;
    queue_due(slf)?;
    run_ready(slf, until)
}

/// The last part of it.
pub fn run_ready(slf: &Bound<'_, LoopState>, until: f64) -> PyResult<f64> {
    let (py, core) = (slf.py(), slf.get());
    let ready = core.ready.get();
    let all = ready.count(py);
    if core.left.load(Relaxed) == 0 || core.left.load(Relaxed) > all {
        core.left.store(all, Relaxed);
    }
    let mut watch = Watch::new();
    // What is left is the loop's: a nested delivery may run it, and the child of a fork is to leave it.
    let outcome = loop {
        let left = core.left.load(Relaxed);
        if left == 0 {
            break Ok(());
        }
        let Some(entry) = ready.take(py) else {
            core.left.store(0, Relaxed);
            break Ok(());
        };
        core.left.store(left - 1, Relaxed);
        let ran = run(slf, &entry);
        entry.release(py);
        match ran {
            Ok(false) => continue,
            Ok(true) => {}
            Err(error) => break Err(error),
        }
        if until.is_finite() {
            // One that was stopped ends with its iteration, and not inside of it.
            if watch.now() >= until && !core.stopping.load(Relaxed) {
                break Ok(());
            }
        }
    };
    if let Some(last) = core.running.replace(py, None) {
        core.let_go(py, last);
    }
    if outcome.is_err() {
        core.left.store(0, Relaxed); // the next iteration is a whole one
    }
    if core.left.load(Relaxed) == 0 {
        ready.queue_again(py);
    }
    let queued = queue_after(slf);
    outcome.and(queued).map(|()| watch.last())
}

/// Queues what is to be called when the iteration is over, before all that came after it.
fn queue_after(slf: &Bound<'_, LoopState>) -> PyResult<()> {
    let (py, core) = (slf.py(), slf.get());
    if let Some(callback) = core.after_iteration.replace(py, None) {
        let handle = schedule::handle(slf, callback.into_bound(py), Arguments::None, None)?;
        core.ready.get().put(py, core.left.load(Relaxed), Entry::Own(handle));
    }
    Ok(())
}

/// Runs an entry. Returns whether it did: it may be cancelled, or has to wait.
fn run(slf: &Bound<'_, LoopState>, entry: &Entry) -> PyResult<bool> {
    let (py, core) = (slf.py(), slf.get());
    if entry.is_cancelled(py)? || (core.nested.is_any_entered(py) && core.nested.park(slf, entry)?) {
        return Ok(false);
    }
    if let Some(before) = core.running.replace(py, Some(entry.clone_ref(py))) {
        core.let_go(py, before);
    }
    let again = if core.is_debug() { run_timed(slf, entry)? } else { entry.run(py)? };
    if again {
        core.ready.get().push_again(py, entry);
    }
    Ok(true)
}

/// In debug mode: asyncio's exception handler asks where the handle was made, and what takes long is told.
#[cold]
fn run_timed(slf: &Bound<'_, LoopState>, entry: &Entry) -> PyResult<bool> {
    static REPORT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let (py, began) = (slf.py(), monotonic());
    let current = intern!(py, "_current_handle");
    let before = slf.getattr(current)?; // of the callback that stands in a dialog
    slf.setattr(current, entry.object())?;
    let outcome = entry.run(py);
    slf.setattr(current, before)?;
    let again = outcome?;
    let took = monotonic() - began;
    if took >= slf.getattr(intern!(py, "slow_callback_duration"))?.extract()? {
        call(REPORT.import(py, "asyncguest._compat", "report_slow")?, (entry.object(), took))?;
    }
    Ok(again)
}
