//! Hazard: signals. The library takes a disposition only while a guest watches it, calls on to what
//! was there before, and gives it back.

#![cfg(unix)] // Windows has no signals but the console's, see console.rs

use crate::common::*;

use libc::{SIGUSR1, SIGUSR2};
use std::sync::atomic::AtomicPtr;

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn handler(_: i32) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

extern "C" fn other_handler(_: i32) {
    HANDLED.fetch_add(100, Ordering::SeqCst);
}

/// Installs a handler, and puts back what was there when it is dropped.
struct Installed(i32, libc::sigaction);

fn install(signum: i32, handler: extern "C" fn(i32)) -> Installed {
    HANDLED.store(0, Ordering::SeqCst);
    let mut action = disposition(signum);
    let before = action;
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: valid actions; the handlers only touch atomics.
    unsafe {
        libc::sigaddset(&mut action.sa_mask, libc::SIGWINCH);
        must(libc::sigaction(signum, &action, std::ptr::null_mut()));
    }
    Installed(signum, before)
}

impl Drop for Installed {
    fn drop(&mut self) {
        // SAFETY: an action that the system gave out.
        unsafe { libc::sigaction(self.0, &self.1, std::ptr::null_mut()) };
    }
}

fn disposition(signum: i32) -> libc::sigaction {
    // SAFETY: all zero is a valid sigaction, and it is ours to write.
    unsafe {
        let mut action = std::mem::zeroed();
        must(libc::sigaction(signum, std::ptr::null(), &mut action));
        action
    }
}

/// SA_RESTORER: the C library's own business.
const RESTORER: i32 = 0x0400_0000;

/// Handler, flags and mask, to compare.
fn seen(signum: i32) -> (usize, i32, Vec<i32>) {
    let action = disposition(signum);
    // SAFETY: the mask came from the system, and the numbers are signals.
    let mask = (1..=64).filter(|n| unsafe { libc::sigismember(&action.sa_mask, *n) } == 1).collect();
    (action.sa_sigaction, action.sa_flags & !RESTORER, mask)
}

fn send(signum: i32) {
    kill(std::process::id() as i32, signum);
}

fn delivered(drive: Drive) {
    let _alone = alone();
    let (toy, probe) = (Toy::start(drive), Probe::new());
    let id = toy.add_signal(SIGUSR1, &probe);
    for calls in 1..=3 {
        send(SIGUSR1);
        toy.run_until(|| probe.calls() == calls);
        assert_eq!((probe.flags.get(), probe.value.get(), probe.id.get()), (SIGUSR1 as u32, 1, Some(id)));
    }
    toy.end();
    assert_eq!(probe.drops(), 1);
}

#[test]
fn signal_delivered_thread() {
    delivered(Drive::Thread);
}

#[test]
fn signal_delivered_fd() {
    delivered(Drive::Fd);
}

#[test]
fn signal_chained_to_the_previous_handler() {
    let _alone = alone();
    let _installed = install(SIGUSR1, handler);
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::new());
    toy.add_signal(SIGUSR1, &probe);
    raise(SIGUSR1);
    assert_eq!(HANDLED.load(Ordering::SeqCst), 1, "at once, as before");
    toy.run_until(|| probe.calls() == 1);
    toy.end();
}

#[test]
fn signal_disposition_restored() {
    let _alone = alone();
    let _installed = install(SIGUSR1, handler);
    let (before, default_before) = (seen(SIGUSR1), seen(SIGUSR2));
    let toy = Toy::start(Drive::Thread);
    assert_eq!(seen(SIGUSR1), before, "a guest alone takes nothing");
    let id = toy.add_signal(SIGUSR1, &Probe::new());
    toy.add_signal(SIGUSR2, &Probe::new());
    assert_ne!(seen(SIGUSR1).0, before.0);
    toy.handle().close(id).unwrap();
    assert_eq!(seen(SIGUSR1), before);
    toy.end();
    assert_eq!(seen(SIGUSR2), default_before, "the end of the guest gives the other one back");
}

#[test]
fn signal_third_handler_is_left_alone() {
    let _alone = alone();
    let _first = install(SIGUSR1, handler); // to put back what was there when all is over
    let toy = Toy::start(Drive::Thread);
    toy.add_signal(SIGUSR1, &Probe::new());
    std::mem::forget(install(SIGUSR1, other_handler));
    toy.end();
    assert_eq!(seen(SIGUSR1).0, other_handler as *const () as usize);
    raise(SIGUSR1);
    assert_eq!(HANDLED.load(Ordering::SeqCst), 100);
}

