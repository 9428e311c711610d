//! Hazard: figures that lie, a watchdog that is silent, and a guest that is busy while idle.

use crate::common::*;

#[test]
fn stats_count_what_happens() {
    let _alone = alone();
    let (toy, post) = (Toy::with(patient(Drive::Thread)), Probe::shared());
    for _ in 0..10 {
        toy.post(&post, nothing);
    }
    assert_eq!(toy.stats().live_posts, 10);
    toy.run_until(|| post.drops() == 10);
    toy.add_timer(FOREVER, 0, &Probe::new(), nothing);
    let stats = toy.stats();
    assert_eq!((stats.events, stats.live_posts, stats.live_sources), (10, 0, 1));
    assert_eq!(stats.batches, u64::from(toy.deliveries.get() - toy.stale.get()));
    assert_eq!(stats.tokens + stats.reposts, u64::from(toy.posts()));
    assert_eq!(stats.stale_tokens, u64::from(toy.stale.get()));
    assert_eq!((stats.post_failures, stats.inlined_tokens, stats.nested), (0, 0, 0));
    assert!(stats.io_wakeups >= 1);
    toy.end();
}

#[test]
fn histograms_add_up() {
    let _alone = alone();
    let (options, clock) = manual(Drive::Fd);
    let (toy, probe) = (Toy::with(options), Probe::shared());
    for _ in 0..5 {
        let clock = clock.clone();
        toy.post(&probe, move |_| clock.advance(2 * MS));
        toy.guest().deliver(0).unwrap();
    }
    toy.guest().deliver(0).unwrap();
    let stats = toy.stats();
    assert_eq!(stats.delivery_duration.iter().sum::<u64>(), stats.batches);
    assert_eq!(stats.delivery_duration[20], 5, "2 ms are from 2^20 up to 2^21 - 1 ns");
    assert_eq!(stats.delivery_duration[0], 1);
    toy.end();

    let (toy, probe) = (Toy::start(Drive::Thread), Probe::shared());
    for drops in 1..=5 {
        toy.post(&probe, nothing);
        toy.run_until(|| probe.drops() == drops);
    }
    let stats = toy.stats();
    assert_eq!(
        stats.delivery_latency.iter().sum::<u64>(),
        stats.batches,
        "each batch had a token of its own"
    );
    assert_eq!(BUCKETS, stats.delivery_latency.len());
    toy.end();
}

/// A post that checks what the guest says of itself while it runs.
fn post_that_looks(toy: &Rc<Toy>) -> P {
    let (probe, here) = (Probe::new(), toy.clone());
    toy.post(&probe, move |_| assert_eq!(here.state(), State::Delivering));
    probe
}

#[test]
fn state_in_drive_thread() {
    let _alone = alone();
    let toy = Toy::start(Drive::Thread);
    toy.await_polling();
    let probe = post_that_looks(&toy);
    eventually(|| toy.state() == State::Posted);
    toy.run_until(|| probe.drops() == 1);
    toy.await_polling();
    toy.guest().shutdown(10 * SECOND).unwrap();
    assert_eq!(toy.state(), State::Ended);
    toy.free();
}

#[test]
fn state_in_drive_fd() {
    let _alone = alone();
    let toy = Toy::start(Drive::Fd);
    assert_eq!(toy.state(), State::Idle);
    let probe = post_that_looks(&toy);
    toy.run_until(|| probe.drops() == 1);
    assert_eq!(toy.state(), State::Idle);
    toy.guest().shutdown(10 * SECOND).unwrap();
    assert_eq!(toy.state(), State::Ended);
    toy.free();
}

// ---- stalls: reported while they last, once each

/// The drives that have a host, and so a thread that watches it.
const HOSTED: [Drive; 2] = [Drive::Thread, Drive::Fd];

fn watched(drive: Drive) -> Rc<Toy> {
    Toy::with(Options { stall_after: 10 * MS, ..options(drive) })
}

/// How many stalls of that kind were reported. A machine under load may add one of the other kind.
fn stalls(toy: &Toy, kind: Stall) -> usize {
    let stalls = toy.host.stalls.lock().unwrap().clone();
    stalls.iter().for_each(|(_, lasted)| at_least(*lasted, 10 * MS));
    stalls.iter().filter(|(seen, _)| *seen == kind).count()
}

fn undelivered(drive: Drive) {
    let _alone = alone();
    let (toy, probe) = (watched(drive), Probe::new());
    toy.post(&probe, nothing);
    toy.host.stalled.wait(1); // the host's loop does not run: this thread waits here
    assert_eq!(stalls(&toy, Stall::Undelivered), 1);
    pass(30 * MS);
    assert_eq!((stalls(&toy, Stall::Undelivered), probe.calls()), (1, 0), "once for each stall");
    toy.run_until(|| probe.drops() == 1);
    assert!(toy.stats().stalls >= 1);
    toy.post(&Probe::new(), nothing);
    eventually(|| stalls(&toy, Stall::Undelivered) == 2);
    toy.end();
}

#[test]
fn stall_of_an_undelivered_token() {
    undelivered(Drive::Thread);
}

#[test]
fn stall_of_an_unserved_fd() {
    undelivered(Drive::Fd);
}

#[test]
fn stall_of_a_callback() {
    let _alone = alone();
    for drive in HOSTED {
        let (toy, probe) = (watched(drive), Probe::shared());
        for n in 1..=2 {
            let here = toy.clone();
            // Returns only when it has been reported.
            toy.post(&probe, move |_| eventually(|| stalls(&here, Stall::Delivering) == n));
            toy.run_until(|| probe.drops() as usize == n);
            assert_eq!(stalls(&toy, Stall::Delivering), n);
        }
        toy.end();
    }
}

