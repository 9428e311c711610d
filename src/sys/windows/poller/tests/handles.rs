//! Handles as a poller sees them.

use super::*;

use windows_sys::Win32::System::Threading::CreateSemaphoreW;

#[test]
fn an_event_that_stays_set_is_reported_again_and_one_that_is_reset_once() {
    let mut poller = poller();
    let (manual, auto) = (event(true), event(false));
    poller.add_handle(number(&manual), READABLE, 1).unwrap();
    poller.add_handle(number(&auto), READABLE, 2).unwrap();
    silent(&mut poller);
    set(&auto);
    assert_eq!(first(&mut poller), [(Seen::Fd(2), READABLE)]);
    silent(&mut poller);
    set(&manual);
    for _ in 0..3 {
        assert_eq!(first(&mut poller), [(Seen::Fd(1), READABLE)]);
    }
    poller.remove(number(&manual), 1);
    silent(&mut poller);
}

#[test]
fn a_handle_whose_packet_is_under_way_may_be_paused_and_ended() {
    let mut poller = poller();
    let auto = event(false);
    for round in 1..=20 {
        poller.add_handle(number(&auto), READABLE, round).unwrap();
        set(&auto);
        while !poller.is_ready() {
            std::thread::yield_now();
        }
        // However often it is changed, one packet comes back.
        for interest in [0, READABLE, 0, 0].into_iter().take(round as usize % 5) {
            poller.modify(number(&auto), interest, round).unwrap();
        }
        poller.remove(number(&auto), round);
        assert_eq!((poller.under_way, poller.watches.len()), (1, 0));
        while poller.under_way > 0 {
            assert_eq!(now(&mut poller), []);
        }
    }
}

#[test]
fn a_signal_that_a_wait_has_taken_survives_a_pause() {
    let mut poller = poller();
    let auto = event(false);
    poller.add_handle(number(&auto), READABLE, 1).unwrap();
    for _ in 0..20 {
        set(&auto);
        while !poller.is_ready() {
            std::thread::yield_now();
        }
        poller.modify(number(&auto), 0, 1).unwrap();
        assert_eq!(now(&mut poller), []);
        silent(&mut poller);
        poller.modify(number(&auto), READABLE, 1).unwrap();
        assert_eq!(first(&mut poller), [(Seen::Fd(1), READABLE)]);
        silent(&mut poller);
    }
}

#[test]
fn a_semaphore_counts_and_any_number_of_handles_can_be_watched() {
    let mut poller = poller();
    // SAFETY: no memory is involved; the handle is new.
    let semaphore =
        unsafe { OwnedHandle::from_raw_handle(CreateSemaphoreW(std::ptr::null(), 5, 5, std::ptr::null())) };
    poller.add_handle(number(&semaphore), READABLE, 1).unwrap();
    for _ in 0..5 {
        assert_eq!(first(&mut poller), [(Seen::Fd(1), READABLE)]);
    }
    silent(&mut poller);
    let events: Vec<_> = (0..200).map(|_| event(false)).collect();
    for (bits, event) in events.iter().enumerate() {
        poller.add_handle(number(event), READABLE, 100 + bits as u64).unwrap();
    }
    events.iter().for_each(set);
    let mut seen = std::collections::HashSet::new();
    while seen.len() < 200 {
        let told = first(&mut poller);
        assert!(!told.is_empty(), "only {} of 200 came", seen.len());
        for (what, _) in told {
            assert!(seen.insert(format!("{what:?}")), "{what:?} came twice");
        }
    }
    silent(&mut poller);
}
