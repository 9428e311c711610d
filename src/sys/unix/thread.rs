//! L1. Threads on which the program's signal handlers never run.
//!
//! Runs on any thread. Imports libc only.
//!
//! A handler that the host installed expects the host's threads: it may use their thread-local
//! state, or interrupt their system calls on purpose. A process-wide signal goes to any thread that
//! has not blocked it, so ours block everything but the faults. Those concern the thread itself: a
//! blocked fault would end the process without the crash report that its handler writes.

use std::io;
use std::mem::MaybeUninit;
use std::thread::{Builder, JoinHandle};

/// Signals that a thread raises by its own fault.
const FAULTS: [i32; 6] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS];

/// Starts a thread with all signals blocked but the faults.
pub(crate) fn spawn(name: &str, f: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    // The new thread inherits this one's mask, which is put back however the start turns out.
    let _blocked = Blocked::now();
    Builder::new().name(name.to_owned()).spawn(f)
}

/// While it lives, this thread blocks all signals but the faults; holds the mask from before.
struct Blocked(libc::sigset_t);

impl Blocked {
    fn now() -> Blocked {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: sigfillset fills in `all`, pthread_sigmask `before`; with valid arguments neither
        // can fail.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            for fault in FAULTS {
                libc::sigdelset(all.as_mut_ptr(), fault);
            }
            // Added to what is blocked: a host that has blocked a fault keeps it blocked.
            libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr());
            Blocked(before.assume_init())
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the mask is one that this thread had; the old one is not wanted.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }
}

/// Which thread this is: a number that differs from those of all other living threads. Much cheaper
/// than `std::thread::current`, which counts references; every call of class "host" asks.
#[inline]
pub(crate) fn this_thread() -> usize {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::pthread_self() as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signals that the calling thread blocks.
    fn blocked() -> Vec<i32> {
        let mut mask = MaybeUninit::uninit();
        // SAFETY: with NULL the call changes nothing and fills in `mask`.
        let mask = unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), mask.as_mut_ptr());
            mask.assume_init()
        };
        // SAFETY: the mask is initialised and the numbers are signals.
        (1..=64).filter(|signum| unsafe { libc::sigismember(&mask, *signum) } == 1).collect()
    }

    #[test]
    fn the_new_thread_blocks_all_but_the_faults_and_its_maker_what_it_did() {
        let before = blocked();
        let (send, receive) = std::sync::mpsc::channel();
        let report =
            move || send.send((blocked(), std::thread::current().name().map(str::to_owned))).unwrap();
        spawn("asyncguest-test", report).unwrap().join().unwrap();
        let (inside, name) = receive.recv().unwrap();
        assert_eq!(name.as_deref(), Some("asyncguest-test"));
        for signum in
            [libc::SIGINT, libc::SIGTERM, libc::SIGCHLD, libc::SIGALRM, libc::SIGUSR1, libc::SIGRTMAX()]
        {
            assert!(inside.contains(&signum), "{signum} would run on our thread");
        }
        for fault in FAULTS {
            assert_eq!(inside.contains(&fault), before.contains(&fault), "{fault}");
        }
        assert_eq!(blocked(), before);
    }
}
