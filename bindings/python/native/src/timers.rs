//! The loop's timers: a heap, by deadline, and for equal ones in the order in which they were asked for.
//!
//! Owns: the heap, which is a list of Python's, `loop._scheduled`: who iterates the loop by hand takes timers out with
//! `heapq`. What somebody else has put into it is ordered by its `_when`.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::guarded::Guarded;
use crate::handle::Handle;
use crate::time::number;
use crate::timer::{Due, TimerHandle};

/// asyncio.base_events: below this number cancelled timers are left in the heap until their turn comes.
const FEW: usize = 100;

/// The timers.
pub struct Timers {
    heap: Guarded<Py<PyList>>,
    /// How many of them are cancelled: at the least, for who takes some out by hand does not count.
    cancelled: AtomicUsize,
    serial: AtomicU64,
}

impl Timers {
    pub fn new(py: Python<'_>) -> Timers {
        Timers {
            heap: Guarded::new(PyList::empty(py).unbind()),
            cancelled: AtomicUsize::new(0),
            serial: AtomicU64::new(0),
        }
    }

    pub fn heap<'py>(&self, py: Python<'py>) -> Bound<'py, PyList> {
        self.heap.with(py, |heap| heap.clone_ref(py)).into_bound(py)
    }

    /// The timers are those of `heap` from here on.
    pub fn become_list(&self, heap: Bound<'_, PyList>) {
        let py = heap.py();
        drop(self.heap.replace(py, heap.unbind()));
    }

    pub fn cancelled(&self) -> usize {
        self.cancelled.load(Relaxed)
    }

    pub fn set_cancelled(&self, count: usize) {
        self.cancelled.store(count, Relaxed);
    }

    pub fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Relaxed)
    }

    pub fn push(&self, timer: &Bound<'_, TimerHandle>) -> PyResult<()> {
        let heap = self.heap(timer.py());
        heap.append(timer)?;
        rise(&heap, heap.len() - 1)
    }

    /// When the earliest one is due, cancelled or not. None: there is none.
    pub fn earliest(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        let heap = self.heap(py);
        if heap.is_empty() {
            return Ok(None);
        }
        due(&heap.get_item(0)?).map(|(when, _)| Some(when))
    }

    /// Takes the earliest one out if it is due before `end`.
    pub fn pop_before<'py>(&self, py: Python<'py>, end: f64) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.earliest(py)? {
            Some(when) if when < end => self.pop(py).map(Some),
            _ => Ok(None),
        }
    }

    fn pop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let heap = self.heap(py);
        let first = heap.get_item(0)?;
        let last = heap.len() - 1;
        heap.set_item(0, heap.get_item(last)?)?;
        heap.del_item(last)?;
        if last > 1 {
            sink(&heap)?;
        }
        leave(&first)?;
        Ok(first)
    }

    /// One of them was cancelled. The last one of the heap is taken out, as most time limits are that were not reached; others
    /// wait for their turn, until they are many.
    pub fn note_cancelled(&self, timer: &Bound<'_, TimerHandle>) -> PyResult<()> {
        let heap = self.heap(timer.py());
        let last = heap.len().saturating_sub(1);
        if heap.get_item(last).is_ok_and(|item| item.is(timer)) {
            timer.get().leave();
            return heap.del_item(last);
        }
        self.count_cancelled();
        if self.are_many(self.cancelled(), heap.len()) {
            self.prune_all(&heap)?;
        }
        Ok(())
    }

    /// One that somebody else has put there was cancelled.
    pub fn count_cancelled(&self) {
        self.cancelled.fetch_add(1, Relaxed);
    }

    /// One that was has left the heap.
    pub fn forget_cancelled(&self) {
        self.set_cancelled(self.cancelled().saturating_sub(1));
    }

    fn are_many(&self, cancelled: usize, all: usize) -> bool {
        all > FEW && cancelled * 2 > all
    }

    /// Takes cancelled timers out: those at the head, or all when they are many.
    pub fn prune(&self, py: Python<'_>) -> PyResult<()> {
        let heap = self.heap(py);
        if self.are_many(self.cancelled(), heap.len()) {
            return self.prune_all(&heap);
        }
        while !heap.is_empty() && is_cancelled(&heap.get_item(0)?)? {
            self.pop(py)?;
            self.forget_cancelled();
        }
        Ok(())
    }

    fn prune_all(&self, heap: &Bound<'_, PyList>) -> PyResult<()> {
        let (mut kept, mut gone) = (Vec::new(), Vec::new());
        for timer in heap.iter() {
            if is_cancelled(&timer)? {
                leave(&timer)?;
                gone.push(timer);
            } else {
                kept.push((due(&timer)?, timer));
            }
        }
        // What is in order is a heap.
        kept.sort_by(|(one, _), (other, _)| earlier(*one, *other));
        let kept = PyList::new(heap.py(), kept.into_iter().map(|(_, timer)| timer))?;
        heap.set_slice(0, heap.len(), &kept)?;
        self.set_cancelled(0);
        drop(gone); // which may run code of Python's: now that all is in order
        Ok(())
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.heap.visited(|heap| visit.call(heap)).unwrap_or(Ok(()))
    }
}

