//! Hazard: a host that watches the guest's fd edge-triggered, as many event loops do. It is told again whenever a
//! delivery leaves something, or it would never come back.

#![cfg(unix)] // hosts of Windows wait for a handle, never for its edges

use crate::common::*;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A guest under an edge-triggered host.
struct Edge {
    toy: Rc<Toy>,
    epoll: OwnedFd,
}

impl Edge {
    fn start() -> Edge {
        Edge::around(Toy::with(Options { batch_budget: MS, ..options(Drive::Fd) }))
    }

    fn around(toy: Rc<Toy>) -> Edge {
        let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 0 };
        // SAFETY: a new fd, which nobody else owns; the event lives for the call.
        let epoll = unsafe {
            let epoll = OwnedFd::from_raw_fd(must(libc::epoll_create1(libc::EPOLL_CLOEXEC)));
            let fd = toy.guest().fd().unwrap();
            must(libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event));
            epoll
        };
        Edge { toy, epoll }
    }

    /// Waits for an edge, so many milliseconds.
    fn comes(&self, patience: i32) -> bool {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: room for one event.
        must(unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), &mut event, 1, patience) }) == 1
    }

    /// One turn.
    #[track_caller]
    fn turn(&self) {
        assert!(self.comes(2_000), "no edge for two seconds");
        self.toy.deliver(0);
    }

    fn end(&self) {
        self.toy.poster.cancel();
        while self.toy.done() == 0 {
            self.turn();
        }
        assert_eq!(self.toy.done_status(), Status::OK);
    }
}

#[test]
fn edge_after_a_budget_spent_in_callbacks() {
    let _alone = alone();
    let (edge, pipe) = (Edge::start(), Channel::new());
    let [fd, timer, post] = std::array::from_fn(|_| Probe::new());
    let seen = pipe.clone();
    edge.toy.add_fd(pipe.input(), READABLE, &fd, move |_| {
        seen.read_one();
        pass(2 * MS);
    });
    pipe.write(3);
    edge.toy.add_timer(0, 0, &timer, |_| pass(2 * MS));
    edge.toy.post(&post, |_| pass(2 * MS));
    while fd.calls() < 3 || timer.drops() == 0 || post.drops() == 0 {
        edge.turn();
    }
    edge.end();
}

#[test]
fn edge_after_a_budget_spent_in_drops() {
    struct Slow;
    impl Drop for Slow {
        fn drop(&mut self) {
            pass(2 * MS);
        }
    }
    let _alone = alone();
    let (edge, pipe, fd) = (Edge::start(), Channel::new(), Probe::new());
    let held = Some(Slow);
    let id = edge.toy.handle().timer_add(FOREVER, 0, move |_, _, _| assert!(held.is_some())).unwrap();
    edge.toy.add_fd(pipe.input(), READABLE, &fd, pipe.reader());
    pipe.write(2);
    edge.toy.handle().close(id).unwrap();
    while fd.calls() < 2 {
        edge.turn();
    }
    edge.end();
}

#[test]
fn edge_after_a_panic() {
    let _alone = alone();
    let (edge, pipe, fd) = (Edge::start(), Channel::new(), Rc::new(Cell::new(0)));
    let (seen, calls) = (pipe.clone(), fd.clone());
    *edge.toy.instead.borrow_mut() = Some(Rc::new(|guest, token| {
        let deliver = std::panic::AssertUnwindSafe(|| guest.deliver(token));
        std::panic::catch_unwind(deliver).unwrap_or(Ok(()))
    }));
    let read = move |_: &Handle, _: Id, _: u32| {
        seen.read_one();
        calls.set(calls.get() + 1);
        assert_ne!(calls.get(), 1, "expected by this test");
    };
    edge.toy.handle().fd_add(pipe.input(), READABLE, read).unwrap();
    pipe.write(2);
    while fd.get() < 2 {
        edge.turn();
    }
    edge.end();
}

#[test]
fn edge_is_made_for_a_host_that_needs_one_alone() {
    let _alone = alone();
    for level_triggered in [false, true] {
        let toy = Toy::with(Options { pull: true, level_triggered, ..options(Drive::Fd) });
        let (edge, pipe, fd) = (Edge::around(toy), Channel::new(), Probe::new());
        edge.toy.add_fd(pipe.input(), READABLE, &fd, nothing);
        pipe.write(1);
        let guest = edge.toy.guest();
        for comes in [true, !level_triggered] {
            assert_eq!(edge.comes(2_000 * i32::from(comes)), comes);
            assert!(poll_fds(&[guest.fd().unwrap()], 0)[0]);
            guest.batch_begin(0).unwrap();
            guest.batch_next(8, |event| assert_eq!(event.kind, Kind::Fd)).unwrap();
            guest.batch_end().unwrap();
        }
        drop(guest);
        edge.toy.shut_down();
    }
}
