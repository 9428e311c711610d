//! Hazard: the ways to wait. Drive FD under poll, select and edge-triggered epoll; `Guest::run`.

use crate::common::*;

#[cfg(unix)]
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

fn wait_poll(fd: OsFd) -> bool {
    poll_fds(&[fd], 2 * SECOND)[0]
}

#[cfg(unix)]
fn wait_select(fd: OsFd) -> bool {
    let mut timeout = libc::timeval { tv_sec: 2, tv_usec: 0 };
    // SAFETY: one set, zeroed and filled here, for an fd below FD_SETSIZE.
    unsafe {
        assert!((fd as usize) < libc::FD_SETSIZE);
        let mut set = std::mem::zeroed();
        libc::FD_SET(fd, &mut set);
        let none = std::ptr::null_mut();
        must(libc::select(fd + 1, &mut set, none, none, &mut timeout)) == 1
    }
}

/// One registration for the whole test: only fresh edges are reported.
#[cfg(unix)]
fn edges(fd: OsFd) -> impl Fn(OsFd) -> bool {
    let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 0 };
    // SAFETY: a new fd, which nobody else owns; `event` lives through the call.
    let edge = unsafe {
        let edge = OwnedFd::from_raw_fd(must(libc::epoll_create1(libc::EPOLL_CLOEXEC)));
        must(libc::epoll_ctl(edge.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event));
        edge
    };
    move |_| {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: room for one event.
        must(unsafe { libc::epoll_wait(edge.as_raw_fd(), &mut event, 1, 2000) }) == 1
    }
}

fn watched_by<W: Fn(OsFd) -> bool>(make: impl FnOnce(OsFd) -> W) {
    let _alone = alone();
    let (toy, pipe, fd, posts) = (Toy::start(Drive::Fd), Channel::new(), Probe::new(), Probe::shared());
    let guest = toy.guest();
    let os_fd = guest.fd().unwrap();
    let wait = make(os_fd);
    toy.add_fd(pipe.input(), READABLE, &fd, pipe.reader());
    for round in 1..=10 {
        let timer = Probe::new();
        pipe.write(2); // one byte stays: level-triggered within, whatever is without
        toy.add_timer(u64::from(round % 3) * MS, 0, &timer, nothing);
        toy.post(&posts, nothing);
        while fd.calls() < 2 * round || timer.calls() == 0 || posts.drops() < round {
            assert!(wait(os_fd), "asleep in round {round}");
            guest.deliver(0).unwrap();
        }
    }
    drop(guest);
    toy.end();
}

#[test]
fn drive_fd_under_poll() {
    watched_by(|_| wait_poll);
}

#[cfg(unix)] // Windows has select for sockets alone
#[test]
fn drive_fd_under_select() {
    watched_by(|_| wait_select);
}

#[cfg(unix)] // hosts of Windows wait for a handle, never for its edges
#[test]
fn drive_fd_under_edge_triggered_epoll() {
    watched_by(edges);
}

/// A budget that is spent leaves the fd readable, also for those who wait for an edge.
#[test]
fn drive_fd_stays_readable_after_the_budget() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Fd), Probe::shared());
    let guest = toy.guest();
    let fd = guest.fd().unwrap();
    #[cfg(unix)]
    let wait_edge = edges(fd);
    #[cfg(windows)] // which has no edges
    let wait_edge = wait_poll;
    (0..10).for_each(|_| toy.post(&probe, nothing));
    for calls in 1..=10 {
        assert!(wait_edge(fd) && wait_poll(fd));
        guest.deliver_for(0, Some(0)).unwrap();
        assert_eq!(probe.calls(), calls);
    }
    drop(guest);
    toy.end();
}

#[test]
fn drive_fd_wakes_by_posts_of_another_thread() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Fd), Probe::new());
    let fd = toy.guest().fd().unwrap();
    let asleep = || !poll_fds(&[fd], 5 * MS)[0];
    assert!(asleep());
    let (poster, post) = (toy.poster.clone(), probe.post(nothing));
    std::thread::spawn(move || poster.post(post).unwrap()).join().unwrap();
    assert!(wait_poll(fd));
    toy.guest().deliver(0).unwrap();
    assert_eq!(probe.calls(), 1);
    assert!(asleep());
    toy.poster.wake();
    assert!(wait_poll(fd));
    toy.guest().deliver(0).unwrap();
    assert!(asleep());
    toy.poster.cancel();
    assert!(wait_poll(fd), "the end has to be delivered, too");
    toy.guest().deliver(0).unwrap();
    assert_eq!(toy.done_status(), Status::OK);
    toy.free();
}

