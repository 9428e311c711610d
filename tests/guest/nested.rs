//! Hazard: callbacks that run a nested host loop, as a modal dialog does. Everything else goes on;
//! what is on the stack is not entered again; and a host that is merely busy is no nested loop.

use crate::common::*;

/// What goes on in the outer world while dialogs are open.
struct World {
    toy: Rc<Toy>,
    door: Rc<Channel>,
    ping: Rc<Channel>,
    level: [P; 3],
    tick: P,
    pinged: P,
    posted: P,
}

impl World {
    /// Timers, fds and posts still arrive, here where the innermost loop runs.
    fn goes_on(&self) {
        let (ticks, pings, posts) = (self.tick.calls(), self.pinged.calls(), self.posted.calls());
        for i in 1..=3 {
            self.ping.write(1);
            self.toy.post(&self.posted, nothing);
            self.toy.run_until(|| {
                self.tick.calls() >= ticks + i
                    && self.pinged.calls() == pings + i
                    && self.posted.calls() == posts + i
            });
        }
    }

    fn first(self: &Rc<World>) {
        let world = self.clone();
        self.toy.add_timer(MS, 0, &self.level[1], move |_| world.second());
        self.toy.run_until(|| self.level[1].drops() == 1);
        self.goes_on();
        assert_eq!(
            self.level[0].calls(),
            1,
            "its own byte was there all along, but the source is on the stack"
        );
    }

    fn second(self: &Rc<World>) {
        let world = self.clone();
        self.toy.post(&self.level[2], move |_| {
            world.goes_on();
            assert_eq!((world.level[0].depth.get(), world.level[1].depth.get()), (1, 1));
            assert_eq!(world.toy.state(), State::Delivering);
        });
        self.toy.run_until(|| self.level[2].drops() == 1);
        self.goes_on();
    }
}

fn three_deep(drive: Drive) {
    let _alone = alone();
    let world = Rc::new(World {
        toy: Toy::start(drive),
        door: Channel::new(),
        ping: Channel::new(),
        level: [Probe::new(), Probe::new(), Probe::new()],
        tick: Probe::new(),
        pinged: Probe::new(),
        posted: Probe::shared(),
    });
    let toy = &world.toy;
    toy.add_timer(MS, MS, &world.tick, nothing);
    toy.add_fd(world.ping.input(), READABLE, &world.pinged, world.ping.reader());
    let inside = world.clone();
    toy.add_fd(world.door.input(), READABLE, &world.level[0], move |_| {
        if inside.level[0].calls() == 1 {
            inside.first();
        }
        inside.door.read_one();
    });
    world.door.write(2);
    toy.run_until(|| world.level[0].calls() >= 1 && world.level[0].depth.get() == 0);
    assert_eq!((world.level[1].calls(), world.level[2].calls()), (1, 1));
    assert!(toy.stats().nested >= 3);
    toy.run_until(|| world.level[0].calls() == 2);
    world.goes_on();
    toy.end();
    assert_eq!(world.level[0].drops(), 1);
}

#[test]
fn nested_three_deep_thread() {
    three_deep(Drive::Thread);
}

#[test]
fn nested_three_deep_fd() {
    three_deep(Drive::Fd);
}

/// While the source on the stack stays readable, the nested loop must be able to sleep.
fn source_on_stack_is_quiet(drive: Drive) {
    let _alone = alone();
    let (toy, door, dialog) = (Toy::start(drive), Channel::new(), Probe::new());
    let (here, pipe) = (toy.clone(), door.clone());
    toy.add_fd(door.input(), READABLE, &dialog, move |_| {
        pass(15 * MS); // longer than nested_after
        let before = here.deliveries.get();
        here.run_for(60 * MS);
        let deliveries = here.deliveries.get() - before;
        assert!(deliveries <= 20, "{deliveries} deliveries in 60 ms in which nothing was due");
        pipe.read_one();
    });
    door.write(1);
    toy.run_until(|| dialog.calls() == 1 && dialog.depth.get() == 0);
    toy.run_for(10 * MS);
    assert_eq!(dialog.calls(), 1);
    toy.end();
}

#[test]
fn nested_source_on_the_stack_does_not_spin_thread() {
    source_on_stack_is_quiet(Drive::Thread);
}

#[test]
fn nested_source_on_the_stack_does_not_spin_fd() {
    source_on_stack_is_quiet(Drive::Fd);
}

#[test]
fn nested_host_is_merely_busy() {
    let _alone = alone();
    let toy = Toy::with(Options { repost_after: FOREVER, ..options(Drive::Thread) });
    let (ping, busy, pinged) = (Channel::new(), Probe::new(), Probe::new());
    toy.add_fd(ping.input(), READABLE, &pinged, ping.reader());
    let (pipe, here) = (ping.clone(), toy.clone());
    toy.add_timer(0, 0, &busy, move |_| {
        pipe.write(1); // the I/O thread sees it and may ask for a nested turn
        spin(50 * MS);
        assert!(here.posts() <= 2, "this one's token, and one for the nested turn");
    });
    toy.run_until(|| busy.drops() == 1 && pinged.calls() == 1);
    toy.run_for(5 * MS);
    assert_eq!((busy.calls(), pinged.calls()), (1, 1));
    assert_eq!(toy.stats().nested, 0);
    toy.end();
}

