//! L0. The synchronisation that the hand-off and the inbox are built from: std's, or loom's when
//! the models in `tests/loom` run the very same code.
//!
//! Owns: nothing. Locks never stay poisoned: what they guard is changed in steps that cannot
//! panic half-way, so a panic elsewhere leaves it whole.

#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Locks, also when another holder panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
