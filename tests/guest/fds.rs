//! Hazard: fds. Level-triggered, each condition under its name, dead and doubled registrations.

use crate::common::*;

#[cfg(unix)]
use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    os::unix::net::UnixStream,
};
#[cfg(windows)]
use {std::os::windows::io::AsRawHandle, windows_sys::Win32::Networking::WinSock::WSAENOTSOCK};

fn level_triggered(drive: Drive) {
    let _alone = alone();
    let (toy, pipe, probe) = (Toy::start(drive), Channel::new(), Probe::new());
    let id = toy.add_fd(pipe.input(), READABLE, &probe, pipe.reader());
    pipe.write(2);
    toy.run_until(|| probe.calls() == 2);
    assert_eq!((probe.id.get(), probe.flags.get()), (Some(id), READABLE));
    toy.run_for(3 * MS);
    assert_eq!(probe.calls(), 2);
    toy.end();
}

#[test]
fn fd_level_triggered_partial_read_thread() {
    level_triggered(Drive::Thread);
}

#[test]
fn fd_level_triggered_partial_read_fd() {
    level_triggered(Drive::Fd);
}

#[test]
fn fd_writable() {
    let _alone = alone();
    let (toy, pipe, probe) = (Toy::start(Drive::Thread), Channel::new(), Probe::new());
    pipe.fill();
    let id = toy.add_fd(pipe.output(), WRITABLE, &probe, nothing);
    toy.run_for(5 * MS);
    assert_eq!(probe.calls(), 0, "the pipe is full");
    pipe.drain();
    toy.run_until(|| probe.calls() >= 1);
    assert_eq!(probe.flags.get(), WRITABLE);
    toy.handle().close(id).unwrap();
    toy.end();
}

/// Registers `fd`, waits for its first event, closes it there; returns its readiness.
#[cfg(unix)]
fn first_event(toy: &Toy, fd: OsFd, events: u32) -> u32 {
    let probe = Probe::new();
    let watched = probe.clone();
    toy.add_fd(fd, events, &probe, move |handle| handle.close(watched.id.get().unwrap()).unwrap());
    toy.run_until(|| probe.drops() == 1);
    assert_eq!(probe.calls(), 1);
    probe.flags.get()
}

#[cfg(unix)] // a TCP connection that is closed is readable, on Linux too
#[test]
fn fd_hang_up() {
    let _alone = alone();
    let (toy, pipe) = (Toy::start(Drive::Thread), Channel::new());
    pipe.close_output();
    assert_ne!(first_event(&toy, pipe.input(), READABLE) & GUEST_HANGUP, 0);
    toy.end();
}

#[cfg(unix)] // Windows has no socket pairs
#[test]
fn fd_hang_up_of_a_socket() {
    let _alone = alone();
    let (toy, (mut ours, theirs)) = (Toy::start(Drive::Fd), UnixStream::pair().unwrap());
    ours.write_all(b"x").unwrap();
    drop(ours);
    let ready = first_event(&toy, theirs.as_raw_fd(), READABLE);
    assert_eq!(ready, READABLE | GUEST_HANGUP, "what was sent can still be read");
    toy.end();
}

#[cfg(unix)] // a TCP connection that is closed is writable, on Linux too
#[test]
fn fd_error() {
    let _alone = alone();
    let (toy, pipe) = (Toy::start(Drive::Thread), Channel::new());
    pipe.close_input(); // a write would fail with EPIPE now
    let ready = first_event(&toy, pipe.output(), WRITABLE);
    assert_ne!(ready & asyncguest::ffi::types::GUEST_ERROR, 0);
    toy.end();
}

