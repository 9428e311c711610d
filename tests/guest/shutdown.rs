//! Hazard: the end, whoever asks for it and wherever. `done` comes once, after the last drop.
//!
//! In safe Rust a delivery borrows its guest, so giving the guest up inside a callback or `done` (`free_in_...`)
//! takes effect when that delivery returns, as it does in C; until then the batch goes on.

use crate::common::*;

/// A guest with three due timers, one that is not due, and an `act` on the first.
struct Cast {
    toy: Rc<Toy>,
    timers: [P; 3],
    parked: P,
}

impl Cast {
    fn start(drive: Drive, act: impl Fn(&Rc<Toy>, &Handle) + 'static) -> Cast {
        let cast = Cast {
            // The budget of a machine that is busy might be over with the first.
            toy: Toy::with(Options { batch_budget: FOREVER, ..options(drive) }),
            timers: [Probe::new(), Probe::new(), Probe::new()],
            parked: Probe::new(),
        };
        let toy = cast.toy.clone();
        cast.toy.add_timer(0, 0, &cast.timers[0], move |handle| act(&toy, handle));
        cast.toy.add_timer(0, 0, &cast.timers[1], nothing);
        cast.toy.add_timer(0, 0, &cast.timers[2], nothing);
        cast.toy.add_timer(FOREVER, 0, &cast.parked, nothing);
        cast
    }

    /// `calls` of the three timers ran; everything was dropped once, and then came `done`.
    #[track_caller]
    fn ended(&self, calls: [u32; 3]) {
        assert_eq!(self.toy.done_status(), Status::OK);
        let done = self.toy.host.done.lock().unwrap()[0].1;
        assert_eq!(self.timers.each_ref().map(|timer| timer.calls()), calls);
        assert_eq!(self.parked.calls(), 0);
        for probe in self.timers.iter().chain([&self.parked]) {
            assert_eq!(probe.drops(), 1);
            assert!(probe.dropped.get() < done, "done comes last");
        }
        self.toy.free();
    }
}

fn free(toy: &Rc<Toy>, _: &Handle) {
    toy.free();
    assert_eq!(toy.done(), 0, "it takes effect when the outermost delivery returns");
}

fn cancel(toy: &Rc<Toy>, handle: &Handle) {
    toy.poster.cancel();
    toy.poster.cancel();
    assert_eq!(toy.done(), 0);
    assert_eq!(refused(handle.timer_add(0, 0, |_, _, _| {})), Status::CLOSED);
    assert_eq!(refused(toy.poster.post(|_| {})), Status::CLOSED);
    assert_eq!(refused(toy.guest().shutdown(0)), Status::ORDER);
}

#[test]
fn free_in_callback_thread() {
    let _alone = alone();
    let cast = Cast::start(Drive::Thread, free);
    cast.toy.run_until(|| cast.toy.done() > 0);
    cast.ended([1, 1, 1]);
}

#[test]
fn free_in_callback_fd() {
    let _alone = alone();
    let cast = Cast::start(Drive::Fd, free);
    cast.toy.run_until(|| cast.toy.done() > 0);
    cast.ended([1, 1, 1]);
}

#[test]
fn free_in_callback_run() {
    let _alone = alone();
    let cast = Cast::start(Drive::Run, |toy, handle| {
        free(toy, handle);
        toy.poster.cancel();
    });
    let guest = cast.toy.guest();
    guest.run(10 * SECOND).unwrap();
    drop(guest);
    cast.ended([1, 0, 0]);
}

#[test]
fn cancel_in_callback_thread() {
    let _alone = alone();
    let cast = Cast::start(Drive::Thread, cancel);
    cast.toy.run_until(|| cast.toy.done() > 0);
    cast.ended([1, 0, 0]);
}

#[test]
fn cancel_in_callback_fd() {
    let _alone = alone();
    let cast = Cast::start(Drive::Fd, cancel);
    cast.toy.run_until(|| cast.toy.done() > 0);
    cast.ended([1, 0, 0]);
}

#[test]
fn shutdown_in_callback() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::new());
    let here = toy.clone();
    toy.add_timer(0, 0, &probe, move |_| assert_eq!(refused(here.guest().shutdown(SECOND)), Status::ORDER));
    toy.run_until(|| probe.drops() == 1);
    assert_eq!(toy.done(), 0, "a refused call changes nothing");
    let still = Probe::new();
    toy.add_timer(0, 0, &still, nothing);
    toy.run_until(|| still.calls() == 1);
    toy.end();
}

