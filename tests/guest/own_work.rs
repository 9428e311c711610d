//! Hazard: a caller of the pull form with a queue of its own (an interpreter's ready queue), that a nested main loop has
//! to get on with although the library knows nothing of it; and the price of that when there is none.

use crate::common::*;

fn start(drive: Drive) -> Rc<Toy> {
    let toy = Toy::with(pull(drive));
    *toy.instead.borrow_mut() = Some(Rc::new(|guest, token| {
        guest.batch_begin(token)?;
        take(guest);
        guest.batch_end()
    }));
    toy
}

fn take(guest: &Guest) -> usize {
    let mut count = 0;
    guest.batch_next(8, |_| count += 1).unwrap();
    count
}

/// A nested main loop, until it has delivered.
#[track_caller]
fn nested_delivers(toy: &Toy) {
    let (before, stale) = (toy.deliveries.get(), toy.stale.get());
    toy.run_until(|| toy.deliveries.get() - before > toy.stale.get() - stale);
}

#[test]
fn own_work_is_reached_by_a_nested_loop_that_was_asked_for() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd] {
        let toy = start(drive);
        let guest = toy.guest();
        guest.batch_begin(0).unwrap();
        assert_eq!(take(&guest), 0);
        for _ in 0..3 {
            toy.poster.wake();
            assert!(drive == Drive::Thread || poll_fds(&[guest.fd().unwrap()], 0)[0], "readable at once");
            nested_delivers(&toy);
        }
        // A look of the outer batch takes the wake-up, and tells nothing; the next one is as good.
        toy.poster.wake();
        assert_eq!(take(&guest), 0);
        toy.poster.wake();
        nested_delivers(&toy);
        assert_eq!(take(&guest), 0);
        guest.batch_end().unwrap();
        drop(guest);
        toy.shut_down();
    }
}

#[test]
fn own_work_is_reached_in_a_batch_that_was_asked_for() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd] {
        let toy = start(drive);
        let guest = toy.guest();
        for has_event in [false, true] {
            toy.poster.wake();
            if has_event {
                toy.post(&Probe::shared(), nothing);
            }
            guest.batch_begin(0).unwrap();
            assert_eq!(take(&guest), usize::from(has_event));
            assert_eq!(take(&guest), 0);
            nested_delivers(&toy); // nobody asks again
            guest.batch_end().unwrap();
        }
        drop(guest);
        toy.shut_down();
    }
}

#[test]
fn own_work_is_reached_by_a_nested_wait() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd, Drive::Run] {
        let toy = start(drive);
        let guest = toy.guest();
        guest.batch_begin(0).unwrap();
        toy.poster.wake();
        guest.batch_begin(0).unwrap();
        let began = monotonic_ns();
        guest.batch_wait(10 * SECOND, 1, |_| panic!("nothing is due")).unwrap();
        assert!(monotonic_ns() - began < 5 * SECOND);
        guest.batch_end().unwrap();
        guest.batch_end().unwrap();
        drop(guest);
        toy.shut_down();
    }
}

/// How often a run of batches may make the fd readable for nothing. On Windows a thread tells the fd, which may be late.
const AT_MOST: u32 = if cfg!(windows) { 5 } else { 1 };

/// The fd of drive FD is not readable for what a batch has seen to: not after one, and once at most
/// after a run of them.
#[test]
fn own_work_that_is_done_leaves_silence() {
    let _alone = alone();
    let toy = start(Drive::Fd);
    let (guest, pipe) = (toy.guest(), Channel::new());
    toy.add_fd(pipe.input(), READABLE, &Probe::new(), nothing);
    toy.add_timer(3600 * SECOND, 0, &Probe::new(), nothing);
    let fd = guest.fd().unwrap();
    let batch = |look_again: bool| {
        pipe.write(1);
        guest.batch_begin(0).unwrap();
        assert_eq!(take(&guest), 1);
        pipe.read_one();
        if look_again {
            assert_eq!(take(&guest), 0);
        }
        guest.batch_end().unwrap();
    };
    for look_again in [true, false] {
        pass(20 * MS);
        batch(look_again);
        assert!(!poll_fds(&[fd], 40 * MS)[0], "woken for nothing");
        for _ in 0..50 {
            batch(look_again);
        }
        let mut woken = 0;
        while poll_fds(&[fd], 40 * MS)[0] {
            woken += 1;
            assert!(woken <= AT_MOST, "woken again and again");
            toy.deliver(0);
        }
    }
    drop(guest);
    toy.shut_down();
}

/// Timers are exact behind a nested wake that stands from the batch before.
#[test]
fn own_work_does_not_delay_timers() {
    let _alone = alone();
    let toy = start(Drive::Fd);
    let guest = toy.guest();
    exact_within(MS, || {
        let due = monotonic_ns() + 3 * MS;
        let mut events = 0; // two posts and the timer, which may be due in the second batch already
        for delay in [3 * MS, FOREVER] {
            toy.post(&Probe::shared(), nothing);
            guest.batch_begin(0).unwrap();
            toy.add_timer(delay, 0, &Probe::shared(), nothing);
            events += take(&guest);
            guest.batch_end().unwrap();
        }
        while events < 3 {
            assert!(poll_fds(&[guest.fd().unwrap()], 10 * SECOND)[0], "slept through");
            guest.batch_begin(0).unwrap();
            events += take(&guest);
            guest.batch_end().unwrap();
        }
        monotonic_ns().checked_sub(due).expect("early")
    });
    drop(guest);
    toy.shut_down();
}

/// A turn that asks for the next one posts it itself: no other thread is woken for that.
#[test]
fn wake_in_a_batch_is_posted_locally() {
    let _alone = alone();
    let lp = Loop::open();
    let toy = Toy::on(&lp, Options { pull: true, ..patient(Drive::Thread) }, true);
    let left = Rc::new(Cell::new(50));
    let (mine, poster) = (left.clone(), toy.poster.clone());
    *toy.instead.borrow_mut() = Some(Rc::new(move |guest, token| {
        guest.batch_begin(token)?;
        take(guest);
        if mine.get() > 0 {
            mine.set(mine.get() - 1);
            poster.wake();
        }
        guest.batch_end()
    }));
    toy.poster.wake();
    toy.run_until(|| left.get() == 0);
    let count = |n: &AtomicU32| n.load(Ordering::SeqCst);
    assert!(count(&toy.host.locals) >= 49, "{}", count(&toy.host.locals));
    assert!(count(&toy.host.posts) <= 2, "{}", count(&toy.host.posts));
    toy.shut_down();
}
