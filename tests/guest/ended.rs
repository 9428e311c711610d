//! Hazard: user code that runs at the end and calls the guest once more, and a guest that goes on after `done`.

use crate::common::*;

/// What a callback takes with it delivers when it is dropped.
struct Delivers(Rc<Toy>, P);

impl Drop for Delivers {
    fn drop(&mut self) {
        self.0.guest().deliver(0).unwrap();
        assert_eq!(self.0.done(), 0, "done waits for this drop");
        self.1.calls.set(self.1.calls() + 1);
    }
}

#[test]
fn done_after_drops_that_deliver() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd] {
        let (toy, dropped) = (Toy::start(drive), Probe::shared());
        for _ in 0..2 {
            let last = Delivers(toy.clone(), dropped.clone());
            toy.handle().timer_add(FOREVER, 0, move |_, _, _| drop(last.1.clone())).unwrap();
        }
        toy.end();
        assert_eq!(dropped.calls(), 2);
    }
}

// ---- a held event of an outer batch: it is dropped at the outer batch's end

fn held_event(nested: impl FnOnce(&Guest)) {
    let _alone = alone();
    let toy = Toy::with(pull(Drive::Fd));
    let (timer, held, mut events) = (Probe::new(), Probe::new(), 0);
    toy.add_timer(FOREVER, 0, &timer, nothing);
    toy.post(&held, nothing);
    let guest = toy.guest();
    guest.batch_begin(0).unwrap();
    guest.batch_next(1, |_| events += 1).unwrap();
    assert_eq!(events, 1);
    toy.poster.cancel();
    nested(&guest);
    assert_eq!((timer.drops(), held.drops(), toy.done()), (1, 0, 0));
    guest.batch_end().unwrap();
    assert_eq!((held.drops(), toy.done_status()), (1, Status::OK));
    assert!(held.dropped.get() < toy.host.done.lock().unwrap()[0].1);
}

#[test]
fn done_after_a_held_event_deliver() {
    held_event(|guest| guest.deliver(0).unwrap());
}

#[test]
fn done_after_a_held_event_batch() {
    held_event(|guest| {
        guest.batch_begin(0).unwrap();
        guest.batch_next(4, |_| panic!("a cancelled guest has no events")).unwrap();
        guest.batch_end().unwrap();
    });
}

// ---- after `done`

fn is_readable(toy: &Toy) -> bool {
    poll_fds(&[toy.guest().fd().unwrap()], 0)[0]
}

/// Lets more time pass than the pauses between repeated posts.
#[track_caller]
fn is_silent(toy: &Toy, posts: u32) {
    pass(60 * MS);
    assert!(toy.drive != Drive::Fd || !is_readable(toy));
    toy.poster.wake();
    pass(5 * MS);
    assert!(toy.drive != Drive::Fd || !is_readable(toy));
    assert_eq!(toy.posts(), posts);
}

fn silent_after_done(drive: Drive) {
    let _alone = alone();
    let toy = Toy::start(drive);
    if drive == Drive::Thread {
        toy.await_polling();
    }
    toy.poster.cancel();
    toy.run_until(|| toy.done() > 0);
    is_silent(&toy, u32::from(drive == Drive::Thread));
}

#[test]
fn silent_after_done_thread() {
    silent_after_done(Drive::Thread);
}

#[test]
fn silent_after_done_fd() {
    silent_after_done(Drive::Fd);
}

#[test]
fn silent_though_a_deadline_was_still_to_come() {
    let _alone = alone();
    let toy = Toy::start(Drive::Fd);
    toy.handle().set_deadline(asyncguest::monotonic_ns() + 30 * MS).unwrap();
    toy.poster.cancel();
    toy.run_until(|| toy.done() > 0);
    is_silent(&toy, 0);
}

#[test]
fn silent_after_a_shutdown_with_a_lost_token() {
    let _alone = alone();
    let (toy, post) = (Toy::with(Options { repost_after: 30 * MS, ..Options::default() }), Probe::new());
    toy.fault(Fault::Drop, u32::MAX);
    toy.post(&post, nothing);
    eventually(|| toy.posts() > 0);
    toy.guest().shutdown(10 * SECOND).unwrap();
    assert_eq!((post.drops(), toy.done_status()), (1, Status::OK));
    is_silent(&toy, toy.posts());
}

// ---- many sources

/// Each delivery does its share, as its budget says.
#[test]
fn end_of_many_sources_in_slices() {
    const SOURCES: u32 = 20_000;
    let _alone = alone();
    let (toy, many) = (Toy::start(Drive::Fd), Probe::shared());
    for _ in 0..SOURCES {
        toy.add_timer(FOREVER, 0, &many, nothing);
    }
    toy.poster.cancel();
    let (mut left, mut deliveries) = (u64::from(SOURCES), 0);
    while toy.done() == 0 {
        assert!(is_readable(&toy));
        toy.guest().deliver_for(0, Some(1)).unwrap();
        deliveries += 1;
        let before = std::mem::replace(&mut left, toy.stats().live_sources);
        assert!(before - left <= u64::from(SOURCES / 10), "{} in one delivery", before - left);
    }
    assert!(deliveries > 10);
    assert_eq!(many.drops(), SOURCES);
}

/// What has been written to the eventfds of this process and not been read: wake-ups that nobody has seen yet.
#[cfg(unix)]
fn unread_wakes() -> u64 {
    let count = |fd: std::fs::DirEntry| {
        let text = std::fs::read_to_string(fd.path()).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("eventfd-count:"))?;
        u64::from_str_radix(count.trim(), 16).ok()
    };
    std::fs::read_dir("/proc/self/fdinfo").unwrap().filter_map(|fd| count(fd.unwrap())).sum()
}

#[cfg(unix)] // counts the unread wake-ups in /proc
#[test]
fn many_closes_wake_once() {
    let _alone = alone();
    let (toy, many) = (Toy::start(Drive::Fd), Probe::shared());
    let ids: Vec<Id> = (0..1000).map(|_| toy.add_timer(FOREVER, 0, &many, nothing)).collect();
    while is_readable(&toy) {
        toy.deliver(0);
    }
    let before = unread_wakes();
    ids.iter().for_each(|id| toy.handle().close(*id).unwrap());
    assert!(is_readable(&toy));
    assert!(unread_wakes() - before <= 2);
    toy.run_until(|| many.drops() == 1000);
    toy.end();
}
