//! Hazard: tokens that are old, doubled, foreign or made up, and hosts that drop, delay, double,
//! reorder, inline or refuse them. None of it may lose or double a callback.

use crate::common::*;

/// A guest whose one token is posted and lost: the test delivers by hand.
fn take_token(probe: &P) -> (Rc<Toy>, u64) {
    let toy = Toy::with(patient(Drive::Thread));
    toy.fault(Fault::Drop, u32::MAX);
    toy.post(probe, nothing);
    eventually(|| toy.posts() == 1);
    let token = toy.last_token();
    (toy, token)
}

#[test]
fn token_is_never_zero() {
    let _alone = alone();
    let (toy, token) = take_token(&Probe::new());
    assert_ne!(token, 0);
    toy.shut_down();
}

#[test]
fn token_doubled() {
    let _alone = alone();
    let probe = Probe::new();
    let (toy, token) = take_token(&probe);
    toy.guest().deliver(token).unwrap();
    assert_eq!(probe.calls(), 1);
    assert_eq!(refused(toy.guest().deliver(token)), Status::STALE);
    assert_eq!((probe.calls(), toy.stats().stale_tokens), (1, 1));
    toy.shut_down();
}

#[test]
fn token_old() {
    let _alone = alone();
    let (first, second) = (Probe::new(), Probe::new());
    let (toy, old) = take_token(&first);
    toy.guest().deliver(old).unwrap();
    toy.post(&second, nothing);
    eventually(|| toy.posts() == 2);
    assert_ne!(toy.last_token(), old);
    assert_eq!(refused(toy.guest().deliver(old)), Status::STALE);
    assert_eq!(second.calls(), 0, "an old token does nothing at all");
    toy.guest().deliver(toy.last_token()).unwrap();
    assert_eq!(second.calls(), 1);
    toy.shut_down();
}

#[test]
fn token_made_up() {
    let _alone = alone();
    let probe = Probe::new();
    let (toy, token) = take_token(&probe);
    for made_up in [token + 1, token - 1, token ^ (1 << 40), u64::MAX, 12345] {
        if made_up != 0 {
            assert_eq!(refused(toy.guest().deliver(made_up)), Status::STALE);
        }
    }
    assert_eq!(probe.calls(), 0);
    toy.guest().deliver(token).unwrap();
    assert_eq!(probe.calls(), 1);
    toy.shut_down();
}

#[test]
fn token_of_another_guest() {
    let _alone = alone();
    let probe = Probe::new();
    let (toy, token) = take_token(&probe);
    let other = Toy::start(Drive::Thread);
    assert_eq!(refused(other.guest().deliver(token)), Status::STALE);
    toy.guest().deliver(token).unwrap();
    assert_eq!(probe.calls(), 1);
    other.end();
    toy.shut_down();
}

#[test]
fn token_zero_takes_everything() {
    let _alone = alone();
    let probe = Probe::new();
    let (toy, token) = take_token(&probe);
    toy.guest().deliver(0).unwrap();
    assert_eq!(probe.calls(), 1);
    // It is still outstanding, and so still lets a delivery in: there is nothing left for that.
    let again = toy.guest().deliver(token);
    assert!(again.is_ok() || refused(again) == Status::STALE);
    assert_eq!(refused(toy.guest().deliver(token)), Status::STALE);
    assert_eq!(probe.calls(), 1);
    toy.shut_down();
}

#[test]
fn token_in_drive_fd() {
    let _alone = alone();
    let toy = Toy::start(Drive::Fd);
    assert_eq!(refused(toy.guest().deliver(1)), Status::STALE, "this drive gives out none");
    toy.guest().deliver(0).unwrap();
    toy.end();
    assert_eq!(toy.posts(), 0);
}

/// A game loop: no token, no waiting, a delivery for every frame.
fn step(drive: Drive) {
    let _alone = alone();
    let (options, clock) = manual(drive);
    let toy = Toy::with(Options { repost_after: FOREVER, ..options });
    toy.fault(Fault::Drop, u32::MAX);
    let (timer, fd, pipe) = (Probe::new(), Probe::new(), Channel::new());
    toy.add_timer(2 * MS, 2 * MS, &timer, nothing);
    toy.add_fd(pipe.input(), READABLE, &fd, pipe.reader());
    for frame in 1..=10 {
        clock.advance(MS);
        pipe.write(1);
        toy.guest().deliver(0).unwrap();
        if cfg!(windows) {
            // What was written is not at the port at once.
            eventually(|| {
                toy.guest().deliver(0).unwrap();
                fd.calls() == frame
            });
        }
        assert_eq!((timer.calls(), fd.calls()), (frame / 2, frame));
    }
    toy.shut_down();
}

#[test]
fn step_in_drive_thread() {
    step(Drive::Thread);
}

#[test]
fn step_in_drive_fd() {
    step(Drive::Fd);
}

#[test]
fn step_in_drive_run() {
    step(Drive::Run);
}

// ---- hosts that fail

fn impatient() -> Options {
    Options { repost_after: 5 * MS, ..Options::default() }
}

/// A guest whose next `count` posts suffer `fault`; sees `rounds` posts of ours through.
fn survive(fault: Fault, count: u32, rounds: u32) -> Rc<Toy> {
    let toy = Toy::with(impatient());
    toy.fault(fault, count);
    for _ in 0..rounds {
        let probe = Probe::new();
        toy.post(&probe, nothing);
        toy.run_until(|| probe.drops() == 1);
        assert_eq!(probe.calls(), 1);
    }
    toy
}

