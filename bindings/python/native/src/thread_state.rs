//! The threads of the library as Python knows them: each has one thread state, from its first visit until it ends.
//!
//! PyO3 would make and free one for each visit. Owns: the thread state of each such thread. Threads that Python has made,
//! or that have come to it in another way, are left as they are.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use pyo3::{ffi, Python};

use crate::exit_guard::Inside;

/// The thread state that `keep` has made for this thread, or null.
struct Kept(Cell<*mut ffi::PyThreadState>);

thread_local! {
    static KEPT: Kept = const { Kept(Cell::new(ptr::null_mut())) };
}

impl Drop for Kept {
    fn drop(&mut self) {
        let state = self.0.get();
        if state.is_null() {
            return;
        }
        // When it is closed, the interpreter frees the state itself.
        let Some(_inside) = Inside::enter() else { return };
        // SAFETY: the guard is open, so that the interpreter is alive; the state is this thread's own, and is not current.
        // Not by PyGILState_Release: in musl a thread's destructors run when Python's note of the state is gone already.
        unsafe {
            ffi::PyEval_RestoreThread(state);
            ffi::PyThreadState_Clear(state);
            ffi::PyEval_SaveThread();
            ffi::PyThreadState_Delete(state);
        }
    }
}

/// Runs `visit` with the interpreter lock, on whatever thread. None if the interpreter is about to go.
pub fn attached<R>(visit: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    let _inside = Inside::enter()?;
    KEPT.try_with(keep).ok()?;
    Python::try_attach(visit)
}

/// While it lives, no garbage collection begins on a thread of the library: one would end objects of the host thread here,
/// which no toolkit allows: Tk ends the process. Elsewhere it does nothing.
///
/// CPython 3.12 may still do here what another thread has asked for in the moment before. A program's own `gc.disable()` meanwhile
/// cannot be told from this one, as CPython counts neither, and is undone.
pub struct Uncollected {
    counts: bool,
}

/// How many there are, and whether collections were on before the first; the interpreter lock guards both.
static UNCOLLECTED: AtomicUsize = AtomicUsize::new(0);
static WERE_ON: AtomicBool = AtomicBool::new(false);

impl Uncollected {
    pub fn begin(_py: Python<'_>) -> Uncollected {
        let counts = KEPT.try_with(|kept| !kept.0.get().is_null()).unwrap_or(false);
        if counts && UNCOLLECTED.fetch_add(1, Relaxed) == 0 {
            // SAFETY: this thread is attached.
            WERE_ON.store(unsafe { ffi::PyGC_Disable() } == 1, Relaxed);
        }
        Uncollected { counts }
    }
}

impl Drop for Uncollected {
    fn drop(&mut self) {
        // None is left to count if a post has forked, and this is the child.
        if self.counts && UNCOLLECTED.load(Relaxed) > 0 && UNCOLLECTED.fetch_sub(1, Relaxed) == 1 {
            collect_again();
        }
    }
}

/// In a forked child, where none of the threads that had one goes on.
pub fn note_fork(_py: Python<'_>) {
    if UNCOLLECTED.swap(0, Relaxed) > 0 {
        collect_again();
    }
}

fn collect_again() {
    if WERE_ON.load(Relaxed) {
        // SAFETY: who calls this is attached.
        unsafe { ffi::PyGC_Enable() };
    }
}

fn keep(kept: &Kept) {
    // SAFETY: the exit guard is open, so that the interpreter is alive. What is ensured here stays so, without the lock,
    // until `drop`: later visits find it.
    unsafe {
        if ffi::PyGILState_GetThisThreadState().is_null() {
            ffi::PyGILState_Ensure();
            kept.0.set(ffi::PyEval_SaveThread());
        }
    }
}

/// Whether this is the main interpreter: the functions above know no other one.
pub fn is_main_interpreter(_py: Python<'_>) -> bool {
    // SAFETY: this thread is attached to an interpreter.
    unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) == 0 }
}

/// `threading.get_ident()`.
pub fn ident() -> u64 {
    // SAFETY: it asks the system, and nothing of the interpreter.
    #[allow(clippy::useless_conversion)]
    u64::from(unsafe { ffi::PyThread_get_thread_ident() })
}