fn earlier(one: Due, other: Due) -> std::cmp::Ordering {
    one.0.total_cmp(&other.0).then(one.1.cmp(&other.1))
}

fn is_earlier(one: Due, other: Due) -> bool {
    earlier(one, other).is_lt()
}

#[inline]
fn due(timer: &Bound<'_, PyAny>) -> PyResult<Due> {
    if let Ok(timer) = timer.cast_exact::<TimerHandle>() {
        return Ok(timer.get().due());
    }
    Ok((number(&timer.getattr(intern!(timer.py(), "_when"))?)?, 0))
}

pub fn is_cancelled(timer: &Bound<'_, PyAny>) -> PyResult<bool> {
    match timer.cast_exact::<TimerHandle>() {
        Ok(timer) => Ok(Handle::is_cancelled(timer.as_super().get(), timer.py())),
        Err(_) => timer.getattr(intern!(timer.py(), "_cancelled"))?.is_truthy(),
    }
}

fn leave(timer: &Bound<'_, PyAny>) -> PyResult<()> {
    match timer.cast_exact::<TimerHandle>() {
        Ok(timer) => {
            timer.get().leave();
            Ok(())
        }
        Err(_) => timer.setattr(intern!(timer.py(), "_scheduled"), false),
    }
}

/// Moves what stands at `place` up to where it belongs.
fn rise(heap: &Bound<'_, PyList>, mut place: usize) -> PyResult<()> {
    let timer = heap.get_item(place)?;
    let when = due(&timer)?;
    while place > 0 {
        let above = (place - 1) / 2;
        let other = heap.get_item(above)?;
        if !is_earlier(when, due(&other)?) {
            break;
        }
        heap.set_item(place, other)?;
        heap.set_item(above, &timer)?;
        place = above;
    }
    Ok(())
}

/// Moves what stands at the head down to where it belongs.
fn sink(heap: &Bound<'_, PyList>) -> PyResult<()> {
    let (timer, len) = (heap.get_item(0)?, heap.len());
    let when = due(&timer)?;
    let mut place = 0;
    loop {
        let mut below = 2 * place + 1;
        if below >= len {
            return Ok(());
        }
        let mut child = heap.get_item(below)?;
        let mut childs = due(&child)?;
        if below + 1 < len {
            let right = heap.get_item(below + 1)?;
            let rights = due(&right)?;
            if is_earlier(rights, childs) {
                (below, child, childs) = (below + 1, right, rights);
            }
        }
        if !is_earlier(childs, when) {
            return Ok(());
        }
        heap.set_item(place, child)?;
        heap.set_item(below, &timer)?;
        place = below;
    }
}
