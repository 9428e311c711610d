//! Hazard: what a callback owns dropped twice, never, too early or in the wrong place. A probe's token
//! itself fails the test on a second drop, on a wrong thread and inside its call.

use crate::common::*;

/// One source of every kind, none of them due.
struct Zoo {
    toy: Rc<Toy>,
    release: Arc<Latch>,
    probes: Vec<P>,
    ids: Vec<Id>,
    child: i32,
    _go: Rc<Go>,
    _pipe: Rc<Channel>,
}

impl Zoo {
    fn open(drive: Drive) -> Zoo {
        // One thread: the first piece of work holds up the others.
        let toy = Toy::with(Options { work_threads: 1, ..options(drive) });
        let (pipe, (child, go), release) = (Channel::new(), waiting_child(0), Latch::new());
        let p: Vec<P> = (0..7).map(|_| Probe::new()).collect();
        let (started, held) = (Latch::new(), release.clone());
        let latch = started.clone();
        let ids = vec![
            toy.add_fd(pipe.input(), READABLE, &p[0], nothing),
            toy.add_timer(3600 * SECOND, 0, &p[1], nothing),
            toy.add_signal(SIGNAL, &p[2]),
            toy.add_child(child, &p[3]),
            toy.add_work(&p[4], move || {
                latch.open();
                held.wait(1);
            }),
            toy.add_work(&p[5], || {}),
            toy.add_resolve(query(Some("127.0.0.1"), None), &p[6]),
        ];
        started.wait(1);
        assert_eq!(toy.stats().live_sources, 7);
        Zoo { toy, release, probes: p, ids, child, _go: go, _pipe: pipe }
    }

    /// Everything dropped once and nothing called, before `done` came.
    fn end(self) {
        let done = self.toy.host.done.lock().unwrap()[0].1;
        for probe in &self.probes {
            assert_eq!((probe.calls(), probe.drops()), (0, 1));
            assert!(probe.dropped.get() < done);
        }
        end_child(self.child);
    }
}

#[test]
fn drop_once_after_close() {
    let _alone = alone();
    let zoo = Zoo::open(Drive::Thread);
    for (id, probe) in zoo.ids.iter().zip(&zoo.probes) {
        zoo.toy.handle().close(*id).unwrap();
        assert_eq!(probe.drops(), 0, "never inside close");
    }
    zoo.toy.run_until(|| zoo.probes.iter().filter(|probe| probe.drops() == 1).count() == 6);
    assert_eq!(zoo.probes[4].drops(), 0, "the work that was running finishes first");
    zoo.release.open();
    zoo.toy.run_until(|| zoo.probes[4].drops() == 1);
    zoo.toy.end();
    zoo.end();
}

#[test]
fn drop_once_after_cancel() {
    let _alone = alone();
    let zoo = Zoo::open(Drive::Fd);
    zoo.toy.poster.cancel();
    zoo.release.open();
    zoo.toy.end();
    zoo.end();
}

#[test]
fn drop_once_after_shutdown() {
    let _alone = alone();
    let zoo = Zoo::open(Drive::Run);
    zoo.toy.poster.cancel();
    zoo.release.open();
    zoo.toy.guest().shutdown(10 * SECOND).unwrap();
    zoo.toy.free();
    zoo.end();
}

#[test]
fn drop_once_after_free() {
    let _alone = alone();
    let zoo = Zoo::open(Drive::Thread);
    zoo.toy.free(); // the running work is abandoned, but its callback belongs to this thread
    zoo.release.open();
    zoo.end();
}

#[test]
fn drop_comes_after_one_shot_callbacks() {
    let _alone = alone();
    let toy = Toy::start(Drive::Thread);
    let [timer, post, work, name] = std::array::from_fn(|_| Probe::new());
    toy.add_timer(0, 0, &timer, nothing);
    toy.post(&post, nothing);
    toy.add_work(&work, || {});
    toy.add_resolve(query(Some("127.0.0.1"), None), &name);
    let all = [timer, post, work, name];
    toy.run_until(|| all.iter().all(|probe| probe.drops() == 1));
    assert!(all.iter().all(|probe| probe.calls() == 1 && probe.last.get() < probe.dropped.get()));
    toy.end();
}

/// A drop may use the guest; what it closes or adds is handled in turn.
#[test]
fn drop_function_adds_a_source() {
    struct Adds(Rc<Toy>, P);
    impl Drop for Adds {
        fn drop(&mut self) {
            self.0.add_timer(0, 0, &self.1, nothing);
        }
    }
    let _alone = alone();
    let (toy, probe, next) = (Toy::start(Drive::Thread), Probe::new(), Probe::new());
    let adds = Adds(toy.clone(), next.clone());
    let id = toy.add_timer(3600 * SECOND, 0, &probe, move |_| assert!(adds.0.done() == 0));
    toy.handle().close(id).unwrap();
    toy.run_until(|| next.drops() == 1);
    assert_eq!((probe.drops(), next.calls()), (1, 1));
    toy.end();
}

/// A callback that was refused belongs to its caller again: it is dropped in the call, once, and not later.
#[test]
fn drop_not_for_a_failed_registration() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::shared());
    let handle = toy.handle();
    assert_eq!(refused(handle.fd_add(NO_FD, READABLE, probe.fd(nothing))), Status::INVAL);
    assert_eq!(refused(handle.signal_add(NO_SIGNAL, probe.signal(nothing))), Status::INVAL);
    assert_eq!(refused(handle.child_add(0, probe.child(nothing))), Status::INVAL);
    assert_eq!(refused(handle.resolve(query(None, None), probe.resolved(|_| {}))), Status::INVAL);
    assert_eq!(probe.drops(), 4);
    toy.run_for(3 * MS);
    drop(handle);
    toy.end();
    assert_eq!((probe.calls(), probe.drops()), (0, 4));
}