/// A language's runtime puts an earlier handler of its own back, over ours: that one still runs, and can
/// see by the count that the library did not hear of it.
#[test]
fn signal_arrivals_are_counted() {
    let _alone = alone();
    let below = install(SIGUSR1, handler);
    let saved = disposition(SIGUSR1);
    let (toy, probe) = (Toy::start(Drive::Fd), Probe::new());
    let id = toy.add_signal(SIGUSR1, &probe);
    let before = signal_arrivals(SIGUSR1);
    raise(SIGUSR1);
    assert_eq!((signal_arrivals(SIGUSR1) - before, HANDLED.load(Ordering::SeqCst)), (1, 1));

    let replaced = Installed(SIGUSR1, saved);
    drop(replaced); // its drop puts `saved` in the library's place
    raise(SIGUSR1);
    assert_eq!((signal_arrivals(SIGUSR1) - before, HANDLED.load(Ordering::SeqCst)), (1, 2));

    toy.handle().close(id).unwrap();
    let again = Probe::new();
    toy.add_signal(SIGUSR1, &again);
    raise(SIGUSR1);
    assert_eq!((signal_arrivals(SIGUSR1) - before, HANDLED.load(Ordering::SeqCst)), (2, 3));
    toy.run_until(|| again.calls() == 1);
    assert_eq!(again.value.get(), 1);
    toy.end();
    assert_eq!(seen(SIGUSR1).0, handler as *const () as usize);
    assert_eq!(signal_arrivals(-1) + signal_arrivals(libc::SIGKILL) + signal_arrivals(1000), 0);
    drop(below);
}

/// Somebody installs a handler for a while and puts back what the system gave him: ours.
#[test]
fn signal_overridden_for_a_while() {
    let _alone = alone();
    let _first = install(SIGUSR1, handler);
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::new());
    toy.add_signal(SIGUSR1, &probe);
    let other = install(SIGUSR1, other_handler);
    raise(SIGUSR1);
    assert_eq!(HANDLED.load(Ordering::SeqCst), 100);
    drop(other);
    raise(SIGUSR1);
    assert_eq!(HANDLED.load(Ordering::SeqCst), 101);
    toy.run_until(|| probe.calls() == 1);
    assert_eq!(probe.value.get(), 1);
    toy.end();
}

#[test]
fn signal_refused() {
    let _alone = alone();
    let toy = Toy::start(Drive::Thread);
    use libc::{SIGBUS, SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGSTOP, SIGTRAP};
    let faults = [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP];
    for signum in [-1, 0, 32, 33, 65, i32::MIN, i32::MAX, SIGKILL, SIGSTOP].into_iter().chain(faults) {
        let probe = Probe::new();
        assert_eq!(refused(toy.handle().signal_add(signum, probe.signal(nothing))), Status::INVAL);
        assert_eq!(probe.drops(), 1);
    }
    assert_eq!(toy.stats().live_sources, 0);
    toy.add_signal(libc::SIGRTMAX() - 1, &Probe::new());
    toy.end();
}

#[test]
fn signal_twice_in_one_guest() {
    let _alone = alone();
    let (toy, probe, again) = (Toy::start(Drive::Thread), Probe::new(), Probe::new());
    let id = toy.add_signal(SIGUSR1, &probe);
    assert_eq!(refused(toy.handle().signal_add(SIGUSR1, |_, _, _| {})), Status::EXIST);
    toy.handle().close(id).unwrap();
    toy.add_signal(SIGUSR1, &again); // at once, though the first one is not dropped yet
    send(SIGUSR1);
    toy.run_until(|| again.calls() == 1 && probe.drops() == 1);
    assert_eq!(probe.calls(), 0);
    toy.end();
}

#[test]
fn signal_two_guests() {
    let _alone = alone();
    let (before, arrivals) = (seen(SIGUSR1), signal_arrivals(SIGUSR1));
    let (a, b) = (Toy::start(Drive::Thread), Toy::start(Drive::Fd));
    let (in_a, in_b) = (Probe::new(), Probe::new());
    a.add_signal(SIGUSR1, &in_a);
    b.add_signal(SIGUSR1, &in_b);
    send(SIGUSR1);
    a.run_until(|| in_a.calls() == 1);
    b.run_until(|| in_b.calls() == 1);
    assert_eq!((in_a.value.get(), in_b.value.get(), signal_arrivals(SIGUSR1) - arrivals), (1, 1, 1));
    a.end();
    send(SIGUSR1); // b still watches
    b.run_until(|| in_b.calls() == 2);
    b.end();
    assert_eq!(seen(SIGUSR1), before);
}