#[test]
fn drive_thread_has_no_fd() {
    let _alone = alone();
    let toy = Toy::start(Drive::Thread);
    assert_eq!(refused(toy.guest().fd()), Status::DRIVE);
    toy.end();
}

#[test]
fn stall_reports_need_a_host() {
    let _alone = alone();
    struct Nobody;
    impl Host for Nobody {
        fn post(&self, _: u64) -> Posted {
            Posted::Queued
        }
    }
    let started = Guest::start(Arc::new(Nobody), Options { stall_after: 1, ..options(Drive::Run) });
    assert_eq!(refused(started), Status::DRIVE);
}

// ---- run

fn run_until_ended(drive: Drive) {
    let _alone = alone();
    let (toy, timer) = (Toy::start(drive), Probe::new());
    let (watched, poster) = (timer.clone(), toy.poster.clone());
    toy.add_timer(MS, MS, &timer, move |_| {
        if watched.calls() == 5 {
            poster.cancel();
        }
    });
    toy.guest().run(FOREVER).unwrap();
    assert_eq!((timer.calls(), timer.drops(), toy.done_status()), (5, 1, Status::OK));
    toy.free();
}

#[test]
fn run_until_the_guest_ends_run() {
    run_until_ended(Drive::Run);
}

#[test]
fn run_until_the_guest_ends_thread() {
    run_until_ended(Drive::Thread);
}

#[test]
fn run_until_the_guest_ends_fd() {
    run_until_ended(Drive::Fd);
}

fn run_timeout(drive: Drive) {
    let _alone = alone();
    let (toy, timer) = (Toy::start(drive), Probe::new());
    toy.add_timer(MS, MS, &timer, nothing);
    let start = monotonic_ns();
    assert_eq!(refused(toy.guest().run(20 * MS)), Status::TIMEDOUT);
    at_least(monotonic_ns() - start, 20 * MS);
    assert!(timer.total.get() >= 15);
    assert_eq!(toy.done(), 0);
    let calls = timer.calls();
    pass(2 * MS);
    assert_eq!(refused(toy.guest().run(0)), Status::TIMEDOUT);
    assert!(timer.calls() > calls, "delivers once, and does not wait");
    toy.end();
}

#[test]
fn run_timeout_run() {
    run_timeout(Drive::Run);
}

#[test]
fn run_timeout_thread() {
    run_timeout(Drive::Thread);
}

#[test]
fn run_timeout_fd() {
    run_timeout(Drive::Fd);
}

#[test]
fn run_timeout_saturates() {
    let _alone = alone();
    let (toy, started) = (Toy::start(Drive::Run), Latch::new());
    let (poster, latch) = (toy.poster.clone(), started.clone());
    let thread = std::thread::spawn(move || {
        latch.wait(1);
        poster.cancel();
    });
    toy.add_timer(0, 0, &Probe::new(), move |_| started.open());
    toy.guest().run(FOREVER - 1).unwrap();
    thread.join().unwrap();
    toy.free();
}

/// The wait is the look that finds nothing more. First that of the beginning, and last that of the end.
#[test]
fn a_run_looks_once_for_each_wake_up() {
    let _alone = alone();
    let (toy, timer, seen) = (Toy::start(Drive::Run), Probe::new(), Probe::new());
    let (here, posted) = (toy.clone(), seen.clone());
    toy.add_timer(MS, MS, &timer.clone(), move |_| {
        if timer.calls() == 10 {
            here.post(&posted, nothing);
            here.poster.cancel();
        }
    });
    toy.guest().run(10 * SECOND).unwrap();
    assert_eq!(seen.drops(), 1, "but what was posted meanwhile is looked for");
    assert!(toy.stats().polls <= 12, "{:?}", toy.stats());
    toy.free();
}

/// A dialog of a program without any other loop.
#[test]
fn run_inside_a_callback() {
    let _alone = alone();
    let (toy, outer, inner) = (Toy::start(Drive::Run), Probe::new(), Probe::new());
    let (here, seen) = (toy.clone(), inner.clone());
    toy.add_timer(0, 0, &outer, move |_| {
        here.add_timer(MS, 0, &seen, nothing);
        eventually(|| {
            assert_eq!(refused(here.guest().run(5 * MS)), Status::TIMEDOUT);
            seen.drops() == 1
        });
        assert_eq!(seen.calls(), 1);
    });
    assert_eq!(refused(toy.guest().run(0)), Status::TIMEDOUT);
    assert_eq!((outer.calls(), outer.drops()), (1, 1));
    toy.end();
}