#[cfg(unix)] // sends by libc
#[test]
fn fd_priority() {
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let send = |flags| {
        // SAFETY: one byte, which outlives the call.
        assert_eq!(unsafe { libc::send(client.as_raw_fd(), b"x".as_ptr().cast(), 1, flags) }, 1);
    };
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::new());
    let watched = probe.clone();
    toy.add_fd(server.as_raw_fd(), GUEST_PRIORITY, &probe, move |handle| {
        handle.close(watched.id.get().unwrap()).unwrap();
    });
    send(0);
    toy.run_for(3 * MS);
    assert_eq!(probe.calls(), 0, "ordinary data is not urgent");
    send(libc::MSG_OOB);
    toy.run_until(|| probe.drops() == 1);
    assert_eq!(probe.flags.get(), GUEST_PRIORITY);
    toy.end();
}

/// A registration that fails drops its callback at once, and says which system call refused.
#[track_caller]
fn fd_refusal(toy: &Toy, fd: OsFd) -> (Status, Option<i32>) {
    let probe = Probe::new();
    let error = toy.handle().fd_add(fd, READABLE, probe.fd(nothing)).unwrap_err();
    assert_eq!((probe.calls(), probe.drops()), (0, 1));
    (error.status, error.os_error)
}

#[test]
fn fd_regular_file() {
    let _alone = alone();
    let toy = Toy::start(Drive::Thread);
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    #[cfg(unix)]
    let (fd, refusal) = (file.as_raw_fd(), libc::EPERM);
    #[cfg(windows)]
    let (fd, refusal) = (file.as_raw_handle() as OsFd, WSAENOTSOCK);
    assert_eq!(fd_refusal(&toy, fd), (Status::OS, Some(refusal)));
    toy.end();
}

#[test]
fn fd_refused() {
    let _alone = alone();
    let (toy, pipe, probe) = (Toy::start(Drive::Thread), Channel::new(), Probe::new());
    assert_eq!(fd_refusal(&toy, NO_FD).0, Status::INVAL);
    #[cfg(unix)]
    let refusal = libc::EBADF;
    #[cfg(windows)]
    let refusal = WSAENOTSOCK;
    assert_eq!(fd_refusal(&toy, CLOSED_FD), (Status::OS, Some(refusal)));
    toy.add_fd(pipe.input(), READABLE, &probe, pipe.reader());
    assert_eq!(toy.stats().live_sources, 1, "none of the refusals left a trace");
    pipe.write(1);
    toy.run_until(|| probe.calls() == 1);
    toy.end();
}

#[test]
fn fd_registered_twice() {
    let _alone = alone();
    let (toy, other, pipe) = (Toy::start(Drive::Thread), Toy::start(Drive::Fd), Channel::new());
    let (probe, foreign, again) = (Probe::new(), Probe::new(), Probe::new());
    let id = toy.add_fd(pipe.input(), READABLE, &probe, nothing);
    assert_eq!(fd_refusal(&toy, pipe.input()).0, Status::EXIST);
    other.add_fd(pipe.input(), READABLE, &foreign, nothing); // one per fd and guest
    pipe.write(1);
    toy.run_until(|| probe.calls() > 0);
    other.run_until(|| foreign.calls() > 0);
    toy.handle().fd_modify(id, 0).unwrap();
    assert_eq!(fd_refusal(&toy, pipe.input()).0, Status::EXIST, "a paused one too");
    toy.handle().close(id).unwrap();
    toy.add_fd(pipe.input(), READABLE, &again, nothing); // at once, before the first one is dropped
    toy.run_until(|| again.calls() > 0 && probe.drops() == 1);
    toy.end();
    other.end();
}

#[cfg(unix)] // a socket has one number
#[test]
fn fd_of_another_number_is_another_registration() {
    let _alone = alone();
    let (toy, pipe, probe, twin) = (Toy::start(Drive::Thread), Channel::new(), Probe::new(), Probe::new());
    // SAFETY: a new fd, which nobody else owns.
    let copy = unsafe { OwnedFd::from_raw_fd(must(libc::dup(pipe.input()))) };
    toy.add_fd(pipe.input(), READABLE, &probe, nothing);
    toy.add_fd(copy.as_raw_fd(), READABLE, &twin, nothing);
    pipe.write(1);
    toy.run_until(|| probe.calls() > 0 && twin.calls() > 0);
    toy.end();
}

