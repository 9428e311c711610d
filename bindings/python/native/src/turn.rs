//! A guest's turn on the host thread: one delivery, from the library's word that it begins to the alarm for the next one.
//!
//! ```text
//! host's loop                         guest
//! -----------                         -----
//! token or readable fd  --------->    deliver: the running loop, hooks and task of this guest are put in place
//!                                     iterations go on inside while something is ready, up to the budget
//!                                     more to do?  asks for the next one  |  else sets the alarm
//! the host's own turn   <---------    everything is as it was before; other threads' turn, if it is due (see `share`)
//! ```
//!
//! No signal handler of Python's runs between two steps of it, but inside of callbacks alone: so a delivery that has begun
//! ends. What goes wrong is judged by the package: `failed(error)` of its `Deliveries`, in the guest's state.

use std::sync::atomic::Ordering::Relaxed;

use pyo3::intern;
use pyo3::prelude::*;

use crate::abi::Found;
use crate::call::call;
use crate::clock::{in_monotonic, monotonic, time};
use crate::iteration::{has_work, iterate, look, queue_found, LOOK_EVERY};
use crate::loop_state::LoopState;
use crate::outside::Outside;

/// So many looks at the end of a delivery have found nothing, and the next ones are not made,
const IN_VAIN: usize = 4;
/// but for every one of so many.
const TRIED_AGAIN: usize = 16;

/// One delivery: returns whether there is more to do than fitted into it; None if there was none to be had: the token is old
/// or doubled, or one that the host ran inside its own post, and comes again.
pub fn deliver(
    slf: &Bound<'_, LoopState>,
    judge: &Bound<'_, PyAny>,
    token: u64,
    budget: f64,
) -> PyResult<Option<bool>> {
    let (py, core) = (slf.py(), slf.get());
    let reactor = core.reactor()?.get();
    let mut found = Found::new();
    match reactor.begin_with(py, token, &mut found) {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(error) => {
            call(&judge.getattr(intern!(py, "not_begun"))?, (error.into_value(py),))?;
            return Ok(None);
        }
    }
    let mut more = true;
    let outcome = Outside::enter(slf).and_then(|outside| {
        let worked = work(slf, &found, budget).map(|left| more = left).or_else(|error| tell(judge, error));
        let left = outside.leave(slf);
        worked.and(left)
    });
    // A fork inside has closed the child's copy.
    if !reactor.is_freed() {
        rest(slf, judge, more)?;
    }
    core.share.give(py);
    outcome.map(|()| Some(more))
}

/// The iterations of it. Returns whether the time was over before the work.
fn work(slf: &Bound<'_, LoopState>, found: &Found, budget: f64) -> PyResult<bool> {
    let (py, core) = (slf.py(), slf.get());
    if core.depth.load(Relaxed) > 1 && core.has_ready(py) {
        // The library has begun this nested delivery because the outer one lasts, and knows nothing of asyncio's queue, whose
        // callbacks may begin a nested loop again: that one needs its deliveries too.
        core.reactor()?.get().wake(py);
    }
    core.idle.store(false, Relaxed);
    core.nested.unpark(slf, core.ready.get())?;
    queue_found(slf, found)?;
    let mut now = monotonic();
    core.share.begin(now);
    let (until, mut look_at) = (now + budget, if core.is_cut() { now } else { now + LOOK_EVERY });
    loop {
        now = iterate(slf, until)?.max(now);
        if now >= until || core.stopping.load(Relaxed) {
            break;
        }
        let is_idle = !core.has_ready(py);
        if is_idle && is_left_to_the_host(core)? && !has_work(slf)? {
            break;
        }
        if is_idle || now >= look_at {
            let found = look(slf, 0)?;
            if found {
                core.in_vain.store(0, Relaxed);
            }
            now = monotonic();
            look_at = now + LOOK_EVERY;
            if !found && (now >= until || !has_work(slf)?) {
                break;
            }
        }
    }
    core.share.end(now);
    let more = (now >= until || core.stopping.load(Relaxed)) && has_work(slf)?;
    if more {
        core.budget_spent.fetch_add(1, Relaxed);
    }
    Ok(more)
}

/// Whether the delivery ends without the look for what has become ready meanwhile, which the host's own would find: the last
/// ones were in vain. Now and then one is made all the same.
fn is_left_to_the_host(core: &LoopState) -> PyResult<bool> {
    let in_vain = core.in_vain.fetch_add(1, Relaxed);
    Ok(in_vain >= IN_VAIN && in_vain % TRIED_AGAIN != 0 && core.reactor()?.get().is_watched())
}

fn tell(judge: &Bound<'_, PyAny>, error: PyErr) -> PyResult<()> {
    let py = judge.py();
    call(&judge.getattr(intern!(py, "failed"))?, (error.into_value(py),)).map(drop)
}

/// Ends the delivery, and the host's turn comes: asks for the next one, or says when the guest is to be woken.
fn rest(slf: &Bound<'_, LoopState>, judge: &Bound<'_, PyAny>, more: bool) -> PyResult<()> {
    let (py, reactor) = (slf.py(), slf.get().reactor()?.get());
    match end(slf, more) {
        Err(error) if !reactor.is_freed() => {
            let told = tell(judge, error);
            reactor.end_with(py, None, false).and(told)
        }
        ended => ended,
    }
}

fn end(slf: &Bound<'_, LoopState>, more: bool) -> PyResult<()> {
    let (py, core) = (slf.py(), slf.get());
    let when = core.next_deadline(py)?;
    let (due, alarm) = match when {
        Some(when) => (when <= time(slf)?, Some(in_monotonic(slf, when)?)),
        None => (false, None),
    };
    // From here to the end nothing of Python's runs. What a signal handler or a destructor has asked of the loop meanwhile is
    // seen here, and what one asks later wakes the guest.
    let more = more || due || core.has_ready(py) || core.timers.earliest(py)? != when;
    core.idle.store(!more, Relaxed);
    core.reactor()?.get().end_with(py, alarm, more)
}
