//! The hand-off between the I/O thread and the host thread: what becomes ready at any moment is
//! delivered, and at most one token is outstanding (asserted in `World::post`).

use loom::sync::Arc;
use loom::thread;

use crate::world::{Host, World};

/// Runs `other` and the I/O thread beside `host`, then stops the I/O thread as `guest_free` does.
fn with_threads(
    budget: usize,
    other: impl Fn(&World) + Clone + Send + Sync + 'static,
    host: impl Fn(&mut Host) + Sync + Send + 'static,
) {
    loom::model(move || {
        let world = World::new();
        let io_thread = World::start_io_thread(&world);
        let beside = thread::spawn({
            let (world, other): (Arc<World>, _) = (world.clone(), other.clone());
            move || other(&world)
        });
        host(&mut Host::new(&world, budget));
        beside.join().unwrap();
        world.stop_io_thread();
        io_thread.join().unwrap();
    });
}

fn nothing(_: &mut Host, _: u32) {}

#[test]
fn an_event_is_delivered_whenever_it_comes() {
    with_threads(
        usize::MAX,
        |world| {
            world.fire(1);
            world.fire(2);
        },
        |host| {
            host.run_until(2, &mut nothing);
            assert_eq!(host.seen, [1, 2]);
        },
    );
}

#[test]
fn a_post_is_delivered_whenever_it_comes() {
    with_threads(
        usize::MAX,
        |world| {
            assert!(world.push(1));
            assert!(world.push(2));
        },
        |host| {
            host.run_until(2, &mut nothing);
            assert_eq!(host.seen, [1, 2]);
        },
    );
}

#[test]
fn a_step_beside_the_opening_latch_loses_nothing() {
    with_threads(
        usize::MAX,
        |world| {
            world.fire(1);
            world.push(2);
        },
        |host| {
            assert!(host.deliver(0, &mut nothing), "a step is always let in");
            host.run_until(2, &mut nothing);
        },
    );
}

#[test]
fn a_spent_budget_brings_the_next_token() {
    with_threads(
        1,
        |world| {
            world.fire(1);
            world.push(2);
        },
        |host| {
            host.run_until(2, &mut nothing);
        },
    );
}

#[test]
fn a_step_that_spends_its_budget_is_followed_by_a_token() {
    with_threads(
        1,
        |world| world.fire(3),
        |host| {
            host.world.fire(1);
            host.world.fire(2);
            host.deliver(0, &mut nothing);
            host.run_until(3, &mut nothing);
        },
    );
}

/// A nested host loop until `event` has come.
fn nested_loop(host: &mut Host, event: u32) {
    while !host.seen.contains(&event) {
        let token = host.next_token_in_time();
        host.deliver(token, &mut nothing);
    }
}

fn dialog(host: &mut Host, event: u32) {
    if event == 1 {
        nested_loop(host, 2);
    }
}

/// Two loops, one after the other, in callbacks of one delivery.
fn dialogs(host: &mut Host, event: u32) {
    match event {
        1 => {
            nested_loop(host, 2);
            host.world.fire(3);
            host.world.fire(4);
        }
        3 => nested_loop(host, 4),
        _ => {}
    }
}

#[test]
fn a_nested_loop_gets_the_events_of_its_time() {
    with_threads(
        usize::MAX,
        |world| {
            world.fire(1);
            world.fire(2);
        },
        |host| host.run_until(2, &mut dialog),
    );
}

#[test]
fn a_nested_loop_inside_a_step_gets_the_events_of_its_time() {
    with_threads(
        usize::MAX,
        |world| {
            world.push(2);
        },
        |host| {
            host.world.fire(1);
            host.deliver(0, &mut dialog);
            assert!(host.seen.contains(&2));
        },
    );
}

#[test]
fn each_nested_loop_of_a_delivery_gets_its_token() {
    with_threads(
        usize::MAX,
        |_| {},
        |host| {
            host.world.fire(1);
            host.world.fire(2);
            host.deliver(0, &mut dialogs);
            assert_eq!(host.seen, [1, 2, 3, 4]);
        },
    );
}

#[test]
fn a_dropped_token_comes_again() {
    with_threads(
        usize::MAX,
        |world| world.fire(1),
        |host| {
            // The host's queue loses it.
            let lost = host.next_token();
            let again = host.next_token_in_time();
            assert_eq!(again, lost);
            assert!(host.deliver(again, &mut nothing));
            assert_eq!(host.seen, [1]);
        },
    );
}

#[test]
fn a_doubled_token_is_delivered_once() {
    with_threads(
        usize::MAX,
        |world| world.fire(1),
        |host| {
            let token = host.next_token();
            assert!(host.deliver(token, &mut nothing));
            assert!(!host.deliver(token, &mut nothing));
            assert_eq!(host.seen, [1]);
        },
    );
}

#[test]
fn a_failed_post_is_tried_again() {
    with_threads(
        usize::MAX,
        |world| {
            world.refuse(1);
            world.fire(1);
        },
        |host| {
            let token = host.next_token_in_time();
            assert!(host.deliver(token, &mut nothing));
            assert_eq!(host.seen, [1]);
        },
    );
}

#[test]
fn a_cancelled_guest_gets_its_last_delivery_and_keeps_what_it_accepted() {
    loom::model(|| {
        let world = World::new();
        let io_thread = World::start_io_thread(&world);
        let poster = thread::spawn({
            let world = world.clone();
            move || {
                let accepted = world.push(1);
                world.cancel();
                accepted
            }
        });
        world.cancel();
        let mut host = Host::new(&world, usize::MAX);
        while !host.closed {
            let token = host.next_token();
            host.deliver(token, &mut nothing);
        }
        let accepted = poster.join().unwrap();
        assert_eq!(host.seen.len(), usize::from(accepted));
        world.stop_io_thread();
        io_thread.join().unwrap();
    });
}

#[test]
fn a_host_that_is_gone_is_told_nothing_and_may_still_step() {
    with_threads(
        usize::MAX,
        |world| world.hand_off.close(),
        |host| {
            host.world.fire(1);
            assert!(host.deliver(0, &mut nothing));
            assert_eq!(host.seen, [1]);
        },
    );
}
