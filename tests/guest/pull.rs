//! Hazard: the pull form: events as data, drops at the next call, batches that nest.

use crate::common::*;

/// Up to `capacity` events.
fn take(guest: &Guest, capacity: usize) -> Vec<Event> {
    let mut events = Vec::new();
    guest.batch_next(capacity, |event| events.push(event)).unwrap();
    events
}

/// One batch: all that it gives.
fn batch(guest: &Guest) -> Vec<Event> {
    guest.batch_begin(0).unwrap();
    let mut all = Vec::new();
    loop {
        let events = take(guest, 8);
        if events.is_empty() {
            guest.batch_end().unwrap();
            return all;
        }
        all.extend(events);
    }
}

#[test]
fn pull_every_kind() {
    let _alone = alone();
    // Its fd is always writable: only the budget ends a batch.
    let (toy, pipe) = (Toy::with(Options { pull: true, ..options(Drive::Fd) }), Channel::new());
    let [fd, timer, post, signal, child, work, resolve] = std::array::from_fn(|_| Probe::new());
    let pid = ending_child(7);
    wait_unreaped(pid);
    let ids = [
        Some(toy.add_fd(pipe.output(), WRITABLE, &fd, nothing)),
        Some(toy.add_timer(0, 0, &timer, nothing)),
        None,
        Some(toy.add_signal(SIGNAL, &signal)),
        Some(toy.add_child(pid, &child)),
        Some(toy.add_work(&work, || {})),
        Some(toy.add_resolve(query(Some("127.0.0.1"), Some("80")), &resolve)),
    ];
    toy.post(&post, nothing);
    raise(SIGNAL);
    let guest = toy.guest();
    let mut seen = [false; 7];
    let mut look = |event: Event| {
        let kind = event.kind as usize - 1;
        assert_eq!(event.id, ids[kind]);
        assert!(!std::mem::replace(&mut seen[kind], true) || event.kind == Kind::Fd);
        match event.kind {
            Kind::Fd => {
                assert_eq!(event.flags, WRITABLE);
                guest.handle().fd_modify(event.id.unwrap(), 0).unwrap();
            }
            Kind::Timer => assert_eq!(event.value, 1),
            Kind::Signal => assert_eq!((event.flags, event.value), (SIGNAL as u32, 1)),
            Kind::Child => assert_eq!((event.flags, event.value), (0, 7)),
            Kind::Resolve => assert_eq!((event.value, event.data.is_null()), (1, false)),
            Kind::Post | Kind::Work => {}
        }
        seen.iter().all(|seen| *seen)
    };
    eventually(|| poll_fds(&[guest.fd().unwrap()], SECOND)[0]);
    let until = monotonic_ns() + 10 * SECOND;
    while !batch(&guest).into_iter().fold(false, |_, event| look(event)) {
        assert!(monotonic_ns() < until);
        poll_fds(&[guest.fd().unwrap()], SECOND);
    }
    for (probe, drops) in
        [(&fd, 0), (&timer, 1), (&post, 1), (&signal, 0), (&child, 1), (&work, 1), (&resolve, 1)]
    {
        assert_eq!((probe.calls(), probe.drops()), (0, drops), "no callback is ever called");
    }
    drop(guest);
    toy.shut_down();
    assert_eq!((fd.drops(), signal.drops()), (1, 1));
}

#[test]
fn pull_small_array_takes_all_in_order() {
    let _alone = alone();
    let toy = Toy::with(Options { pull: true, ..manual(Drive::Fd).0 });
    let guest = toy.guest();
    let ids: Vec<Id> = (0..10).map(|_| toy.add_timer(0, 0, &Probe::new(), nothing)).collect();
    guest.batch_begin(0).unwrap();
    for id in ids {
        let events = take(&guest, 1);
        assert_eq!((events.len(), events[0].kind, events[0].id), (1, Kind::Timer, Some(id)));
    }
    assert!(take(&guest, 1).is_empty());
    guest.batch_end().unwrap();
    drop(guest);
    toy.shut_down();
}

#[test]
fn pull_drops_at_the_next_call() {
    let _alone = alone();
    let toy = Toy::with(pull(Drive::Fd));
    let (guest, first, second) = (toy.guest(), Probe::new(), Probe::new());
    let id = toy.add_timer(0, 0, &first, nothing);
    toy.add_timer(0, 0, &second, nothing);
    guest.batch_begin(0).unwrap();
    assert_eq!(take(&guest, 1)[0].id, Some(id));
    assert!(!toy.handle().is_open(id), "closed by its one event, dropped later");
    assert_eq!(first.drops(), 0);
    assert_eq!(take(&guest, 1).len(), 1);
    assert_eq!((first.drops(), second.drops()), (1, 0));
    guest.batch_end().unwrap();
    assert_eq!(second.drops(), 1);
    drop(guest);
    toy.shut_down();
}

