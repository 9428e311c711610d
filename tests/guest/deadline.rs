//! Hazard: the deadline of a program that keeps timers of its own: a delivery that does not come, comes early, comes
//! twice, or comes for a deadline that was taken back.

use crate::common::*;

const DRIVES: [Drive; 3] = [Drive::Thread, Drive::Fd, Drive::Run];

/// Delivers until the guest has had `count` more deliveries.
fn deliveries(toy: &Toy, count: u64) {
    let before = toy.stats().batches;
    toy.run_until(|| toy.stats().batches >= before + count);
}

#[test]
fn deadline_brings_a_delivery_and_never_early() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd] {
        let toy = Toy::start(drive);
        let handle = toy.handle();
        toy.run_for(0);
        for delay in [0, 1, 100_000, 3 * MS] {
            let deadline = asyncguest::monotonic_ns() + delay;
            handle.set_deadline(deadline).unwrap();
            deliveries(&toy, 1);
            while asyncguest::monotonic_ns() < deadline {
                // It was due to something else; the deadline is still to come.
                deliveries(&toy, 1);
            }
        }
        toy.end();
    }
}

#[test]
fn deadline_in_a_pull_batch_ends_the_wait_without_an_event() {
    let _alone = alone();
    for drive in DRIVES {
        let toy = Toy::with(pull(drive));
        let guest = toy.guest();
        guest.batch_begin(0).unwrap();
        for delay in [0, 2 * MS] {
            let deadline = asyncguest::monotonic_ns() + delay;
            toy.handle().set_deadline(deadline).unwrap();
            guest.batch_wait(FOREVER, 8, |event| panic!("{event:?}")).unwrap();
            assert!(asyncguest::monotonic_ns() >= deadline, "{drive:?}: early");
        }
        // It is forgotten, so that this lasts its time.
        let until = asyncguest::monotonic_ns() + MS;
        guest.batch_wait(MS, 8, |event| panic!("{event:?}")).unwrap();
        assert!(asyncguest::monotonic_ns() >= until, "{drive:?}: twice");
        guest.batch_end().unwrap();
        drop(guest);
        toy.shut_down();
    }
}

#[test]
fn deadline_replaced_and_taken_back_wakes_nobody() {
    let _alone = alone();
    let (options, clock) = manual(Drive::Fd);
    let toy = Toy::with(options);
    let (handle, guest) = (toy.handle(), toy.guest());
    let step = |by| {
        clock.advance(by);
        guest.deliver(0).unwrap();
    };
    handle.set_deadline(clock.now() + 5 * MS).unwrap();
    handle.set_deadline(clock.now() + 50 * MS).unwrap();
    handle.set_deadline(FOREVER).unwrap();
    step(100 * MS);
    // A timer beside it goes by its own time.
    let probe = Probe::new();
    toy.add_timer(10 * MS, 0, &probe, nothing);
    handle.set_deadline(clock.now() + 2 * MS).unwrap();
    step(2 * MS);
    assert_eq!(probe.calls(), 0);
    step(8 * MS);
    assert_eq!(probe.calls(), 1);
    toy.end();
}

#[test]
fn deadline_of_a_callback_reaches_the_nested_loop_that_it_begins() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd] {
        let toy = Toy::start(drive);
        let (dialog, probe) = (toy.clone(), Probe::new());
        toy.add_timer(0, 0, &probe, move |handle| {
            handle.set_deadline(asyncguest::monotonic_ns() + MS).unwrap();
            deliveries(&dialog, 1);
        });
        toy.run_until(|| probe.calls() == 1);
        toy.end();
    }
}

#[test]
fn deadline_of_a_cancelled_guest_is_refused() {
    let _alone = alone();
    let toy = Toy::start(Drive::Fd);
    let handle = toy.handle();
    handle.set_deadline(FOREVER - 1).unwrap();
    toy.poster.cancel();
    assert_eq!(refused(handle.set_deadline(0)), Status::CLOSED);
    toy.end();
}