/// The rest of a batch that a dialog interrupts: the nested deliveries run it.
fn rest_of_batch(drive: Drive) {
    let _alone = alone();
    let toy = Toy::start(drive);
    let level: [P; 3] = std::array::from_fn(|_| Probe::new());
    let (here, rest) = (toy.clone(), level.clone());
    toy.add_timer(0, 0, &level[0], move |_| here.run_until(|| rest[1].drops() == 1 && rest[2].drops() == 1));
    toy.add_timer(0, 0, &level[1], nothing);
    toy.add_timer(0, 0, &level[2], nothing);
    toy.run_until(|| level[0].drops() == 1);
    assert!(level.iter().all(|probe| probe.calls() == 1));
    assert!(level[1].last.get() < level[2].last.get());
    toy.end();
}

#[test]
fn nested_runs_the_rest_of_the_batch_thread() {
    rest_of_batch(Drive::Thread);
}

#[test]
fn nested_runs_the_rest_of_the_batch_fd() {
    rest_of_batch(Drive::Fd);
}

/// Closing the dialog's own source, from deep within.
#[test]
fn nested_closes_the_source_on_the_stack() {
    let _alone = alone();
    let (toy, outer, inner) = (Toy::start(Drive::Thread), Probe::new(), Probe::new());
    let (here, watched, closer) = (toy.clone(), outer.clone(), inner.clone());
    toy.add_timer(0, MS, &outer, move |_| {
        let outer_id = watched.id.get().unwrap();
        here.add_timer(MS, 0, &closer, move |handle| {
            handle.close(outer_id).unwrap();
            assert_eq!(refused(handle.close(outer_id)), Status::STALE);
        });
        here.run_until(|| closer.drops() == 1);
        here.run_for(5 * MS);
        assert_eq!(watched.drops(), 0, "its callback still runs");
    });
    toy.run_until(|| outer.drops() == 1);
    assert_eq!(outer.calls(), 1);
    toy.end();
}

/// Dropping and cancelling the guest inside a nested delivery wait for the outermost one.
fn ended_in_nested(drive: Drive, by_free: bool) {
    let _alone = alone();
    let (toy, outer, inner) = (Toy::start(drive), Probe::new(), Probe::new());
    let (here, watched, ender) = (toy.clone(), outer.clone(), inner.clone());
    toy.add_timer(0, 0, &outer, move |_| {
        let nested = here.clone();
        here.add_timer(MS, 0, &ender, move |_| match by_free {
            true => nested.free(),
            false => nested.poster.cancel(),
        });
        here.run_until(|| ender.calls() == 1);
        here.run_for(20 * MS);
        assert_eq!((here.done(), watched.drops()), (0, 0));
    });
    toy.run_until(|| toy.done() > 0);
    assert_eq!((outer.drops(), inner.drops()), (1, 1));
    assert_eq!(toy.done_status(), Status::OK);
    toy.free();
}

#[test]
fn nested_free_thread() {
    ended_in_nested(Drive::Thread, true);
}

#[test]
fn nested_free_fd() {
    ended_in_nested(Drive::Fd, true);
}

#[test]
fn nested_cancel_thread() {
    ended_in_nested(Drive::Thread, false);
}

#[test]
fn nested_cancel_fd() {
    ended_in_nested(Drive::Fd, false);
}

#[test]
fn nested_run_ends_when_cancelled() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd, Drive::Run] {
        let (toy, outer, inner) = (Toy::start(drive), Probe::new(), Probe::new());
        let (here, there) = (toy.clone(), inner.clone());
        toy.add_timer(0, 0, &outer, move |_| {
            let toy = here.clone();
            here.add_timer(0, 0, &there, move |_| toy.poster.cancel());
            assert_eq!(refused(here.guest().run(5 * SECOND)), Status::CLOSED);
            assert_eq!(here.done(), 0, "this callback is on the stack");
        });
        toy.guest().run(10 * SECOND).unwrap();
        assert_eq!((inner.drops(), outer.drops(), toy.done_status()), (1, 1, Status::OK));
    }
}

/// The I/O thread has just looked after a token that is long overdue, and looks again only in 200 ms: were that what brings
/// the nested token, it would be late each time, and not only when this thread is kept off its processor.
#[test]
fn nested_soon_after_a_blocked_host() {
    let _alone = alone();
    assert!((0..5).any(|_| nested_after_a_blocked_host() < 100 * MS));
}

/// How long a nested loop waits for an fd that is ready, in nanoseconds.
fn nested_after_a_blocked_host() -> u64 {
    let toy = Toy::with(Options { repost_after: 800 * MS, ..Options::default() });
    let (pipe, outer, inner) = (Channel::new(), Probe::new(), Probe::new());
    toy.add_fd(pipe.input(), READABLE, &inner, pipe.reader());
    let (here, there, bell) = (toy.clone(), inner.clone(), pipe.clone());
    let told = Rc::new(Cell::new(0));
    let waited = told.clone();
    toy.add_timer(0, 0, &outer, move |_| {
        let start = monotonic_ns();
        bell.write(1);
        here.run_until(|| there.calls() == 1);
        waited.set(there.at.get() - start);
    });
    // The same token once more.
    eventually(|| toy.posts() == 2);
    toy.run_until(|| outer.drops() == 1);
    toy.end();
    told.get()
}
