//! L1. What every system's latch keeps.

use crate::sys::system::latch::each;

#[test]
fn one_readiness_per_arming_and_none_is_missed() {
    each(|_poller, waker, latch| {
        waker.wake();
        assert!(!latch.wait(Some(0)), "not armed");
        latch.arm();
        assert!(latch.wait(None), "what was ready before counts");
        assert!(!latch.wait(Some(0)), "opening disarmed it");
        latch.arm();
        assert!(latch.wait(None), "undrained is still ready");
    });
}

#[test]
fn a_drained_poller_does_not_open_the_latch() {
    each(|mut poller, waker, latch| {
        waker.wake();
        poller.poll_now(|_, _| {}).unwrap();
        latch.arm();
        assert!(!latch.wait(Some(0)));
        waker.wake();
        assert!(latch.wait(None));
    });
}

#[test]
fn a_kick_ends_one_wait_and_opens_nothing() {
    each(|_poller, waker, latch| {
        latch.kick();
        latch.kick();
        assert!(!latch.wait(None), "it returned, and is not open");
        waker.wake();
        latch.arm();
        latch.kick();
        assert!(latch.wait(None), "both at once: open");
    });
}

#[test]
fn a_limit_ends_a_wait_also_after_a_longer_one() {
    const MILLISECOND: u64 = 1_000_000;
    each(|_poller, waker, latch| {
        assert!(!latch.wait(Some(MILLISECOND)));
        waker.wake();
        latch.arm();
        assert!(latch.wait(Some(3_600_000 * MILLISECOND)));
        assert!(!latch.wait(Some(MILLISECOND)));
    });
}
