//! Who has which handler: ours, theirs, above and below each other.

use super::super::Listener;
use super::*;
use crate::sys::unix::tests::{in_forked_child, listener, raise};
use crate::sys::Poller;
use std::sync::atomic::AtomicU32;
use std::sync::Arc;

// Tests run at the same time in one process, so each has signals of its own. All raise on their
// own thread.

static FIRST: [AtomicU32; COUNT] = [const { AtomicU32::new(0) }; COUNT];
static THEIRS: [AtomicU32; COUNT] = [const { AtomicU32::new(0) }; COUNT];
/// What `theirs` was put over, which it calls.
static SAVED: [AtomicUsize; COUNT] = [const { AtomicUsize::new(0) }; COUNT];

extern "C" fn first(signum: i32) {
    FIRST[signum as usize].fetch_add(1, SeqCst);
    // SAFETY: a chained handler that does not keep errno; the address is this thread's.
    unsafe { *libc::__errno_location() = libc::EIO };
}

extern "C" fn first_with_info(signum: i32, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel's own, handed through.
    let info = unsafe { &*info };
    let right = info.si_signo == signum && info.si_code == libc::SI_TKILL && !context.is_null();
    FIRST[signum as usize].fetch_add(if right { 1 } else { 1000 }, SeqCst);
}

extern "C" fn theirs(signum: i32, info: *mut libc::siginfo_t, context: *mut c_void) {
    THEIRS[signum as usize].fetch_add(1, SeqCst);
    let saved = SAVED[signum as usize].load(SeqCst);
    if saved != libc::SIG_DFL && saved != libc::SIG_IGN {
        // SAFETY: the address was a handler's in a sigaction.
        let saved: Handler = unsafe { std::mem::transmute(saved) };
        saved(signum, info, context);
    }
}

/// How often `first` and `theirs` ran since the last time.
fn ran(signum: i32) -> (u32, u32) {
    (FIRST[signum as usize].swap(0, SeqCst), THEIRS[signum as usize].swap(0, SeqCst))
}

fn first_action() -> libc::sigaction {
    action(first as *const () as usize)
}

fn put_theirs_on_top(signum: i32) -> libc::sigaction {
    let mut action = action(theirs as *const () as usize);
    action.sa_flags = libc::SA_SIGINFO;
    let saved = set(signum, &action).unwrap();
    SAVED[signum as usize].store(saved.sa_sigaction, SeqCst);
    saved
}

/// Handler, flags and mask, to compare. The C library adds SA_RESTORER to whatever it sets.
fn parts(action: &libc::sigaction) -> (usize, i32, Vec<i32>) {
    const SA_RESTORER: i32 = 0x0400_0000;
    // SAFETY: the mask is initialised and the numbers are signals.
    let masked = (1..=64).filter(|signum| unsafe { libc::sigismember(&action.sa_mask, *signum) } == 1);
    (action.sa_sigaction, action.sa_flags & !SA_RESTORER, masked.collect())
}

#[test]
fn both_forms_of_handlers_are_called_and_given_back_whole() {
    let signum = libc::SIGRTMIN() + 10;
    for (handler, flags) in [
        (first as *const () as usize, 0),
        (first as *const () as usize, libc::SA_RESTART),
        (first_with_info as *const () as usize, libc::SA_SIGINFO | libc::SA_NODEFER),
        (libc::SIG_IGN, 0),
        (libc::SIG_DFL, 0),
    ] {
        let mut before = action(handler);
        before.sa_flags = flags;
        // SAFETY: the mask is initialised.
        unsafe { libc::sigaddset(&mut before.sa_mask, libc::SIGALRM) };
        set(signum, &before).unwrap();
        let (listener, _poller) = listener();
        listener.watch(signum).unwrap();

        let ours = parts(&current(signum).unwrap());
        if handler == libc::SIG_IGN || handler == libc::SIG_DFL {
            assert_eq!(ours.1, libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK);
            assert!(ours.2.is_empty(), "{:?}", ours.2);
        } else {
            assert_eq!(ours.1, flags | libc::SA_SIGINFO, "it is interrupted and restarted as before");
            assert_eq!(ours.2, [libc::SIGALRM]);
        }
        // SAFETY: errno's address is valid for this thread, on which raise runs the handler.
        unsafe { *libc::__errno_location() = libc::EXDEV };
        raise(signum);
        // SAFETY: as above.
        assert_eq!(unsafe { *libc::__errno_location() }, libc::EXDEV);
        assert_eq!(listener.take(signum), 1);
        assert_eq!(ran(signum).0, u32::from(handler != libc::SIG_IGN && handler != libc::SIG_DFL));

        drop(listener);
        assert_eq!(parts(&current(signum).unwrap()), parts(&before));
    }
}

#[test]
fn a_handler_for_once_is_called_once() {
    let signum = libc::SIGRTMIN() + 11;
    let mut once = first_action();
    once.sa_flags = libc::SA_RESETHAND;
    set(signum, &once).unwrap();
    let (listener, _poller) = listener();
    listener.watch(signum).unwrap();
    raise(signum);
    raise(signum);
    assert_eq!((listener.take(signum), ran(signum)), (2, (1, 0)));
    listener.unwatch(signum);
    assert_eq!(current(signum).unwrap().sa_sigaction, libc::SIG_DFL, "as the kernel would have left it");

    set(signum, &once).unwrap();
    listener.watch(signum).unwrap();
    listener.unwatch(signum);
    assert_eq!(parts(&current(signum).unwrap()), parts(&once), "it has not been called");
}

