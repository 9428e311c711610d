//! L1. What every system's alarm keeps.

use crate::sys::{monotonic_ns, Alarm, Poller, Seen, Waker};

struct Watch {
    poller: Poller,
    _waker: Waker,
    alarm: Alarm,
}

impl Watch {
    fn new() -> Watch {
        let (poller, _waker, alarm) = Poller::new().unwrap();
        Watch { poller, _waker, alarm }
    }

    /// Waits at most `timeout` ms until it goes off.
    fn rang(&mut self, timeout: u64) -> bool {
        let until = monotonic_ns() + timeout * 1_000_000;
        loop {
            let left = until.saturating_sub(monotonic_ns());
            self.poller.wait(left).unwrap();
            let mut rang = false;
            self.poller.poll_now(|seen, _| rang |= seen == Seen::Alarm).unwrap();
            if rang || left == 0 {
                return rang;
            }
        }
    }
}

#[test]
fn each_setting_rings_once_and_never_early() {
    let mut watch = Watch::new();
    for i in 1..=50 {
        let deadline = monotonic_ns() + i * 10_000;
        watch.alarm.set(deadline).unwrap();
        assert!(watch.rang(5000), "setting {i} did not ring");
        assert!(monotonic_ns() >= deadline, "early");
        assert!(!watch.rang(0), "once only");
    }
}

#[test]
fn the_past_fires_at_once_and_zero_is_the_past() {
    let mut watch = Watch::new();
    for deadline in [0, 1, 999_999_999, monotonic_ns(), 0] {
        watch.alarm.set(deadline).unwrap();
        assert!(watch.rang(5000), "{deadline} has passed");
    }
}

#[test]
fn forever_disarms_and_the_far_future_does_not_wrap() {
    let mut watch = Watch::new();
    for never in [u64::MAX, u64::MAX - 1, u64::MAX / 2] {
        watch.alarm.set(monotonic_ns() + 1_000_000).unwrap();
        watch.alarm.set(never).unwrap();
        assert!(!watch.rang(3), "{never} never comes");
    }
    watch.alarm.set(1).unwrap();
    watch.alarm.set(u64::MAX).unwrap();
    assert!(!watch.rang(20), "setting it anew takes back an expiration that nobody saw");
}

#[test]
fn a_setting_that_replaces_another_at_any_moment_rings() {
    let mut watch = Watch::new();
    for i in 0..1500 {
        let now = monotonic_ns();
        watch.alarm.set(now + i * 997 % 300_000).unwrap();
        // The first may be going off just now.
        let until = now + i * 1009 % 200_000;
        while monotonic_ns() < until {
            watch.poller.poll_now(|_, _| {}).unwrap();
        }
        let deadline = monotonic_ns() + i * 13 % 400_000;
        watch.alarm.set(deadline).unwrap();
        assert!(watch.rang(5000), "setting {i} did not ring");
        assert!(monotonic_ns() >= deadline, "early");
    }
}
