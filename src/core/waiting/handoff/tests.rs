//! The hand-off, step by step, by a clock that the test moves.

use super::*;

const MS: u64 = 1_000_000;

fn hand_off() -> HandOff {
    HandOff::new(1, Pauses { nested_after: 10 * MS, repost_after: 250 * MS, stall_after: 0 })
}

#[test]
fn a_batch_goes_there_and_back() {
    let h = hand_off();
    let token = h.opened(0).unwrap();
    assert_eq!(h.opened(0), None, "one token at most");
    assert_eq!(h.watch(0).sleep, Some(10 * MS));
    let begun = h.begin(token, 5).unwrap();
    assert_eq!(begun, Begun { latency: Some(5), watched: true, unnoticed: false });
    assert_eq!(h.end(false, 6), End::Arm);
    assert_eq!(h.watch(10 * MS), Watch::default());
}

#[test]
fn old_doubled_and_foreign_tokens_are_stale() {
    let h = hand_off();
    let token = h.opened(0).unwrap();
    assert!(h.begin(token + 1, 0).is_none());
    let other = HandOff::new(2, Pauses { nested_after: 1, repost_after: 1, stall_after: 0 });
    assert!(other.opened(0).is_some_and(|foreign| h.begin(foreign, 0).is_none()));
    assert!(h.begin(token, 0).is_some());
    assert!(h.begin(token, 0).is_none(), "doubled");
    h.end(false, 0);
    assert!(h.begin(token, 0).is_none(), "old");
}

#[test]
fn a_dropped_post_is_repeated_with_growing_pauses() {
    let h = hand_off();
    let token = h.opened(0).unwrap();
    assert_eq!(h.watch(249 * MS).post, None);
    assert_eq!(h.watch(250 * MS).post, Some(Post::Again(token)));
    assert_eq!(h.watch(749 * MS).post, None);
    assert_eq!(h.watch(750 * MS).post, Some(Post::Again(token)));
    assert!(h.begin(token, 751 * MS).is_some());
    h.end(false, 752 * MS);
    assert_eq!(h.watch(5_000 * MS).post, None);
}

#[test]
fn a_failed_post_is_retried_soon_then_rarely() {
    let h = hand_off();
    let token = h.opened(0).unwrap();
    h.post_failed(token, 0);
    let mut now = 0;
    for pause in [1, 2, 4, 8, 16, 32, 64, 128, 250, 250] {
        now += pause * MS;
        assert_eq!(h.watch(now - 1).post, None, "{pause}");
        assert_eq!(h.watch(now).post, Some(Post::Again(token)), "{pause}");
        h.post_failed(token, now);
    }
}

#[test]
fn a_long_delivery_gets_one_token_for_its_nested_loop() {
    let h = hand_off();
    let token = h.opened(0).unwrap();
    h.watch(0);
    h.begin(token, 0).unwrap();
    assert_eq!(h.watch(9 * MS).post, None);
    let Some(Post::First(nested)) = h.watch(10 * MS).post else { panic!("a token of its own") };
    h.begin(nested, 11 * MS).unwrap();
    assert_eq!(h.end(false, 12 * MS), End::Arm);
    assert_eq!(h.watch(40 * MS).post, None, "announced once");
    assert!(h.opened(41 * MS).is_some(), "the nested loop sleeps and wants the next token");
    assert_eq!(h.end(false, 50 * MS), End::Nothing, "that token is still on its way");
}

#[test]
fn after_a_blocked_host_the_late_watch_does_not_count() {
    let h = hand_off();
    let token = h.opened(0).unwrap();
    assert!(h.watch(2_000 * MS).post.is_some());
    let begun = h.begin(token, 2_001 * MS).unwrap();
    assert!(!begun.watched && begun.unnoticed, "it looks again in 500 ms, or thereabouts");
    assert!(h.nested_wake(2_001 * MS));
    assert_eq!(h.watch(2_001 * MS).sleep, Some(10 * MS));
}