/// Also where nothing was due: the caller of the pull form has work of its own.
#[test]
fn stall_of_an_open_batch() {
    let _alone = alone();
    for drive in HOSTED {
        let toy = Toy::with(Options { stall_after: 10 * MS, pull: true, ..options(drive) });
        let guest = toy.guest();
        for n in 1..=3 {
            guest.batch_begin(0).unwrap();
            if n < 3 {
                guest.batch_next(1, |_| ()).unwrap();
            }
            eventually(|| stalls(&toy, Stall::Delivering) == n);
            guest.batch_end().unwrap();
        }
        guest.batch_begin(0).unwrap();
        guest.batch_wait(50 * MS, 1, |_| ()).unwrap();
        assert_eq!(stalls(&toy, Stall::Delivering), 3, "who waits is not stuck");
        eventually(|| stalls(&toy, Stall::Delivering) == 4);
        guest.batch_end().unwrap();
        drop(guest);
        toy.poster.cancel();
        toy.guest().shutdown(10 * SECOND).unwrap();
        toy.free();
    }
}

/// The token for a nested loop that was none has waited as long, but not for the host.
#[test]
fn stall_of_a_callback_is_one() {
    let _alone = alone();
    for drive in HOSTED {
        let (options, clock) = manual(drive);
        let toy = Toy::with(Options { stall_after: 100 * MS, ..options });
        let (probe, here) = (Probe::new(), toy.clone());
        toy.post(&probe, move |_| {
            clock.advance(10 * MS);
            eventually(|| drive == Drive::Fd || here.posts() == 2); // that token
            clock.advance(140 * MS);
            eventually(|| stalls(&here, Stall::Delivering) == 1);
        });
        toy.run_until(|| probe.drops() == 1);
        let before = toy.stats().io_wakeups;
        eventually(|| drive == Drive::Fd || toy.stats().io_wakeups >= before + 2); // the thread has looked again
        toy.post(&Probe::new(), nothing);
        toy.run_for(5 * MS);
        assert_eq!((stalls(&toy, Stall::Delivering), toy.host.stalled.count()), (1, 1));
        toy.end();
    }
}

fn idle_host(drive: Drive) {
    let _alone = alone();
    let toy = watched(drive);
    // Nothing is due, so nobody waits for the host, and the thread that watches sleeps.
    toy.rests(|stats| stats.io_wakeups);
    assert_eq!((toy.host.stalled.count(), toy.stats().stalls), (0, 0));
    toy.end();
}

#[test]
fn stall_not_reported_for_an_idle_host_thread() {
    idle_host(Drive::Thread);
}

#[test]
fn stall_not_reported_for_an_idle_host_fd() {
    idle_host(Drive::Fd);
}

/// A busy host is looked at at the pace of `stall_after`, and not more often.
#[test]
fn stall_watch_of_a_busy_host_is_cheap() {
    let _alone = alone();
    let toy = Toy::with(Options { stall_after: 50 * MS, ..options(Drive::Fd) });
    toy.add_timer(MS, MS, &Probe::new(), nothing);
    let began = monotonic_ns();
    toy.run_until(|| toy.stats().batches >= 400);
    let (wakeups, looks) = (toy.stats().io_wakeups, (monotonic_ns() - began) / (50 * MS));
    assert!(wakeups <= 2 * looks + 5, "{wakeups} wake-ups in {looks} times stall_after");
    toy.end();
}

// ---- idle is free

fn add_quiet_sources(toy: &Toy) -> Rc<Channel> {
    let (pipe, probe) = (Channel::new(), Probe::shared());
    toy.add_fd(pipe.input(), READABLE, &probe, nothing);
    toy.add_timer(3600 * SECOND, 0, &probe, nothing);
    toy.add_timer(FOREVER, 0, &probe, nothing);
    toy.add_signal(SIGNAL, &probe);
    #[cfg(windows)]
    toy.handle().handle_add(Wakeup::new().fd(), probe.fd(nothing)).unwrap();
    pipe
}

#[test]
fn idle_is_free_fd() {
    let _alone = alone();
    let toy = Toy::start(Drive::Fd);
    let _pipe = add_quiet_sources(&toy);
    toy.rests(|stats| stats.batches);
    assert!(!poll_fds(&[toy.guest().fd().unwrap()], 0)[0]);
    toy.end();
}

#[test]
fn idle_is_free_thread() {
    let _alone = alone();
    let toy = Toy::start(Drive::Thread);
    let _pipe = add_quiet_sources(&toy);
    toy.await_polling();
    toy.rests(|stats| (stats.io_wakeups, stats.tokens, stats.polls));
    toy.end();
}

#[test]
fn stats_say_what_the_thread_sleeps_on() {
    let _alone = alone();
    let latch = |options| {
        let toy = Toy::with(options);
        let latch = toy.stats().latch;
        toy.end();
        latch
    };
    let thread = latch(options(Drive::Thread));
    let inbox = cfg!(all(windows, asyncguest_inbox));
    assert_eq!(thread, if inbox { LatchForm::Inbox } else { LatchForm::Handle });
    assert_eq!(latch(options(Drive::Fd)), LatchForm::None);
    assert_eq!(latch(Options { stall_after: 10 * SECOND, ..options(Drive::Fd) }), thread);
    assert_eq!(latch(options(Drive::Run)), LatchForm::None);
}
