//! Hazard: callbacks that close, modify or replace the sources of the batch they are part of, and
//! call the guest that is calling them.

use crate::common::*;

/// Two pipes that are readable in the same batch. `act` runs in the callback of whichever comes
/// first, and gets the other's number.
struct Pair {
    toy: Rc<Toy>,
    pipes: [Rc<Channel>; 2],
    probes: [P; 2],
    ids: [Cell<Option<Id>>; 2],
    #[cfg_attr(windows, allow(dead_code))] // its tests use dup2
    newcomer: P,
}

impl Pair {
    fn open(act: impl Fn(&Handle, &Pair, usize) + 'static) -> Rc<Pair> {
        let pair = Rc::new(Pair {
            toy: Toy::with(manual(Drive::Fd).0),
            pipes: [Channel::new(), Channel::new()],
            probes: [Probe::new(), Probe::new()],
            ids: Default::default(),
            newcomer: Probe::new(),
        });
        let act = Rc::new(act);
        for i in 0..2 {
            let (weak, act) = (Rc::downgrade(&pair), act.clone());
            let callback = move |handle: &Handle| {
                let pair = weak.upgrade().unwrap();
                pair.pipes[i].read_one();
                if pair.calls() == 1 {
                    act(handle, &pair, 1 - i);
                }
            };
            let id = pair.toy.add_fd(pair.pipes[i].input(), READABLE, &pair.probes[i], callback);
            pair.ids[i].set(Some(id));
        }
        pair.pipes.iter().for_each(|pipe| pipe.write(1));
        pair
    }

    fn id(&self, i: usize) -> Id {
        self.ids[i].get().unwrap()
    }

    fn calls(&self) -> u32 {
        self.probes[0].calls() + self.probes[1].calls()
    }

    /// The batch, and what might come after it.
    fn run(&self) {
        for _ in 0..3 {
            self.toy.guest().deliver(0).unwrap();
        }
    }

    fn end(&self) {
        self.toy.end();
        assert_eq!((self.probes[0].drops(), self.probes[1].drops()), (1, 1));
    }
}

#[test]
fn close_other_in_batch() {
    let _alone = alone();
    let pair = Pair::open(|handle, pair, other| handle.close(pair.id(other)).unwrap());
    pair.run();
    assert_eq!(pair.calls(), 1);
    assert_eq!(pair.probes[0].drops() + pair.probes[1].drops(), 1);
    pair.end();
}

#[test]
fn close_itself_in_batch() {
    let _alone = alone();
    let pair = Pair::open(|handle, pair, other| {
        let own = pair.id(1 - other);
        handle.close(own).unwrap();
        assert_eq!(pair.probes[1 - other].drops(), 0, "its callback is running: the drop waits");
        assert_eq!(refused(handle.close(own)), Status::STALE);
    });
    pair.run();
    assert_eq!((pair.probes[0].calls(), pair.probes[1].calls()), (1, 1));
    assert_eq!(pair.probes[0].drops() + pair.probes[1].drops(), 1);
    pair.end();
}

/// The other source's fd is replaced by a new, empty pipe of the same number, and that is registered.
#[cfg(unix)]
fn number_reused(close_source: bool) {
    let fresh = Channel::new();
    let replacement = fresh.clone();
    let pair = Pair::open(move |handle, pair, other| {
        let number = pair.pipes[other].input();
        if close_source {
            handle.close(pair.id(other)).unwrap();
        }
        replacement.replace_input(&pair.pipes[other]);
        handle.fd_add(number, READABLE, pair.newcomer.fd(replacement.reader())).unwrap();
        if !close_source {
            assert_eq!(refused(handle.close(pair.id(other))), Status::STALE);
        }
    });
    pair.run();
    assert_eq!(pair.newcomer.calls(), 0, "the old number's event did not reach the new pipe");
    assert_eq!(pair.calls(), 1);
    fresh.write(1);
    pair.run();
    assert_eq!(pair.newcomer.calls(), 1);
    assert_eq!(pair.probes[0].drops() + pair.probes[1].drops(), 1);
    pair.end();
    assert_eq!(pair.newcomer.drops(), 1);
}

#[cfg(unix)] // Windows has no dup2
#[test]
fn fd_number_reused_in_batch() {
    let _alone = alone();
    number_reused(true);
}

#[cfg(unix)] // Windows has no dup2
#[test]
fn fd_number_reused_in_batch_without_close() {
    let _alone = alone();
    number_reused(false);
}

#[test]
fn modify_in_batch() {
    let _alone = alone();
    let pair = Pair::open(|handle, pair, other| handle.fd_modify(pair.id(other), 0).unwrap());
    pair.run();
    assert_eq!(pair.calls(), 1);
    let paused = usize::from(pair.probes[0].calls() == 1);
    pair.toy.handle().fd_modify(pair.id(paused), READABLE).unwrap();
    pair.run();
    assert_eq!(pair.probes[paused].calls(), 1, "its byte is still there");
    pair.end();
}

#[cfg(unix)] // both ends of a connection are writable
#[test]
fn modify_in_batch_to_another_event() {
    let _alone = alone();
    let pair = Pair::open(|handle, pair, other| handle.fd_modify(pair.id(other), WRITABLE).unwrap());
    pair.run();
    assert_eq!(pair.calls(), 1, "a read end is never writable");
    pair.end();
}

// ---- timers of one batch

