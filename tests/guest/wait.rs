//! Hazard: waiting inside an open batch: an event that is slept through, a wake that is lost or counts twice, a token
//! that comes meanwhile, and a time that is not kept.

use crate::common::*;
use std::io::Write;
use std::thread;

const DRIVES: [Drive; 3] = [Drive::Thread, Drive::Fd, Drive::Run];

fn wait(guest: &Guest, timeout: u64) -> Vec<Event> {
    let mut events = Vec::new();
    guest.batch_wait(timeout, 8, |event| events.push(event)).unwrap();
    events
}

/// A batch of one wait.
fn batch(guest: &Guest, timeout: u64) -> Vec<Event> {
    guest.batch_begin(0).unwrap();
    let events = wait(guest, timeout);
    guest.batch_end().unwrap();
    events
}

/// Runs `f` on another thread when this one sleeps, or is about to.
fn soon(f: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    thread::spawn(|| {
        pass(5 * MS);
        f();
    })
}

#[test]
fn wait_tells_what_is_due_at_once() {
    let _alone = alone();
    for drive in DRIVES {
        let (toy, probe) = (Toy::with(pull(drive)), Probe::new());
        toy.post(&probe, nothing);
        assert_eq!(batch(&toy.guest(), FOREVER).len(), 1);
        assert_eq!(probe.drops(), 1);
        toy.shut_down();
    }
}

#[test]
fn wait_ends_for_what_another_thread_does() {
    let _alone = alone();
    for drive in DRIVES {
        let (toy, pipe, probe) = (Toy::with(pull(drive)), Channel::new(), Probe::new());
        let guest = toy.guest();
        let poster = toy.poster.clone();
        let other = soon(move || poster.post(|_| ()).unwrap());
        assert_eq!(batch(&guest, 10 * SECOND)[0].kind, Kind::Post);
        other.join().unwrap();

        let id = toy.add_fd(pipe.input(), READABLE, &probe, nothing);
        guest.batch_begin(0).unwrap();
        for _ in 0..3 {
            let output = pipe.second_output();
            let other = soon(move || (&output).write_all(b"x").unwrap());
            let events = wait(&guest, 10 * SECOND);
            assert_eq!((events.len(), events[0].id), (1, Some(id)));
            pipe.read_one();
            other.join().unwrap();
        }
        guest.batch_end().unwrap();

        toy.add_work(&Probe::new(), || pass(5 * MS));
        assert_eq!(batch(&guest, 10 * SECOND)[0].kind, Kind::Work);
        drop(guest);
        toy.shut_down();
    }
}

#[cfg(unix)] // told by a clock, and wine's threads are late
#[test]
fn wait_timers_are_exact() {
    let _alone = alone();
    for drive in DRIVES {
        let toy = Toy::with(pull(drive));
        let guest = toy.guest();
        // A poll's rounding is 700 us here.
        exact_within(600_000, || {
            let due = monotonic_ns() + 2_300_000;
            toy.add_timer(2_300_000, 0, &Probe::new(), nothing);
            assert_eq!(batch(&guest, FOREVER)[0].kind, Kind::Timer);
            let now = monotonic_ns();
            assert!(now >= due, "early");
            now - due
        });
        drop(guest);
        toy.shut_down();
    }
}

#[cfg(unix)] // told by a clock, and wine's threads are late
#[test]
fn wait_ends_with_the_time() {
    let _alone = alone();
    for drive in DRIVES {
        let toy = Toy::with(pull(drive));
        let guest = toy.guest();
        toy.add_timer(3600 * SECOND, 0, &Probe::new(), nothing);
        guest.batch_begin(0).unwrap();
        exact_within(600_000, || {
            let until = monotonic_ns() + 2_300_000;
            assert!(wait(&guest, 2_300_000).is_empty());
            let now = monotonic_ns();
            assert!(now >= until, "early");
            now - until
        });
        guest.batch_end().unwrap();
        assert_eq!(toy.stats().batches, 1, "one batch, however often it waited");
        drop(guest);
        toy.shut_down();
    }
}