/// A hung-up fd that nobody wants to hear of must not keep the guest busy.
fn interest_zero(drive: Drive) {
    let _alone = alone();
    let (toy, pipe, probe) = (Toy::start(drive), Channel::new(), Probe::new());
    let watched = probe.clone();
    let id =
        toy.add_fd(pipe.input(), 0, &probe, move |handle| handle.close(watched.id.get().unwrap()).unwrap());
    pipe.write(1);
    pipe.close_output();
    toy.rests(|stats| (stats.batches, stats.io_wakeups));
    assert_eq!(probe.calls(), 0);
    toy.handle().fd_modify(id, READABLE).unwrap();
    toy.run_until(|| probe.drops() == 1);
    assert_ne!(probe.flags.get() & READABLE, 0);
    toy.end();
}

#[test]
fn fd_interest_zero_pauses_thread() {
    interest_zero(Drive::Thread);
}

#[test]
fn fd_interest_zero_pauses_fd() {
    interest_zero(Drive::Fd);
}

#[test]
fn fd_added_while_the_io_thread_waits() {
    let _alone = alone();
    let (toy, pipe, probe) = (Toy::start(Drive::Thread), Channel::new(), Probe::new());
    pipe.write(1);
    toy.await_polling();
    let id = toy.add_fd(pipe.input(), 0, &probe, pipe.reader());
    toy.handle().fd_modify(id, READABLE).unwrap();
    toy.run_until(|| probe.calls() == 1);
    toy.end();
}

/// An fd whose number comes again although its source was not closed.
#[cfg(unix)]
fn number_reused(replaced_at_once: bool) {
    let (toy, first, second) = (Toy::start(Drive::Thread), Channel::new(), Channel::new());
    let (dead, alive) = (Probe::new(), Probe::new());
    let number = first.input();
    let old = toy.add_fd(number, READABLE, &dead, nothing);
    if !replaced_at_once {
        first.close_input();
        toy.run_for(3 * MS);
        let at_number = second.duplicate_input(number);
        renumbered(&toy, number, old, &second, (&dead, &alive));
        drop(at_number);
    } else {
        second.replace_input(&first);
        renumbered(&toy, number, old, &second, (&dead, &alive));
    }
    assert_eq!((dead.drops(), alive.drops()), (1, 1));
}

#[cfg(unix)]
fn renumbered(toy: &Toy, number: OsFd, old: Id, pipe: &Rc<Channel>, (dead, alive): (&P, &P)) {
    let id = toy.add_fd(number, READABLE, alive, pipe.reader());
    assert_ne!(id, old);
    assert!(!toy.handle().is_open(old));
    pipe.write(1);
    toy.run_until(|| alive.calls() == 1 && dead.drops() == 1);
    assert_eq!(dead.calls(), 0);
    toy.end();
}

#[cfg(unix)] // numbers of sockets cannot be chosen: unit test of sys/windows/poller
#[test]
fn fd_closed_without_close_and_number_reused() {
    let _alone = alone();
    number_reused(false);
}

#[cfg(unix)] // Windows has no dup2
#[test]
fn fd_overwritten_by_dup2_and_registered_again() {
    let _alone = alone();
    number_reused(true);
}

#[test]
fn fd_three_hundred_at_once() {
    let _alone = alone();
    let toy = Toy::start(Drive::Thread);
    let add = |_| {
        let (pipe, probe) = (Channel::new(), Probe::new());
        toy.add_fd(pipe.input(), READABLE, &probe, pipe.reader());
        (pipe, probe)
    };
    let all: Vec<_> = (0..300).map(add).collect();
    all.iter().for_each(|(pipe, _)| pipe.write(1));
    toy.run_until(|| all.iter().all(|(_, probe)| probe.calls() == 1));
    toy.end();
    assert!(all.iter().all(|(_, probe)| probe.drops() == 1));
}
