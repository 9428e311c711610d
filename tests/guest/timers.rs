//! Hazard: timers. In order, on their grid, exact when armed anew, and cheap enough for a million.

use crate::common::*;

/// A guest in drive FD with a clock that stands, and a step that moves it and delivers.
fn standing() -> (Rc<Toy>, impl Fn(u64)) {
    let (options, clock) = manual(Drive::Fd);
    let toy = Toy::with(options);
    let stepped = toy.clone();
    (toy, move |by| {
        clock.advance(by);
        stepped.guest().deliver_for(0, Some(FOREVER)).unwrap();
    })
}

#[test]
fn timer_million() {
    let _alone = alone();
    const COUNT: usize = if cfg!(debug_assertions) { 200_000 } else { 1_000_000 };
    let (toy, step) = standing();
    let handle = toy.handle();
    let mut random = Random(3);
    let (fired, last) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let delays: Vec<u64> = (0..COUNT).map(|_| random.below(200 * MS)).collect();
    let add = |delay: &u64| {
        let (fired, last, delay) = (fired.clone(), last.clone(), *delay);
        let callback = move |_: &Handle, _: Id, expirations: u64| {
            assert_eq!(expirations, 1);
            assert!(delay >= last.replace(delay), "out of order");
            fired.set(fired.get() + 1);
        };
        handle.timer_add(delay, 0, callback).unwrap()
    };
    let ids: Vec<Id> = delays.iter().map(add).collect();
    ids.iter().step_by(2).for_each(|id| handle.close(*id).unwrap());
    step(100 * MS);
    let due = delays.iter().skip(1).step_by(2).filter(|delay| **delay <= 100 * MS).count();
    assert_eq!(fired.get(), due);
    step(100 * MS);
    assert_eq!(fired.get(), COUNT / 2);
    assert_eq!((toy.stats().live_sources, Rc::strong_count(&fired)), (0, 1));
    toy.end();
}

#[test]
fn timer_order_by_deadline() {
    let _alone = alone();
    let (toy, step) = standing();
    let order = Rc::new(RefCell::new(Vec::new()));
    for delay in [4, 2, 3, 0, 1] {
        let order = order.clone();
        toy.add_timer(delay * MS, 0, &Probe::new(), move |_| order.borrow_mut().push(delay));
    }
    step(10 * MS);
    assert_eq!(*order.borrow(), [0, 1, 2, 3, 4]);
    toy.end();
}

#[test]
fn timer_order_by_start() {
    let _alone = alone();
    let (toy, step) = standing();
    let order = Rc::new(RefCell::new(Vec::new()));
    for i in 0..100 {
        let order = order.clone();
        toy.add_timer(MS, 0, &Probe::new(), move |_| order.borrow_mut().push(i));
    }
    step(MS);
    assert_eq!(*order.borrow(), (0..100).collect::<Vec<_>>());
    toy.end();
}

#[test]
fn timer_repeating_keeps_its_grid_and_counts_missed_periods() {
    let _alone = alone();
    let (toy, step) = standing();
    let probe = Probe::new();
    toy.add_timer(5 * MS, 5 * MS, &probe, nothing);
    for (by, calls, expirations) in [
        (5 * MS, 1, 1),
        (4 * MS, 1, 1),
        (MS, 2, 1),
        (23 * MS, 3, 4),
        (2 * MS - 1, 3, 4),
        (1, 4, 1),
        (25 * MS, 5, 5),
    ] {
        step(by);
        assert_eq!((probe.calls(), probe.value.get()), (calls, expirations));
    }
    toy.end();
}

/// A repeating timer that takes longer than its period: it must not fire in bursts or hog the guest.
#[test]
fn timer_repeating_slower_than_its_period() {
    let _alone = alone();
    let (options, clock) = manual(Drive::Fd);
    let toy = Toy::with(Options { batch_budget: 4 * MS, ..options });
    let (slow, other) = (Probe::new(), Probe::new());
    let slowed = clock.clone();
    toy.add_timer(MS, MS, &slow, move |_| slowed.advance(3 * MS));
    toy.add_timer(MS, 2 * MS, &other, nothing);
    clock.advance(MS);
    for _ in 0..20 {
        toy.guest().deliver(0).unwrap();
    }
    assert!(slow.calls() >= 20 && other.calls() >= 10, "{} and {}", slow.calls(), other.calls());
    assert!(slow.total.get() >= 2 * i64::from(slow.calls()) - 2, "missed periods are counted");
    toy.end();
}

#[test]
fn timer_repeating_closed_in_its_callback() {
    let _alone = alone();
    let (toy, step) = standing();
    let probe = Probe::new();
    let watched = probe.clone();
    toy.add_timer(0, 1, &probe, move |handle| {
        if watched.calls() == 3 {
            handle.close(watched.id.get().unwrap()).unwrap();
        }
    });
    for _ in 0..5 {
        step(1);
    }
    assert_eq!((probe.calls(), probe.drops()), (3, 1));
    toy.end();
}

