//! Hazard: cancelling from anywhere, and the rights to a guest that has been cancelled or is gone.

use crate::common::*;

#[test]
fn cancel_wakes_a_sleeping_guest() {
    let _alone = alone();
    let toy = Toy::start(Drive::Thread);
    toy.await_polling();
    let poster = toy.poster.clone();
    let thread = std::thread::spawn(move || poster.cancel());
    toy.run_until(|| toy.done() > 0);
    thread.join().unwrap();
    assert_eq!(toy.state(), State::Ended);
    assert_eq!(refused(toy.guest().deliver(0)), Status::CLOSED);
    toy.poster.cancel();
    toy.free();
    assert_eq!(toy.done_status(), Status::OK);
}

/// The cancel hits deliveries at every point; whichever it hits, its wake is not lost.
#[test]
fn cancel_races_with_deliveries() {
    let _alone = alone();
    for round in 0..300 {
        let toy = Toy::start([Drive::Thread, Drive::Fd, Drive::Run][round % 3]);
        let poster = toy.poster.clone();
        let thread = std::thread::spawn(move || poster.cancel());
        for _ in 0..=round % 40 {
            toy.deliver(0);
        }
        match toy.drive {
            Drive::Run => toy.guest().run(10 * SECOND).unwrap(),
            _ => toy.run_until(|| toy.done() > 0),
        }
        thread.join().unwrap();
        toy.free();
        assert_eq!(toy.done_status(), Status::OK);
    }
}

/// A guest that was cancelled or is gone takes nothing new, and says so, by every right.
#[track_caller]
fn takes_nothing(handle: &Handle, poster: &Poster, pipe: &Channel) {
    let probe = Probe::shared();
    assert_eq!(refused(handle.fd_add(pipe.input(), READABLE, probe.fd(nothing))), Status::CLOSED);
    assert_eq!(refused(handle.timer_add(0, 0, probe.timer(nothing))), Status::CLOSED);
    assert_eq!(refused(handle.signal_add(SIGNAL, probe.signal(nothing))), Status::CLOSED);
    assert_eq!(refused(handle.child_add(1, probe.child(nothing))), Status::CLOSED);
    assert_eq!(refused(handle.work(|| {}, probe.worked(|_, ()| {}))), Status::CLOSED);
    assert_eq!(refused(handle.resolve(query(Some("::1"), None), probe.resolved(|_| {}))), Status::CLOSED);
    assert_eq!(refused(poster.post(probe.post(nothing))), Status::CLOSED);
    assert_eq!((probe.calls(), probe.drops()), (0, 7), "what is refused is dropped at once");
}

#[test]
fn cancelled_guest_takes_nothing_new() {
    let _alone = alone();
    let (toy, pipe) = (Toy::start(Drive::Thread), Channel::new());
    toy.poster.cancel();
    takes_nothing(&toy.handle(), &toy.poster, &pipe);
    toy.end();
}

#[test]
fn handle_and_poster_outlive_the_guest() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd, Drive::Run] {
        let (toy, pipe, probe) = (Toy::start(drive), Channel::new(), Probe::new());
        let (handle, poster) = (toy.handle(), toy.poster.clone());
        let id = toy.add_timer(FOREVER, 0, &probe, nothing);
        toy.free();
        assert_eq!((toy.done_status(), live()[3]), (Status::OK, 0), "the I/O thread has ended, too");
        takes_nothing(&handle, &poster, &pipe);
        assert!(!handle.is_open(id) && poster.is_ended());
        assert_eq!(refused(handle.close(id)), Status::STALE);
        assert!([Status::CLOSED, Status::STALE].contains(&refused(handle.timer_modify(id, 0, 0))));
        assert_eq!((poster.state(), poster.stats().live_sources), (State::Ended, 0));
        poster.wake();
        poster.cancel();
        assert_eq!(refused(handle.poster().post(|_| {})), Status::CLOSED);
        assert_eq!(toy.done_status(), Status::OK, "still once");
    }
}

#[test]
fn cancel_again_and_again_is_one_end() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd] {
        let (toy, probe) = (Toy::start(drive), Probe::new());
        toy.add_timer(FOREVER, 0, &probe, nothing);
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let poster = toy.poster.clone();
                std::thread::spawn(move || (0..100).for_each(|_| poster.cancel()))
            })
            .collect();
        toy.run_until(|| toy.done() > 0);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        toy.run_for(2 * MS);
        assert_eq!((toy.done_status(), probe.drops()), (Status::OK, 1));
        toy.free();
    }
}