#[test]
fn pull_event_closed_by_the_one_before() {
    let _alone = alone();
    let (toy, pipes, probe) = (Toy::with(pull(Drive::Fd)), [Channel::new(), Channel::new()], Probe::shared());
    for pipe in &pipes {
        toy.add_fd(pipe.input(), READABLE, &probe, nothing);
        pipe.write(1);
    }
    let guest = toy.guest();
    guest.batch_begin(0).unwrap();
    let ids: Vec<Id> = take(&guest, 4).iter().filter_map(|event| event.id).collect();
    assert_eq!(ids.len(), 2);
    toy.handle().close(ids[1]).unwrap();
    assert!(toy.handle().is_open(ids[0]) && !toy.handle().is_open(ids[1]));
    guest.batch_end().unwrap();
    drop(guest);
    toy.shut_down();
    assert_eq!((probe.calls(), probe.drops()), (0, 2));
}

#[test]
fn pull_batches_nest() {
    let _alone = alone();
    let toy = Toy::with(pull(Drive::Fd));
    let (guest, probe) = (toy.guest(), Probe::shared());
    let ids: Vec<Id> = (0..2).map(|_| toy.add_timer(0, 0, &probe, nothing)).collect();
    guest.batch_begin(0).unwrap();
    assert_eq!(take(&guest, 1)[0].id, Some(ids[0]));

    guest.batch_begin(0).unwrap(); // the handling of the first runs a nested main loop
    assert_eq!(take(&guest, 1)[0].id, Some(ids[1]));
    assert!(take(&guest, 1).is_empty());
    guest.batch_end().unwrap();

    let third = toy.add_timer(0, 0, &probe, nothing);
    assert_eq!(take(&guest, 1)[0].id, Some(third));
    guest.batch_end().unwrap();
    assert_eq!(refused(guest.batch_end()), Status::ORDER);
    assert_eq!(toy.stats().nested, 1);
    drop(guest);
    toy.shut_down();
}

#[test]
fn pull_calls_in_the_wrong_order() {
    let _alone = alone();
    let toy = Toy::with(pull(Drive::Fd));
    let guest = toy.guest();
    assert_eq!(refused(guest.batch_next(1, |_| {})), Status::ORDER);
    assert_eq!(refused(guest.batch_end()), Status::ORDER);
    guest.batch_begin(0).unwrap();
    assert_eq!(refused(guest.batch_next(0, |_| {})), Status::INVAL);
    guest.batch_end().unwrap();
    assert_eq!(refused(guest.batch_end()), Status::ORDER);
    drop(guest);
    toy.shut_down();
}

#[test]
fn pull_needs_its_flag() {
    let _alone = alone();
    let toy = Toy::start(Drive::Fd);
    assert_eq!(refused(toy.guest().batch_begin(0)), Status::DRIVE);
    let next = refused(toy.guest().batch_next(1, |_| {}));
    assert!(next == Status::ORDER || next == Status::DRIVE, "both are true");
    toy.end();

    let toy = Toy::with(pull(Drive::Fd));
    assert_eq!(refused(toy.guest().deliver(0)), Status::DRIVE);
    assert_eq!(refused(toy.guest().deliver_for(0, Some(MS))), Status::DRIVE);
    toy.shut_down();
}

#[test]
fn pull_with_tokens() {
    let _alone = alone();
    let toy = Toy::with(pull(Drive::Thread));
    let (probe, events) = (Probe::shared(), Rc::new(Cell::new(0)));
    let counted = events.clone();
    *toy.instead.borrow_mut() = Some(Rc::new(move |guest, token| {
        guest.batch_begin(token)?;
        loop {
            let taken = take(guest, 8).len();
            counted.set(counted.get() + taken);
            if taken == 0 {
                return guest.batch_end();
            }
        }
    }));
    for drops in 1..=100 {
        toy.post(&probe, nothing);
        toy.run_until(|| probe.drops() == drops);
    }
    assert_eq!((events.get(), probe.calls()), (100, 0));
    toy.add_timer(MS, MS, &probe, nothing);
    toy.run_until(|| events.get() >= 105);
    toy.shut_down();
}

#[test]
fn pull_budget() {
    let _alone = alone();
    let (options, clock) = manual(Drive::Fd);
    let toy = Toy::with(Options { pull: true, ..options });
    let (guest, probe) = (toy.guest(), Probe::shared());
    (0..100).for_each(|_| toy.post(&probe, nothing));
    let mut total = 0;
    while total < 100 {
        guest.batch_begin(0).unwrap();
        let mut in_batch = 0;
        loop {
            let taken = take(&guest, 4).len();
            if taken == 0 {
                break;
            }
            in_batch += taken;
            clock.advance(2 * MS);
        }
        guest.batch_end().unwrap();
        assert_eq!(in_batch, (100 - total).min(8), "4 ms of budget, 2 ms for each array");
        total += in_batch;
    }
    drop(guest);
    toy.shut_down();
}

#[test]
fn pull_free_in_an_open_batch() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd, Drive::Run] {
        let (toy, probe) = (Toy::with(pull(drive)), Probe::new());
        toy.post(&probe, nothing);
        toy.guest().batch_begin(0).unwrap();
        assert_eq!(take(&toy.guest(), 1).len(), 1);
        assert_eq!(probe.drops(), 0);
        toy.free(); // nobody is left to end the batch
        assert_eq!((probe.drops(), toy.done_status()), (1, Status::OK));
    }
}