#[test]
fn a_program_that_lets_the_kernel_reap_goes_on_doing_so() {
    let over = |handler, flags| {
        let mut below = action(handler);
        below.sa_flags = flags;
        over(&below, 0, libc::SIGCHLD).sa_flags & libc::SA_NOCLDWAIT != 0
    };
    assert!(over(libc::SIG_IGN, 0) && over(libc::SIG_DFL, libc::SA_NOCLDWAIT));
    assert!(!over(libc::SIG_DFL, 0) && !over(first as *const () as usize, 0));
}

#[test]
fn ours_stays_below_a_third_and_goes_on_top_again() {
    let signum = libc::SIGRTMIN() + 12;
    set(signum, &first_action()).unwrap();
    let (listener, _poller) = listener();
    listener.watch(signum).unwrap();
    let ours = put_theirs_on_top(signum);
    raise(signum);
    assert_eq!((listener.take(signum), ran(signum)), (1, (1, 1)));

    listener.unwatch(signum);
    assert_eq!(current(signum).unwrap().sa_sigaction, theirs as *const () as usize, "theirs is left alone");
    raise(signum);
    assert_eq!((listener.take(signum), ran(signum)), (0, (1, 1)), "ours forwards");

    for _ in 0..20 {
        listener.watch(signum).unwrap();
        raise(signum);
        assert_eq!(
            (listener.take(signum), ran(signum)),
            (1, (1, 1)),
            "each once, though ours is there twice"
        );
        listener.unwatch(signum);
        assert_eq!(current(signum).unwrap().sa_sigaction, theirs as *const () as usize);
    }

    set(signum, &ours).unwrap();
    raise(signum);
    assert_eq!(ran(signum), (1, 0), "theirs is gone, ours is on top and forwards");
    listener.watch(signum).unwrap();
    raise(signum);
    assert_eq!((listener.take(signum), ran(signum)), (1, (1, 0)));
    listener.unwatch(signum);
    assert_eq!(parts(&current(signum).unwrap()), parts(&first_action()));
}

#[test]
fn a_third_that_takes_itself_off_from_below_ours_leaves_us_listening() {
    let signum = libc::SIGRTMIN() + 13;
    set(signum, &first_action()).unwrap();
    let ((listener, _poller), (second, _second_poller)) = (listener(), listener());
    listener.watch(signum).unwrap();
    let ours = put_theirs_on_top(signum);
    second.watch(signum).unwrap();
    set(signum, &ours).unwrap();
    raise(signum);
    assert_eq!((listener.take(signum), second.take(signum), ran(signum)), (1, 1, (1, 0)));
}

#[test]
fn a_program_that_sets_its_handler_over_and_over_uses_up_nothing() {
    let signum = libc::SIGRTMIN() + 14;
    let (listener, _poller) = listener();
    for _ in 0..50 {
        set(signum, &first_action()).unwrap();
        listener.watch(signum).unwrap();
        set(signum, &first_action()).unwrap();
        listener.unwatch(signum);
        listener.watch(signum).unwrap();
        raise(signum);
        assert_eq!((listener.take(signum), ran(signum)), (1, (1, 0)));
        listener.unwatch(signum);
    }
}

#[test]
fn too_many_handlers_over_ours_are_an_error() {
    let signum = libc::SIGRTMIN() + 15;
    let (listener, _poller) = listener();
    // Addresses that are never called.
    for fake in 1..=LEVELS {
        set(signum, &action(0x1000 * fake)).unwrap();
        listener.watch(signum).unwrap();
        set(signum, &action(0x1000 * (fake + 1))).unwrap();
        listener.unwatch(signum);
    }
    assert_eq!(listener.watch(signum).unwrap_err().raw_os_error(), Some(libc::EBUSY));
    set(signum, &first_action()).unwrap();
    assert_eq!(listener.watch(signum).unwrap_err().raw_os_error(), Some(libc::EBUSY));
    assert_eq!(parts(&current(signum).unwrap()), parts(&first_action()), "it is left alone");
}

#[test]
fn a_storm_reaches_the_first_handler_every_time_while_ours_comes_and_goes() {
    const STORM: u32 = 20_000;
    let signum = libc::SIGRTMIN() + 16;
    set(signum, &first_action()).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (0..STORM).for_each(|_| raise(signum));
            over.store(true, SeqCst);
        });
        let (listener, _poller) = listener();
        while !over.load(SeqCst) {
            listener.watch(signum).unwrap();
            listener.unwatch(signum);
        }
    });
    assert_eq!(ran(signum), (STORM, 0));
    assert_eq!(parts(&current(signum).unwrap()), parts(&first_action()));
}

#[test]
fn a_lock_that_was_held_during_a_fork_is_taken_over() {
    let signum = libc::SIGRTMIN() + 17;
    let (_poller, waker, _alarm) = Poller::new().unwrap();
    let waker = Arc::new(waker);
    let locked = Registry::lock();
    let status = in_forked_child(|| {
        let listener = Listener::new(waker.clone());
        let watched = listener.watch(signum).is_ok();
        raise(signum);
        (watched && listener.take(signum) == 1).into()
    });
    drop(locked);
    assert_eq!(status.code(), Some(1), "{status}");
}