#[test]
fn timer_one_shot_rearmed_in_its_callback() {
    let _alone = alone();
    let (toy, step) = standing();
    let probe = Probe::new();
    let watched = probe.clone();
    let id = toy.add_timer(MS, 0, &probe, move |handle| {
        if watched.calls() < 4 {
            handle.timer_modify(watched.id.get().unwrap(), MS, 0).unwrap();
        }
    });
    for calls in 1..=4 {
        assert!(toy.handle().is_open(id));
        step(MS);
        assert_eq!(probe.calls(), calls);
    }
    assert_eq!(probe.drops(), 1);
    assert_eq!(refused(toy.handle().close(id)), Status::STALE);
    toy.end();
}

#[test]
fn timer_parked_until_armed() {
    let _alone = alone();
    let (toy, step) = standing();
    let (probe, handle) = (Probe::new(), toy.handle());
    let id = toy.add_timer(FOREVER, 0, &probe, nothing);
    step(3600 * SECOND);
    assert_eq!(probe.calls(), 0);
    handle.timer_modify(id, MS, MS).unwrap();
    step(MS);
    step(MS);
    assert_eq!(probe.calls(), 2);
    handle.timer_modify(id, FOREVER, 0).unwrap();
    step(3600 * SECOND);
    assert_eq!(probe.calls(), 2, "stopped");
    assert!(handle.is_open(id), "but not closed");
    toy.end();
}

#[test]
fn timer_parked_in_its_callback() {
    let _alone = alone();
    let (toy, step) = standing();
    let probe = Probe::new();
    let watched = probe.clone();
    let id = toy.add_timer(MS, 0, &probe, move |handle| {
        handle.timer_modify(watched.id.get().unwrap(), FOREVER, 0).unwrap();
    });
    step(MS);
    assert!(toy.handle().is_open(id), "a one-shot timer that was parked is wanted still");
    toy.handle().timer_modify(id, 0, 0).unwrap();
    step(0);
    assert_eq!((probe.calls(), toy.handle().is_open(id)), (2, true));
    toy.end();
}

#[test]
fn timer_armed_earlier_wakes_a_sleeping_guest() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::new());
    let id = toy.add_timer(3600 * SECOND, 0, &probe, nothing);
    toy.await_polling();
    toy.handle().timer_modify(id, 2 * MS, 0).unwrap();
    toy.run_until(|| probe.drops() == 1);
    toy.end();
}

#[test]
fn timer_armed_later_does_not_fire_at_the_old_time() {
    let _alone = alone();
    let (toy, step) = standing();
    let probe = Probe::new();
    let id = toy.add_timer(3 * MS, 0, &probe, nothing);
    toy.handle().timer_modify(id, 20 * MS, 0).unwrap();
    step(3 * MS);
    step(17 * MS - 1);
    assert_eq!(probe.calls(), 0);
    step(1);
    assert_eq!(probe.calls(), 1);
    toy.end();
}

#[test]
fn timeouts_saturate() {
    let _alone = alone();
    let (toy, step) = standing();
    let never = Probe::shared();
    let long = [FOREVER, FOREVER - 1, FOREVER / 2 + 1, i64::MAX as u64, 4_000_000_000 * SECOND];
    for time in long {
        toy.add_timer(time, time, &never, nothing);
    }
    let repeating = Probe::new();
    let id = toy.add_timer(0, FOREVER - 1, &repeating, nothing);
    step(0);
    step(3600 * SECOND);
    assert_eq!((repeating.calls(), never.calls()), (1, 0));
    assert!(toy.handle().is_open(id));
    toy.guest().deliver_for(0, Some(FOREVER - 1)).unwrap();
    toy.end();

    // The same with the system's clock and its alarm.
    let (toy, due) = (Toy::start(Drive::Thread), Probe::new());
    for time in long {
        toy.add_timer(time, time, &never, nothing);
    }
    toy.add_timer(MS, 0, &due, nothing);
    toy.run_until(|| due.drops() == 1);
    assert_eq!(never.calls(), 0);
    toy.end();
}

#[test]
fn timer_zero_delay_storm_keeps_fds_going() {
    let _alone = alone();
    let (toy, pipe) = (Toy::start(Drive::Thread), Channel::new());
    let (storm, fd, post) = (Probe::new(), Probe::new(), Probe::new());
    let watched = storm.clone();
    toy.add_timer(0, 0, &storm, move |handle| handle.timer_modify(watched.id.get().unwrap(), 0, 0).unwrap());
    toy.add_fd(pipe.input(), READABLE, &fd, pipe.reader());
    for calls in 1..=20 {
        pipe.write(1);
        toy.run_until(|| fd.calls() == calls);
    }
    toy.post(&post, nothing);
    toy.run_until(|| post.drops() == 1);
    assert!(storm.calls() >= 20);
    toy.end();
    assert_eq!(storm.drops(), 1);
}
