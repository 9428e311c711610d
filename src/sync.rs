//! L0. The synchronisation that the hand-off, the inbox and the host thread's place are built from: std's, or loom's when
//! the models in `tests/loom` run the very same code, or parking_lot's under ThreadSanitizer
//! (`scripts/sanitizer.sh`): the slow path of std's lock is in the compiled standard library, which
//! is not instrumented, so that a lock taken after waiting would look like none.
//!
//! Owns: nothing. Locks never stay poisoned: what they guard is changed in steps that cannot
//! panic half-way, so a panic elsewhere leaves it whole.

#[cfg(loom)]
pub(crate) use loom::sync::{
    atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    Mutex, MutexGuard,
};
#[cfg(asyncguest_tsan)]
pub(crate) use parking_lot::{Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
#[cfg(not(any(loom, asyncguest_tsan)))]
pub(crate) use std::sync::{Mutex, MutexGuard};

/// The half of a fence that costs nothing, where another thread makes the rest of it by `sys::fence_all`.
#[inline(always)]
pub(crate) fn light_fence() {
    #[cfg(loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
    #[cfg(not(loom))]
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
}

/// Locks, also when another holder panicked.
#[cfg(not(asyncguest_tsan))]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The same; these locks know no poison.
#[cfg(asyncguest_tsan)]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}
