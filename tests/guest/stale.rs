//! Hazard: ids that are closed, finished, of another kind, of another guest, or made up.

use crate::common::*;

#[track_caller]
fn assert_stale(toy: &Toy, id: Id) {
    let handle = toy.handle();
    assert!(!handle.is_open(id));
    assert_eq!(refused(handle.close(id)), Status::STALE);
    assert_eq!(refused(handle.fd_modify(id, READABLE)), Status::STALE);
    assert_eq!(refused(handle.timer_modify(id, 0, 0)), Status::STALE);
}

/// Closes what `add` has registered and waits for its drop; the guest must then go on.
fn close_and_end(add: impl FnOnce(&Toy, &P) -> Id) {
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::new());
    let id = add(&toy, &probe);
    assert!(toy.handle().is_open(id));
    toy.handle().close(id).unwrap();
    assert_eq!(probe.drops(), 0, "never inside close itself");
    assert_stale(&toy, id);
    toy.run_until(|| probe.drops() == 1);
    assert_stale(&toy, id);
    assert_eq!(probe.calls(), 0);

    let alive = Probe::new();
    toy.add_timer(0, 0, &alive, nothing);
    toy.run_until(|| alive.drops() == 1);
    assert_eq!(alive.calls(), 1);
    toy.end();
}

#[test]
fn stale_id_fd() {
    let _alone = alone();
    let pipe = Channel::new();
    pipe.write(1);
    close_and_end(|toy, probe| toy.add_fd(pipe.input(), READABLE, probe, nothing));
}

#[test]
fn stale_id_timer() {
    let _alone = alone();
    close_and_end(|toy, probe| toy.add_timer(0, 1, probe, nothing));
}

#[test]
fn stale_id_timer_finished() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::new());
    let id = toy.add_timer(0, 0, &probe, nothing);
    toy.run_until(|| probe.drops() == 1);
    assert_stale(&toy, id);
    toy.end();
}

#[test]
fn stale_id_signal() {
    let _alone = alone();
    close_and_end(|toy, probe| toy.add_signal(SIGNAL, probe));
}

#[test]
fn stale_id_child() {
    let _alone = alone();
    let (pid, go) = waiting_child(5);
    close_and_end(|toy, probe| toy.add_child(pid, probe));
    go.write(1);
    assert_eq!(wait_for(pid), Some(5), "closing the source left the child unreaped");
}

#[test]
fn stale_id_work() {
    let _alone = alone();
    close_and_end(|toy, probe| toy.add_work(probe, || {}));
}

#[test]
fn stale_id_resolve() {
    let _alone = alone();
    close_and_end(|toy, probe| toy.add_resolve(query(Some("127.0.0.1"), None), probe));
}

#[test]
fn stale_id_made_up() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::new());
    let real = toy.add_timer(FOREVER, 0, &probe, nothing);
    let bits = real.to_bits();
    let made_up =
        [0, 1, 7, u64::from(u32::MAX), 1 << 63, u64::MAX, bits + 1, bits + (1 << 32), bits ^ (1 << 63)];
    // What is no id at all cannot be asked for.
    for id in made_up.into_iter().filter_map(Id::from_bits) {
        assert_stale(&toy, id);
    }
    assert!(toy.handle().is_open(real));
    toy.end();
    assert_eq!(probe.drops(), 1);
}

#[test]
fn stale_id_of_another_guest() {
    let _alone = alone();
    let (a, b) = (Toy::start(Drive::Thread), Toy::start(Drive::Fd));
    let id = a.add_timer(FOREVER, 0, &Probe::new(), nothing);
    let other = b.add_timer(FOREVER, 0, &Probe::new(), nothing);
    assert_stale(&b, id);
    assert_stale(&a, other);
    assert!(a.handle().is_open(id) && b.handle().is_open(other));
    a.end();
    b.end();
}

#[test]
fn stale_id_of_another_kind() {
    let _alone = alone();
    let (toy, pipe) = (Toy::start(Drive::Thread), Channel::new());
    let timer = toy.add_timer(FOREVER, 0, &Probe::new(), nothing);
    let fd = toy.add_fd(pipe.input(), READABLE, &Probe::new(), nothing);
    assert_eq!(refused(toy.handle().fd_modify(timer, READABLE)), Status::STALE);
    assert_eq!(refused(toy.handle().timer_modify(fd, 0, 0)), Status::STALE);
    assert!(toy.handle().is_open(timer) && toy.handle().is_open(fd));
    toy.end();
}

/// A slot is given out again and again; no id of an earlier tenant may reach the present one.
#[test]
fn stale_id_slot_reused() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Fd), Probe::shared());
    let handle = toy.handle();
    let mut ids = Vec::new();
    for round in 1..=1000 {
        let id = toy.add_timer(FOREVER, 0, &probe, nothing);
        if let Some(last) = ids.last() {
            assert_eq!(refused(handle.close(*last)), Status::STALE);
        }
        handle.close(id).unwrap();
        ids.push(id);
        toy.guest().deliver(0).unwrap();
        assert_eq!(probe.drops(), round);
    }
    toy.add_timer(FOREVER, 0, &probe, nothing);
    assert!(ids.iter().all(|id| refused(handle.close(*id)) == Status::STALE));
    assert_eq!(toy.stats().live_sources, 1);
    toy.end();
}

/// All that one look has found was closed by the handling of the event before: the pull form looks once more.
#[test]
fn stale_events_end_no_batch() {
    let _alone = alone();
    let toy = Toy::with(pull(Drive::Fd));
    let (fds, post) = (Probe::shared(), Probe::new());
    let pipes = [Channel::new(), Channel::new()];
    let ids = pipes.each_ref().map(|pipe| toy.add_fd(pipe.input(), READABLE, &fds, nothing));
    pipes.iter().for_each(|pipe| pipe.write(1));
    let (guest, mut kinds) = (toy.guest(), Vec::new());
    guest.batch_begin(0).unwrap();
    guest.batch_next(1, |event| kinds.push(event.kind)).unwrap();
    ids.iter().for_each(|id| toy.handle().close(*id).unwrap());
    toy.post(&post, nothing);
    guest.batch_next(1, |event| kinds.push(event.kind)).unwrap();
    assert_eq!(kinds, [Kind::Fd, Kind::Post]);
    guest.batch_end().unwrap();
    guest.shutdown(10 * SECOND).unwrap();
    assert_eq!((fds.drops(), post.drops()), (2, 1));
}