#[test]
fn signal_storm() {
    const STORM: u32 = 1000;
    let _alone = alone();
    let _installed = [install(SIGUSR1, handler), install(SIGUSR2, handler)];
    let toys = [Toy::start(Drive::Thread), Toy::start(Drive::Fd)];
    let signums = [SIGUSR1, SIGUSR2];
    let probes: Vec<P> = (0..4).map(|_| Probe::new()).collect();
    let ids: Vec<Id> = (0..4).map(|i| toys[i / 2].add_signal(signums[i % 2], &probes[i])).collect();
    for n in 0..STORM as usize {
        raise(signums[n % 2]); // handled before it returns, so none is pending twice: none is merged
        if n % 100 == 0 {
            toys.iter().for_each(|toy| toy.lp.step(0));
        }
    }
    assert_eq!(HANDLED.load(Ordering::SeqCst), STORM);
    for i in 0..4 {
        toys[i / 2].run_until(|| probes[i].total.get() == i64::from(STORM / 2));
        assert_eq!(probes[i].flags.get(), signums[i % 2] as u32);
        toys[i / 2].handle().close(ids[i]).unwrap();
    }
    let calls: Vec<u32> = probes.iter().map(|probe| probe.calls()).collect();
    signums.iter().for_each(|signum| raise(*signum));
    toys.iter().for_each(|toy| toy.run_for(5 * MS));
    assert_eq!(probes.iter().map(|probe| probe.calls()).collect::<Vec<_>>(), calls);
    toys.iter().for_each(|toy| toy.end());
}

/// A signal that came in, and was closed before its turn, is not delivered.
#[test]
fn signal_closed_before_its_turn() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::new());
    let id = toy.add_signal(SIGUSR1, &probe);
    raise(SIGUSR1);
    toy.handle().close(id).unwrap();
    toy.run_until(|| probe.drops() == 1);
    assert_eq!(probe.calls(), 0);
    toy.end();
}

/// Sets it also when the test fails.
struct AtLast<'a>(&'a AtomicBool);

impl Drop for AtLast<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// It comes on other threads all the time, more of them than processors, while guests begin and end.
#[test]
fn signal_handled_while_its_guest_ends() {
    const ROUNDS: u32 = 100;
    let _alone = alone();
    let _installed = install(SIGUSR1, handler);
    let before = seen(SIGUSR1);
    let (probe, over) = (Probe::shared(), AtomicBool::new(false));
    let raised = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    raise(SIGUSR1);
                    raised.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let _over = AtLast(&over);
        for _ in 0..ROUNDS {
            let toy = Toy::start(Drive::Fd);
            toy.add_signal(SIGUSR1, &probe);
            pass(MS); // when this thread comes back, it takes the place of one that may be inside the handler
            toy.free();
        }
    });
    let (handled, raised) = (HANDLED.load(Ordering::SeqCst), raised.into_inner());
    assert_eq!(handled, raised, "whoever had the disposition called on");
    assert_eq!((probe.calls(), probe.drops(), seen(SIGUSR1)), (0, ROUNDS, before));
}

static WOKEN: AtomicPtr<Poster> = AtomicPtr::new(std::ptr::null_mut());

extern "C" fn waking_handler(_: i32) {
    // SAFETY: set to a poster that lives for as long as this handler is installed.
    if let Some(poster) = unsafe { WOKEN.load(Ordering::SeqCst).as_ref() } {
        poster.wake();
    }
}

fn wake_from_handler(drive: Drive) {
    let _alone = alone();
    let toy = Toy::with(patient(drive));
    let mut poster = toy.poster.clone();
    WOKEN.store(&mut poster, Ordering::SeqCst);
    let installed = install(SIGUSR1, waking_handler);
    toy.run_for(5 * MS);
    let batches = toy.stats().batches;
    raise(SIGUSR1);
    raise(SIGUSR1);
    toy.run_until(|| toy.stats().batches > batches);
    toy.run_for(5 * MS);
    assert!(toy.stats().batches <= batches + 2, "and then it is quiet again");
    drop(installed);
    toy.end();
}

#[test]
fn wake_from_a_signal_handler_thread() {
    wake_from_handler(Drive::Thread);
}

#[test]
fn wake_from_a_signal_handler_fd() {
    wake_from_handler(Drive::Fd);
}

/// What comes while its callback runs a nested loop is one call afterwards, as it is after any other wait.
#[test]
fn signal_merged_during_its_own_callback() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Fd), Probe::new());
    let (here, seen) = (toy.clone(), probe.clone());
    let act = move |_: &Handle| {
        for _ in 0..if seen.calls() == 1 { 5 } else { 0 } {
            raise(libc::SIGUSR1);
            here.guest().deliver(0).unwrap();
        }
    };
    toy.handle().signal_add(libc::SIGUSR1, probe.signal(act)).unwrap();
    raise(libc::SIGUSR1);
    toy.run_until(|| probe.total.get() == 6);
    assert_eq!((probe.calls(), probe.value.get()), (2, 5));
    toy.end();
}
