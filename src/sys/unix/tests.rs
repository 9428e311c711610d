//! L1. What the unit tests of signals and forks share.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;

use crate::sys::{Listener, Poller};

/// A listener that watches nothing yet, and the poller that it wakes.
pub(in crate::sys) fn listener() -> (Listener, Poller) {
    let (poller, waker, _alarm) = Poller::new().unwrap();
    (Listener::new(Arc::new(waker)), poller)
}

/// Raises a signal on the calling thread.
pub(in crate::sys) fn raise(signum: i32) {
    // SAFETY: the handler has run when it returns; what it runs is the test's.
    assert_eq!(unsafe { libc::raise(signum) }, 0);
}

/// Runs `work` in a forked child that has no other threads, and exits with what it returns.
pub(in crate::sys) fn in_forked_child(work: impl Fn() -> i32) -> ExitStatus {
    // SAFETY: the child runs `work`, which takes no lock that another thread may hold, and _exit. The
    // allocator is made usable in it by fork itself.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let answer = work();
        // SAFETY: ends the child without running anybody's exit handlers.
        unsafe { libc::_exit(answer) };
    }
    let mut status = 0;
    // SAFETY: `status` is ours to write; the child is ours.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    ExitStatus::from_raw(status)
}