#[test]
fn a_step_needs_no_token_and_leaves_the_outstanding_one() {
    let h = hand_off();
    assert!(!h.begin(0, 0).unwrap().watched);
    assert_eq!(h.opened(1), None, "the host looks for itself");
    assert_eq!(h.end(false, 2), End::Arm);
    let token = h.opened(3).unwrap();
    h.begin(0, 4).unwrap();
    assert_eq!(h.end(true, 5), End::Nothing);
    assert!(h.begin(token, 6).is_some());
}

#[test]
fn a_spent_budget_gives_a_new_token() {
    let h = hand_off();
    let token = h.opened(0).unwrap();
    h.watch(0);
    h.begin(token, 0).unwrap();
    let End::Post(next) = h.end(true, 4 * MS) else { panic!("watched, so no wake") };
    assert_ne!(next, token);
    h.begin(0, 0).unwrap();
    h.begin(next, 5 * MS).unwrap();
}

#[test]
fn stalls_are_reported_once_while_they_last() {
    let h = HandOff::new(1, Pauses { nested_after: 10 * MS, repost_after: 250 * MS, stall_after: 50 * MS });
    let token = h.opened(0).unwrap();
    assert_eq!(h.watch(49 * MS).stall, None);
    assert_eq!(h.watch(50 * MS).stall, Some((Stuck::Token, 50 * MS)));
    assert_eq!(h.watch(60 * MS).stall, None);
    h.begin(token, 100 * MS).unwrap();
    assert_eq!(h.watch(110 * MS).stall, None);
    assert_eq!(h.watch(150 * MS).stall, Some((Stuck::Delivery, 50 * MS)));
    assert_eq!(h.watch(400 * MS).stall, None);
}

#[test]
fn one_long_delivery_is_one_stall() {
    let h = HandOff::new(1, Pauses { nested_after: 10 * MS, repost_after: 250 * MS, stall_after: 100 * MS });
    let token = h.opened(0).unwrap();
    h.begin(token, 0).unwrap();
    assert!(h.watch(10 * MS).post.is_some(), "for a nested loop, and there is none");
    assert_eq!(h.watch(100 * MS).stall, Some((Stuck::Delivery, 100 * MS)));
    h.end(false, 300 * MS);
    assert_eq!(h.watch(301 * MS).stall, None, "the host could not have delivered that token before");
    assert_eq!(h.watch(400 * MS).stall, Some((Stuck::Token, 100 * MS)));
}

#[test]
fn no_setting_makes_the_i_o_thread_spin() {
    let h = HandOff::new(1, Pauses { nested_after: 1, repost_after: 1, stall_after: 0 });
    let token = h.opened(0).unwrap();
    for now in [0, 1, MS - 1] {
        h.post_failed(token, now);
        assert_eq!(h.watch(now).post, None);
    }
}

#[test]
fn nothing_is_posted_to_a_host_that_is_gone() {
    let h = hand_off();
    let token = h.opened(0).unwrap();
    h.close();
    assert_eq!(h.watch(1_000 * MS), Watch::default());
    assert_eq!(h.opened(0), None);
    assert!(h.begin(token, 0).is_none());
    assert!(h.begin(0, 0).is_some(), "the host thread may still look");
    assert_eq!(h.end(true, 0), End::Nothing);
}

#[test]
fn the_host_is_away_when_it_takes_no_delivery() {
    let h = hand_off();
    let token = h.opened(0).unwrap();
    assert!(!h.watch(9 * MS).away);
    assert!(h.watch(10 * MS).away);
    h.begin(token, 20 * MS).unwrap();
    assert!(!h.watch(29 * MS).away, "it is back");
    let watch = h.watch(30 * MS);
    assert!(matches!(watch.post, Some(Post::First(_))) && watch.away, "inside a callback");
    h.wait();
    assert!(!h.watch(90 * MS).away, "it sleeps there, and finds what is due itself");
    h.resume(90 * MS);
    h.end(true, 95 * MS);
    assert!(!h.watch(104 * MS).away, "it could not have taken it before");
    assert!(h.watch(105 * MS).away);
    h.close();
    assert!(!h.watch(200 * MS).away);
}