#[test]
fn post_dropped() {
    let _alone = alone();
    let toy = survive(Fault::Drop, 3, 1);
    assert!(toy.posts() >= 4);
    assert!(toy.stats().reposts >= 3);
    toy.end();
}

#[test]
fn post_dropped_is_posted_again_under_its_name() {
    let _alone = alone();
    let toy = Toy::with(impatient());
    toy.fault(Fault::Drop, u32::MAX);
    let (probe, first) = (Probe::new(), monotonic_ns());
    toy.post(&probe, nothing);
    eventually(|| toy.posts() >= 1);
    let token = toy.last_token();
    eventually(|| toy.posts() >= 4);
    assert_eq!(toy.last_token(), token, "at most one is outstanding");
    assert_eq!(toy.stats().tokens, 1);
    at_least(monotonic_ns() - first, 10 * MS);
    toy.fault(Fault::Drop, 0);
    toy.run_until(|| probe.drops() == 1);
    toy.end();
}

#[test]
fn post_delayed() {
    let _alone = alone();
    survive(Fault::Delay, u32::MAX, 3).end();
}

#[test]
fn post_doubled() {
    let _alone = alone();
    let toy = survive(Fault::Double, u32::MAX, 20);
    assert!(toy.stale.get() > 0, "the second copies were refused");
    toy.end();
}

#[test]
fn post_reordered() {
    let _alone = alone();
    let toy = survive(Fault::Reorder, u32::MAX, 5);
    let turns = Arc::new(AtomicU32::new(0));
    for _ in 0..50 {
        let turns = turns.clone();
        toy.lp.inbox.call(move || {
            turns.fetch_add(1, Ordering::SeqCst);
        });
    }
    for _ in 0..5 {
        let probe = Probe::new();
        toy.post(&probe, nothing);
        toy.run_until(|| probe.drops() == 1);
    }
    toy.run_until(|| turns.load(Ordering::SeqCst) == 50);
    toy.end();
}

/// A burst longer than the budget: the delivery itself asks for its next turn, by `post_local`.
fn local(fault: Option<Fault>) {
    let _alone = alone();
    // Nobody but the delivery posts, unless its post is lost: one that fails is tried again all the same.
    let nested_after = FOREVER;
    let repost_after = if fault == Some(Fault::Drop) { 5 * MS } else { FOREVER };
    let options = Options { batch_budget: MS, nested_after, repost_after, ..Options::default() };
    let toy = Toy::on(&Loop::open(), options, true);
    let probe = Probe::shared();
    for _ in 0..40 {
        toy.post(&probe, |_| spin(MS / 4));
    }
    toy.run_until(|| probe.calls() >= 1);
    fault.iter().for_each(|fault| toy.fault(*fault, 2));
    toy.run_until(|| probe.drops() == 40);
    assert_eq!(probe.calls(), 40);
    assert!(toy.host.locals.load(Ordering::SeqCst) >= 1);
    if fault == Some(Fault::Inline) {
        let inlined = toy.host.inlined.lock().unwrap();
        assert!(inlined.iter().all(|result| matches!(result, Err(e) if e.status == Status::INLINE)));
        assert!(!inlined.is_empty() && toy.stats().inlined_tokens >= inlined.len() as u64);
    }
    toy.end();
}

#[test]
fn post_local_asks_for_the_next_turn() {
    local(None);
}

#[test]
fn post_local_inlined() {
    local(Some(Fault::Inline));
}

#[test]
fn post_local_fails() {
    local(Some(Fault::Fail));
}

#[test]
fn post_local_dropped() {
    local(Some(Fault::Drop));
}

#[test]
fn post_fails_with_back_off() {
    let _alone = alone();
    let toy = Toy::start(Drive::Thread);
    toy.fault(Fault::Fail, u32::MAX);
    let (probe, start) = (Probe::new(), monotonic_ns());
    toy.post(&probe, nothing);
    eventually(|| toy.host.refused.load(Ordering::SeqCst) >= 5);
    let refused = u64::from(toy.host.refused.load(Ordering::SeqCst));
    let tries = (monotonic_ns() - start) / MS + 1;
    assert!(refused <= tries, "asked again, but never more often than every millisecond");
    assert_eq!(probe.calls(), 0);
    toy.fault(Fault::Fail, 0);
    toy.run_until(|| probe.drops() == 1);
    assert_eq!(toy.stats().post_failures, u64::from(toy.host.refused.load(Ordering::SeqCst)));
    toy.end();
}

#[test]
fn post_fails_under_a_tiny_repost_after() {
    let _alone = alone();
    let toy = Toy::with(Options { repost_after: 1, ..Options::default() });
    toy.fault(Fault::Fail, u32::MAX);
    let (probe, start) = (Probe::new(), monotonic_ns());
    toy.post(&probe, nothing);
    eventually(|| toy.host.refused.load(Ordering::SeqCst) >= 5);
    let refused = u64::from(toy.host.refused.load(Ordering::SeqCst));
    assert!(refused <= (monotonic_ns() - start) / MS + 1, "never more often than every millisecond");
    toy.fault(Fault::Fail, 0);
    toy.run_until(|| probe.drops() == 1);
    toy.end();
}

#[test]
fn post_before_the_loop_runs() {
    let _alone = alone();
    let toy = Toy::start(Drive::Thread);
    let probe = Probe::new();
    toy.add_timer(0, 0, &probe, nothing);
    eventually(|| toy.posts() >= 1);
    assert_eq!(probe.calls(), 0);
    toy.run_until(|| probe.drops() == 1);
    toy.end();
}
