//! Hazard: hosts that are gone, guests that are let go of while something of theirs runs.

use crate::common::*;

/// A guest whose host says that it is gone.
fn host_goes() -> (Rc<Toy>, P, P) {
    let (toy, post, timer) = (Toy::start(Drive::Thread), Probe::new(), Probe::new());
    let id = toy.add_timer(FOREVER, 0, &timer, nothing);
    toy.await_polling();
    toy.fault(Fault::Gone, u32::MAX);
    toy.post(&post, nothing);
    // The answer has arrived when the guest takes nothing new.
    eventually(|| toy.handle().timer_modify(id, FOREVER, 0).is_err());
    pass(10 * MS);
    assert_eq!(toy.posts(), 1, "a host that is gone is not asked again");
    (toy, post, timer)
}

#[track_caller]
fn host_went(toy: &Toy, post: &P, timer: &P) {
    assert_eq!(toy.done_status(), Status::HOSTGONE);
    assert_eq!((post.drops(), timer.drops()), (1, 1));
    assert_eq!(post.calls(), 0, "the run has ended: only drops come");
    toy.free();
    assert_eq!(toy.done_status(), Status::HOSTGONE);
}

#[test]
fn host_gone_then_shutdown() {
    let _alone = alone();
    let (toy, post, timer) = host_goes();
    toy.guest().shutdown(10 * SECOND).unwrap();
    host_went(&toy, &post, &timer);
}

#[test]
fn host_gone_then_free() {
    let _alone = alone();
    let (toy, post, timer) = host_goes();
    toy.free();
    host_went(&toy, &post, &timer);
}

#[test]
fn host_gone_then_delivery() {
    let _alone = alone();
    let (toy, post, timer) = host_goes();
    // Whatever it returns, it ends the guest, given the time.
    let _ = toy.guest().deliver_for(0, Some(10 * SECOND));
    host_went(&toy, &post, &timer);
}

/// Work that is running when the guest is let go of is not waited for, and its end is told to nobody.
#[test]
fn work_abandoned_by_free() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::new());
    let (started, release, over) = (Latch::new(), Latch::new(), Latch::new());
    struct AtEnd(Arc<Latch>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            self.0.open();
        }
    }
    let (latches, at_end) = ((started.clone(), release.clone()), AtEnd(over.clone()));
    toy.add_work(&probe, move || {
        let _at_end = at_end;
        latches.0.open();
        latches.1.wait(1);
    });
    started.wait(1);
    toy.free();
    assert_eq!(over.count(), 0);
    assert_eq!((probe.drops(), probe.calls()), (1, 0), "the callback belongs to this thread");
    release.open();
    over.wait(1);
    assert_eq!(toy.done_status(), Status::OK);
}

/// A guest that is dropped by unwinding ends like any other.
#[test]
fn guest_dropped_by_a_panic() {
    let _alone = alone();
    let done = Rc::new(RefCell::new(None));
    let seen = done.clone();
    let probe = Probe::new();
    let watched = probe.clone();
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let toy = Toy::start(Drive::Thread);
        *seen.borrow_mut() = Some(toy.host.clone());
        toy.add_timer(FOREVER, 0, &watched, nothing);
        panic!("expected by this test");
    }));
    assert!(ran.is_err());
    assert_eq!(probe.drops(), 1);
    assert_eq!(done.borrow().as_ref().unwrap().done.lock().unwrap().len(), 1);
}