#[test]
fn wait_without_time_is_next() {
    let _alone = alone();
    let (options, clock) = manual(Drive::Fd);
    let toy = Toy::with(Options { pull: true, ..options });
    let guest = toy.guest();
    guest.batch_begin(0).unwrap();
    assert!(wait(&guest, 0).is_empty());
    (0..16).for_each(|_| toy.post(&Probe::shared(), nothing));
    assert_eq!(wait(&guest, 0).len(), 8);
    clock.advance(5 * MS);
    assert!(wait(&guest, 0).is_empty(), "the budget is spent");
    assert_eq!(wait(&guest, 1).len(), 8, "who waits is not kept from it");
    (0..8).for_each(|_| toy.post(&Probe::shared(), nothing));
    clock.advance(3 * MS);
    assert_eq!(wait(&guest, 0).len(), 8, "the budget has begun anew");
    guest.batch_end().unwrap();
    assert_eq!(refused(guest.batch_wait(1, 1, |_| {})), Status::ORDER);
    drop(guest);
    toy.shut_down();
}

#[test]
fn wait_tells_at_once_what_is_due_by_a_clock_that_a_test_moves() {
    let _alone = alone();
    for drive in DRIVES {
        let (options, clock) = manual(drive);
        let (toy, probe) = (Toy::with(Options { pull: true, ..options }), Probe::new());
        toy.add_timer(3600 * SECOND, 0, &probe, nothing);
        clock.advance(3600 * SECOND);
        let began = monotonic_ns();
        assert_eq!(batch(&toy.guest(), 10 * SECOND).len(), 1);
        assert!(monotonic_ns() - began < 5 * SECOND);
        toy.shut_down();
    }
}

#[test]
fn wait_ends_for_a_wake_once() {
    let _alone = alone();
    for drive in DRIVES {
        let toy = Toy::with(pull(drive));
        let guest = toy.guest();
        let slept = |timeout| {
            let began = monotonic_ns();
            assert!(wait(&guest, timeout).is_empty());
            monotonic_ns() - began
        };
        toy.poster.wake(); // before the batch
        guest.batch_begin(0).unwrap();
        assert!(slept(10 * SECOND) < 5 * SECOND);
        at_least(slept(20 * MS), 20 * MS);
        toy.poster.wake(); // inside it, any number
        toy.poster.wake();
        assert!(slept(10 * SECOND) < 5 * SECOND);
        at_least(slept(20 * MS), 20 * MS);
        let poster = toy.poster.clone();
        let other = soon(move || poster.wake());
        assert!(slept(10 * SECOND) < 5 * SECOND);
        other.join().unwrap();
        at_least(slept(20 * MS), 20 * MS);
        guest.batch_end().unwrap();
        drop(guest);
        toy.shut_down();
    }
}

/// A post whose wake-up comes after it has been taken is no reason to return with nothing.
#[test]
fn wait_is_not_ended_by_an_old_wake_up() {
    let _alone = alone();
    for drive in DRIVES {
        let toy = Toy::with(pull(drive));
        let guest = toy.guest();
        guest.batch_begin(0).unwrap();
        for _ in 0..200 {
            let poster = toy.poster.clone();
            let other = thread::spawn(move || poster.post(|_| ()).unwrap());
            assert_eq!(wait(&guest, 10 * SECOND).len(), 1);
            other.join().unwrap();
        }
        guest.batch_end().unwrap();
        drop(guest);
        toy.shut_down();
    }
}

#[cfg(unix)] // nothing interrupts a wait of Windows
#[test]
fn wait_ends_for_a_signal() {
    extern "C" fn ignore(_: i32) {}
    let _alone = alone();
    // SAFETY: an all-zero sigaction is valid, and the handler does nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = ignore as *const () as libc::sighandler_t;
        must(libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut()));
    }
    for drive in DRIVES {
        let toy = Toy::with(pull(drive));
        let guest = toy.guest();
        // SAFETY: this thread outlives the other one, which is joined below.
        let this = unsafe { libc::pthread_self() } as usize; // musl's is a pointer
        let over = Arc::new(AtomicBool::new(false));
        let seen = over.clone();
        // Again and again: the first may come before this thread sleeps.
        let other = thread::spawn(move || {
            while !seen.load(Ordering::SeqCst) {
                pass(5 * MS);
                // SAFETY: as above.
                must(unsafe { libc::pthread_kill(this as libc::pthread_t, libc::SIGUSR2) });
            }
        });
        let began = monotonic_ns();
        assert!(batch(&guest, 10 * SECOND).is_empty());
        assert!(monotonic_ns() - began < 5 * SECOND);
        over.store(true, Ordering::SeqCst);
        other.join().unwrap();
        drop(guest);
        toy.shut_down();
    }
}

