//! Hazard: time. Never early, by the system's clock, whoever waits. How late is a matter of the
//! machine's load, and of the benchmarks.

use crate::common::*;

/// Timers of up to `spread` by the system's clock: all of them come, and none early.
fn never_early(drive: Drive, count: u32, spread: u64) {
    let toy = Toy::start(drive);
    let mut random = Random(11);
    let fired = Rc::new(Cell::new(0));
    for _ in 0..count {
        let (fired, delay) = (fired.clone(), random.below(spread));
        let earliest = monotonic_ns() + delay;
        let callback = move |_: &Handle, _: Id, expirations: u64| {
            assert_eq!(expirations, 1);
            let now = monotonic_ns();
            assert!(now >= earliest, "{} ns early", earliest - now);
            fired.set(fired.get() + 1);
        };
        toy.handle().timer_add(delay, 0, callback).unwrap();
    }
    match drive {
        Drive::Run => eventually(|| {
            assert_eq!(refused(toy.guest().run(spread)), Status::TIMEDOUT);
            fired.get() == count
        }),
        _ => toy.run_until(|| fired.get() == count),
    }
    assert_eq!(fired.get(), count);
    toy.end();
}

#[test]
fn timer_precision_never_early() {
    let _alone = alone();
    never_early(Drive::Thread, 1_000, 20 * MS);
    never_early(Drive::Run, 1_000, 20 * MS);
}

/// One after the other: poll(2) must not return before the time, nor often in vain.
#[test]
fn timer_precision_never_early_fd() {
    let _alone = alone();
    never_early(Drive::Fd, 1_000, 20 * MS);
    let toy = Toy::start(Drive::Fd);
    let mut random = Random(5);
    for _ in 0..100 {
        let (probe, delay, start) = (Probe::new(), random.below(2 * MS), monotonic_ns());
        toy.add_timer(delay, 0, &probe, nothing);
        toy.run_until(|| probe.drops() == 1);
        at_least(probe.at.get() - start, delay);
    }
    assert!(toy.deliveries.get() <= 200, "{} deliveries for 100 timers", toy.deliveries.get());
    toy.end();
}

/// A repeating timer keeps its grid: the n-th expiration is never before n periods.
#[test]
fn timer_precision_of_a_grid() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd] {
        let (toy, probe) = (Toy::start(drive), Probe::new());
        let (watched, start) = (probe.clone(), monotonic_ns());
        toy.add_timer(MS, MS, &probe, move |_| {
            let expired = watched.total.get() as u64;
            assert!(watched.at.get() >= start + expired * MS, "early by the grid");
        });
        toy.run_until(|| probe.total.get() >= 20);
        at_least(monotonic_ns() - start, 20 * MS);
        toy.end();
    }
}