fn free_in_done(drive: Drive, end: impl FnOnce(&Toy)) {
    let _alone = alone();
    let (toy, probe) = (Toy::start(drive), Probe::new());
    toy.host.free_in_done.store(true, Ordering::SeqCst);
    toy.add_timer(FOREVER, 0, &probe, nothing);
    end(&toy);
    assert_eq!((probe.drops(), toy.done_status()), (1, Status::OK));
    assert_eq!(live()[1..], [0; 4], "nobody else holds the guest");
}

fn cancel_and_run(toy: &Toy) {
    toy.poster.cancel();
    toy.run_until(|| toy.done() > 0);
}

#[test]
fn free_in_done_thread() {
    free_in_done(Drive::Thread, cancel_and_run);
}

#[test]
fn free_in_done_fd() {
    free_in_done(Drive::Fd, cancel_and_run);
}

#[test]
fn free_in_done_of_shutdown() {
    free_in_done(Drive::Thread, |toy| toy.guest().shutdown(10 * SECOND).unwrap());
}

#[test]
fn cancel_from_another_thread_during_delivery() {
    let _alone = alone();
    let cast = Cast::start(Drive::Thread, |toy, _| {
        let poster = toy.poster.clone();
        std::thread::spawn(move || poster.cancel()).join().unwrap();
        assert_eq!(toy.done(), 0);
    });
    cast.toy.run_until(|| cast.toy.done() > 0);
    cast.ended([1, 0, 0]);
}

#[test]
fn free_at_once() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd, Drive::Run] {
        let toy = Toy::start(drive);
        toy.free();
        assert_eq!(toy.done_status(), Status::OK);
    }
}

#[test]
fn free_with_the_io_thread_blocked() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::new());
    toy.add_timer(FOREVER, 0, &probe, nothing);
    toy.await_polling();
    toy.free();
    assert_eq!((probe.drops(), toy.done_status()), (1, Status::OK));
}

#[test]
fn free_while_post_blocks() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::new());
    toy.fault(Fault::Block, u32::MAX);
    toy.post(&probe, nothing);
    toy.host.entered.wait(1);
    toy.free();
    assert_eq!((probe.drops(), probe.calls(), toy.done_status()), (1, 0, Status::OK));
    toy.host.unblock.open();
    // `post` has returned: its thread finds its way out alone.
    toy.host.entered.wait(2);
}

#[test]
fn free_with_a_token_queued() {
    let _alone = alone();
    let cast = Cast::start(Drive::Thread, |_, _| {});
    eventually(|| cast.toy.posts() > 0);
    cast.toy.free();
    cast.toy.run_for(2 * MS);
    cast.ended([0, 0, 0]);
}

#[test]
fn shutdown_with_deadline() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::new());
    let (working, release) = (Latch::new(), Latch::new());
    let latches = (working.clone(), release.clone());
    toy.add_work(&probe, move || {
        latches.0.open();
        latches.1.wait(1);
    });
    working.wait(1);
    let start = monotonic_ns();
    assert_eq!(refused(toy.guest().shutdown(20 * MS)), Status::TIMEDOUT);
    at_least(monotonic_ns() - start, 20 * MS);
    assert_eq!((toy.done(), probe.drops()), (0, 0));
    assert_eq!(refused(toy.guest().shutdown(0)), Status::TIMEDOUT);
    release.open();
    toy.guest().shutdown(10 * SECOND).unwrap();
    assert_eq!((toy.done_status(), probe.drops(), probe.calls()), (Status::OK, 1, 0));
    toy.guest().shutdown(0).unwrap();
    toy.free();
}

#[test]
fn shutdown_runs_drops() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd, Drive::Run] {
        let (toy, timer, post) = (Toy::start(drive), Probe::new(), Probe::new());
        toy.add_timer(FOREVER, 0, &timer, nothing);
        toy.post(&post, nothing);
        toy.guest().shutdown(10 * SECOND).unwrap();
        assert_eq!((timer.drops(), post.drops(), post.calls()), (1, 1, 0));
        toy.free();
        assert_eq!(toy.done_status(), Status::OK);
    }
}

/// Its timeout is for work that is running; drops run all the same.
#[test]
fn shutdown_runs_slow_drops() {
    struct Slow(P);
    impl Drop for Slow {
        fn drop(&mut self) {
            pass(2 * MS);
            self.0.calls.set(self.0.calls() + 1);
        }
    }
    let _alone = alone();
    let toy = Toy::with(Options { batch_budget: MS, ..options(Drive::Fd) });
    let dropped = Probe::new();
    for _ in 0..5 {
        let slow = Slow(dropped.clone());
        toy.handle().timer_add(FOREVER, 0, move |_, _, _| assert_eq!(slow.0.calls(), 0)).unwrap();
    }
    toy.guest().shutdown(0).unwrap();
    assert_eq!((dropped.calls(), toy.done_status()), (5, Status::OK));
}