#[test]
fn wait_of_a_cancelled_guest_does_not_sleep() {
    let _alone = alone();
    for drive in DRIVES {
        let toy = Toy::with(pull(drive));
        let guest = toy.guest();
        guest.batch_begin(0).unwrap();
        let poster = toy.poster.clone();
        let other = soon(move || poster.cancel());
        let began = monotonic_ns();
        assert!(wait(&guest, FOREVER).is_empty());
        assert!(wait(&guest, FOREVER).is_empty());
        assert!(monotonic_ns() - began < 5 * SECOND);
        guest.batch_end().unwrap();
        other.join().unwrap();
        assert_eq!(toy.done_status(), Status::OK);
        drop(guest);
        toy.free();
    }
}

/// The I/O thread neither asks for a turn while the host thread waits, nor goes on asking.
#[test]
fn wait_needs_no_token_and_leaves_none() {
    let _alone = alone();
    let toy = Toy::with(Options {
        pull: true,
        nested_after: MS,
        repost_after: MS,
        stall_after: 2 * MS,
        ..Options::default()
    });
    let guest = toy.guest();
    toy.post(&Probe::shared(), nothing);
    eventually(|| toy.posts() > 0);
    let token = toy.last_token();
    guest.batch_begin(0).unwrap();
    assert_eq!(wait(&guest, FOREVER).len(), 1);
    assert!(wait(&guest, 10 * MS).is_empty());
    // The I/O thread may have been just about to post when the wait began, and more than that if this thread, kept
    // off its processor, was late to begin it: then another wait tells.
    let quiet = (0..20).any(|_| {
        let (posts, stalls) = (toy.posts(), toy.stats().stalls);
        assert!(wait(&guest, 60 * MS).is_empty());
        toy.posts() <= posts + 1 && toy.stats().stalls <= stalls + 1
    });
    assert!(quiet, "it was asked for a turn");
    guest.batch_end().unwrap();
    assert_eq!(refused(guest.batch_begin(token)), Status::STALE);

    // The waiting has gone back to the I/O thread.
    let deliver = |token| guest.batch_begin(token).and_then(|()| guest.batch_end());
    // What stirred the poller when the waiting was over may have asked for one turn more.
    eventually(|| toy.state() == State::Polling || deliver(toy.last_token()).is_err() && deliver(0).is_err());
    let (posts, poster) = (toy.posts(), toy.poster.clone());
    soon(move || poster.post(|_| ()).unwrap()).join().unwrap();
    eventually(|| toy.posts() > posts);
    drop(guest);
    toy.shut_down();
}

/// What a wait has told is handled in a nested main loop's time.
#[test]
fn wait_is_followed_by_a_nested_loop() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd] {
        let toy = Toy::with(pull(drive));
        let nested = Rc::new(Cell::new(0));
        let count = nested.clone();
        *toy.instead.borrow_mut() = Some(Rc::new(move |guest, token| {
            guest.batch_begin(token)?;
            count.set(count.get() + wait(guest, 0).len());
            guest.batch_end()
        }));
        let guest = toy.guest();
        guest.batch_begin(0).unwrap();
        let is_early = || {
            toy.add_timer(20 * MS, 0, &Probe::new(), nothing);
            wait(&guest, MS).is_empty()
        };
        // A thread that was kept off its processor waits for the next timer.
        assert!((0..20).any(|_| is_early()), "and the timer goes on behind a wait that told nothing");
        toy.run_until(|| nested.get() == 1);
        toy.post(&Probe::shared(), nothing);
        assert_eq!(wait(&guest, FOREVER).len(), 1);
        for events in 2..5 {
            let poster = toy.poster.clone();
            let other = soon(move || poster.post(|_| ()).unwrap());
            toy.run_until(|| nested.get() == events);
            other.join().unwrap();
        }
        guest.batch_end().unwrap();
        drop(guest);
        toy.shut_down();
    }
}

/// In a nested batch too: the outer one's watch does not disturb it.
#[test]
fn wait_nests() {
    let _alone = alone();
    for drive in DRIVES {
        let toy = Toy::with(pull(drive));
        let guest = toy.guest();
        guest.batch_begin(0).unwrap();
        toy.add_timer(15 * MS, 0, &Probe::new(), nothing);
        assert_eq!(batch(&guest, FOREVER)[0].kind, Kind::Timer);
        toy.add_timer(MS, 0, &Probe::new(), nothing);
        assert_eq!(wait(&guest, FOREVER)[0].kind, Kind::Timer);
        guest.batch_end().unwrap();
        drop(guest);
        toy.shut_down();
    }
}
