//! Hazard: more ready than a window's frame can bear. A delivery ends with its budget, keeps the
//! order of the rest, and lets the host have its turn first.

use crate::common::*;

const BURST: u32 = 20_000;

/// A host that always has an item of its own in its queue, and counts its turns.
struct Busy {
    asking: AtomicBool,
    turns: AtomicU32,
}

impl Busy {
    fn start(toy: &Toy) -> Arc<Busy> {
        let busy = Arc::new(Busy { asking: AtomicBool::new(true), turns: AtomicU32::new(0) });
        Busy::ask(busy.clone(), toy.lp.inbox.clone());
        busy
    }

    fn ask(busy: Arc<Busy>, inbox: Arc<Inbox>) {
        let again = inbox.clone();
        inbox.call(move || {
            busy.turns.fetch_add(1, Ordering::SeqCst);
            if busy.asking.load(Ordering::SeqCst) {
                Busy::ask(busy, again);
            }
        });
    }

    fn turns(&self) -> u32 {
        self.turns.load(Ordering::SeqCst)
    }

    fn stop(&self) {
        self.asking.store(false, Ordering::SeqCst);
    }
}

/// 20 000 posts of 5 us each, which are 100 ms by the clock that they move themselves.
fn burst(drive: Drive) {
    let _alone = alone();
    let (options, clock) = manual(drive);
    let toy = Toy::with(options);
    let (next, in_turn) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    for i in 0..BURST {
        let (next, in_turn, clock) = (next.clone(), in_turn.clone(), clock.clone());
        let numbered = move |_: &Handle| {
            assert_eq!(next.fetch_add(1, Ordering::SeqCst), i, "none lost, none doubled, none overtakes");
            assert!(in_turn.fetch_add(1, Ordering::SeqCst) < 800, "4 ms of 5 us each");
            clock.advance(5_000);
        };
        toy.poster.post(numbered).unwrap();
    }
    let counted = in_turn.clone();
    *toy.instead.borrow_mut() = Some(Rc::new(move |guest, token| {
        counted.store(0, Ordering::SeqCst);
        guest.deliver(token)
    }));
    let busy = Busy::start(&toy);
    toy.run_until(|| next.load(Ordering::SeqCst) == BURST);
    busy.stop();
    let stats = toy.stats();
    assert!(stats.batches >= 25 && stats.budget_spent >= 24 && busy.turns() >= 24, "{stats:?}");
    toy.end();
}

#[test]
fn budget_splits_a_burst_thread() {
    burst(Drive::Thread);
}

#[test]
fn budget_splits_a_burst_fd() {
    burst(Drive::Fd);
}

/// `count` posts of 1 ms each, by the clock that they move themselves.
fn posts_of_1ms(options: Options, clock: &Clock, count: u32) -> (Rc<Toy>, P) {
    let (toy, probe) = (Toy::with(options), Probe::shared());
    for _ in 0..count {
        let clock = clock.clone();
        toy.post(&probe, move |_| clock.advance(MS));
    }
    (toy, probe)
}

#[test]
fn budget_of_a_guest() {
    let _alone = alone();
    let (options, clock) = manual(Drive::Fd);
    let (toy, probe) = posts_of_1ms(Options { batch_budget: 1, ..options }, &clock, 5);
    for calls in 1..=5 {
        toy.guest().deliver(0).unwrap();
        assert_eq!(probe.calls(), calls, "at least one callback runs, and no second");
    }
    assert_eq!(toy.stats().events, 5);
    toy.end();
}

/// What the budget has cut off comes next, and nothing else has to happen for it: by this clock, no time passes.
#[test]
fn budget_of_a_guest_that_is_run() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd, Drive::Run] {
        let (options, clock) = manual(drive);
        let (toy, probe) = posts_of_1ms(Options { batch_budget: 1, ..options }, &clock, 5);
        let poster = toy.poster.clone();
        toy.post(&probe, move |_| poster.cancel());
        toy.guest().run(FOREVER).unwrap();
        assert_eq!((probe.calls(), probe.drops(), toy.done()), (6, 6, 1));
        assert!(toy.stats().budget_spent >= 5, "{:?}", toy.stats());
        toy.free();
    }
}

#[test]
fn budget_of_one_call() {
    let _alone = alone();
    let (options, clock) = manual(Drive::Fd);
    let (toy, probe) = posts_of_1ms(options, &clock, 20);
    for (budget, calls) in [(Some(0), 1), (Some(2 * MS), 3), (None, 7), (Some(FOREVER), 20)] {
        toy.guest().deliver_for(0, budget).unwrap();
        assert_eq!(probe.calls(), calls);
    }
    assert_eq!(probe.drops(), 20);
    toy.end();
}

/// A post that posts itself again for ever.
fn again(toy: &Rc<Toy>, probe: &P) {
    let (here, watched) = (toy.clone(), probe.clone());
    let posted = probe.post(move |_| {
        spin(MS / 2);
        again(&here, &watched);
    });
    // Refused only when the guest ends.
    let _ = toy.poster.post(posted);
}

/// A guest that is never finished, and a host that has its own queue, timers and sockets to serve.
fn saturated(drive: Drive, local: bool) {
    let _alone = alone();
    let (toy, probe) = (Toy::on(&Loop::open(), options(drive), local), Probe::shared());
    again(&toy, &probe);
    let busy = Busy::start(&toy);
    toy.run_until(|| busy.turns() >= 10 && probe.calls() >= 10);
    busy.stop();
    toy.end();
    assert_eq!(probe.drops(), probe.calls() + 1, "even the end gets through, and drops the last one");
}

#[test]
fn saturated_guest_with_a_live_host_thread() {
    saturated(Drive::Thread, false);
}

#[test]
fn saturated_guest_with_a_live_host_local() {
    saturated(Drive::Thread, true);
}

#[test]
fn saturated_guest_with_a_live_host_fd() {
    saturated(Drive::Fd, false);
}

/// Posts that post again must not starve fds and timers either.
#[test]
fn saturated_guest_serves_its_other_sources() {
    let _alone = alone();
    let (toy, pipe) = (Toy::start(Drive::Thread), Channel::new());
    let (post, fd, timer) = (Probe::shared(), Probe::new(), Probe::new());
    again(&toy, &post);
    toy.add_fd(pipe.input(), READABLE, &fd, nothing); // never read: always ready
    toy.add_timer(MS, MS, &timer, nothing);
    pipe.write(1);
    toy.run_until(|| fd.calls() >= 10 && timer.calls() >= 10 && post.calls() >= 10);
    toy.end();
}

/// Whenever the slow ones begin: the first of them uses the budget up.
#[test]
fn budget_slow_callbacks_after_quick_ones() {
    let _alone = alone();
    let (options, clock) = manual(Drive::Fd);
    let (toy, posts, slow) = (Toy::with(options), Probe::shared(), Rc::new(Cell::new(0)));
    for quick in 24..32 {
        for i in 0..quick + 4 {
            let (clock, slow) = (clock.clone(), slow.clone());
            toy.post(&posts, move |_| {
                if i >= quick {
                    clock.advance(12 * MS);
                    slow.set(slow.get() + 1);
                }
            });
        }
        while toy.stats().live_posts > 0 {
            let before = slow.get();
            toy.guest().deliver(0).unwrap();
            assert!(slow.get() <= before + 1, "{} slow ones after {quick}", slow.get() - before);
        }
    }
    toy.end();
}