/// Two timers that are due together; the first one's callback does `act` to the second.
fn two_timers(act: impl Fn(&Handle, Id) + 'static) -> (Rc<Toy>, Clock, P) {
    let (options, clock) = manual(Drive::Fd);
    let (toy, first, second) = (Toy::with(options), Probe::new(), Probe::new());
    let victim = Rc::new(Cell::new(None));
    let seen = victim.clone();
    toy.add_timer(0, 0, &first, move |handle| act(handle, seen.get().unwrap()));
    victim.set(Some(toy.add_timer(0, 0, &second, nothing)));
    toy.guest().deliver(0).unwrap();
    assert_eq!((first.drops(), second.calls()), (1, 0));
    (toy, clock, second)
}

#[test]
fn close_timer_in_batch() {
    let _alone = alone();
    let (toy, _, second) = two_timers(|handle, victim| handle.close(victim).unwrap());
    assert_eq!(second.drops(), 1);
    toy.end();
}

#[test]
fn modify_timer_in_batch() {
    let _alone = alone();
    let (toy, clock, second) = two_timers(|handle, victim| handle.timer_modify(victim, 30 * MS, 0).unwrap());
    clock.advance(30 * MS - 1);
    toy.guest().deliver(0).unwrap();
    assert_eq!(second.calls(), 0);
    clock.advance(1);
    toy.guest().deliver(0).unwrap();
    assert_eq!((second.calls(), second.drops()), (1, 1));
    toy.end();
}

// ---- order of kinds

#[test]
fn order_fds_timers_posts_signals_children() {
    let _alone = alone();
    let (toy, pipe) = (Toy::with(patient(Drive::Fd)), Channel::new());
    let [fd, timer, post, signal, child] = std::array::from_fn(|_| Probe::new());
    let pid = ending_child(0);
    wait_unreaped(pid);
    toy.add_child(pid, &child);
    toy.add_signal(SIGNAL, &signal);
    raise(SIGNAL);
    toy.post(&post, nothing);
    toy.add_timer(0, 0, &timer, nothing);
    toy.add_fd(pipe.input(), READABLE, &fd, pipe.reader());
    pipe.write(1);
    toy.guest().deliver(0).unwrap();
    // The waiter thread of systems without pidfd may need a moment.
    toy.run_until(|| child.calls() == 1);
    let order: Vec<u64> = [&fd, &timer, &post, &signal].iter().map(|probe| probe.last.get()).collect();
    assert!(order[0] > 0 && order.is_sorted(), "{order:?}");
    assert!(child.last.get() > post.last.get());
    toy.end();
}

// ---- the guest called from its own callbacks

/// A delivery inside a callback runs the rest of the batch, and nothing twice.
#[test]
fn deliver_inside_a_callback() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd, Drive::Run] {
        let toy = Toy::with(manual(drive).0);
        let (outer, inner) = (Probe::new(), Probe::new());
        let (here, seen) = (toy.clone(), inner.clone());
        toy.add_timer(0, 0, &outer, move |_| {
            here.guest().deliver(0).unwrap();
            assert_eq!(seen.calls(), 1);
        });
        toy.add_timer(0, 0, &inner, nothing);
        toy.guest().deliver(0).unwrap();
        assert_eq!((outer.calls(), inner.calls()), (1, 1));
        assert_eq!(toy.stats().nested, 1);
        toy.end();
    }
}

/// Registering, modifying and closing everything from a callback and from a drop.
#[test]
fn every_call_inside_a_drop() {
    struct Last(Rc<Toy>, P);
    impl Drop for Last {
        fn drop(&mut self) {
            let handle = self.0.handle();
            let id = handle.timer_add(FOREVER, 0, self.1.timer(nothing)).unwrap();
            handle.timer_modify(id, 5 * MS, 0).unwrap();
            handle.close(id).unwrap();
            self.0.post(&self.1, nothing);
            let nested = self.0.guest().deliver(0);
            nested.unwrap();
        }
    }
    let _alone = alone();
    let (toy, probe, one) = (Toy::with(manual(Drive::Fd).0), Probe::shared(), Probe::new());
    let last = Last(toy.clone(), probe.clone());
    toy.add_timer(0, 0, &one, move |_| assert!(last.0.done() == 0));
    toy.guest().deliver(0).unwrap();
    toy.guest().deliver(0).unwrap();
    assert_eq!((one.calls(), probe.calls(), probe.drops()), (1, 1, 2));
    toy.end();
}

/// A Rust panic in a callback passes out of the delivery and leaves the guest whole.
#[test]
fn panic_in_a_callback_leaves_the_guest_whole() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd, Drive::Run] {
        let (options, clock) = manual(drive);
        let (toy, pipe) = (Toy::with(options), Channel::new());
        let (posts, timer, fd) = (Probe::shared(), Probe::new(), Probe::new());
        toy.handle().timer_add(0, MS, |_, _, _| panic!("expected by this test")).unwrap();
        toy.add_timer(0, MS, &timer, nothing);
        toy.add_fd(pipe.input(), READABLE, &fd, pipe.reader());
        toy.poster.post(|_| panic!("expected by this test")).unwrap();
        toy.post(&posts, nothing);
        pipe.write(1);
        let panics = std::iter::repeat_with(|| {
            let deliver = || toy.guest().deliver(0).unwrap();
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(deliver)).is_err()
        });
        assert_eq!(panics.take(3).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!((posts.calls(), timer.calls(), fd.calls()), (1, 1, 1), "the rest of the batch was kept");
        assert_ne!(toy.state(), State::Delivering);
        clock.advance(MS);
        pipe.write(1);
        let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| toy.guest().deliver(0)));
        assert!(again.is_err(), "a repeating timer that panicked comes again");
        toy.guest().deliver(0).unwrap();
        assert_eq!((timer.calls(), fd.calls()), (2, 2));
        toy.end();
    }
}
