//! The locks of the tests: std's, or under ThreadSanitizer such as it can see (src/sync.rs says why).

#[cfg(not(asyncguest_tsan))]
pub use std::sync::{Condvar, Mutex, MutexGuard};

#[cfg(asyncguest_tsan)]
pub use seen::*;

/// parking_lot's with the methods of std's.
#[cfg(asyncguest_tsan)]
mod seen {
    pub use parking_lot::MutexGuard;
    use std::sync::LockResult;
    use std::time::{Duration, Instant};

    #[derive(Default)]
    pub struct Mutex<T>(parking_lot::Mutex<T>);

    impl<T> Mutex<T> {
        pub const fn new(value: T) -> Mutex<T> {
            Mutex(parking_lot::Mutex::new(value))
        }

        pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
            Ok(self.0.lock())
        }
    }

    #[derive(Default)]
    pub struct Condvar(parking_lot::Condvar);

    impl Condvar {
        pub fn notify_all(&self) {
            self.0.notify_all();
        }

        pub fn wait_timeout_while<'a, T>(
            &self,
            mut guard: MutexGuard<'a, T>,
            time: Duration,
            holds: impl FnMut(&mut T) -> bool,
        ) -> LockResult<(MutexGuard<'a, T>, parking_lot::WaitTimeoutResult)> {
            let until = Instant::now() + time;
            let result = self.0.wait_while_until(&mut guard, holds, until);
            Ok((guard, result))
        }
    }
}
