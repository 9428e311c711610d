//! Hazard: the ends of streams. Closed inside its own callback, written to too late, peers that go, guests that end with writes
//! queued: each write that was accepted is told exactly once.
#![cfg(unix)] // there are no streams elsewhere yet

use super::wire::*;
use crate::common::*;

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;

const MUCH: &[u8] = &[7; 1 << 20];

fn close_inside(handle: &Handle, id: Id, log: &Log) {
    handle.close(id).unwrap();
    assert!(!handle.is_open(id));
    assert_eq!(refused(handle.close(id)), Status::STALE);
    assert_eq!(refused(handle.stream_write(id, b"x", None)), Status::STALE);
    assert!(!log.has("dropped"), "not before the callback has returned");
}

fn closed_at(toy: &Rc<Toy>, what: &'static str) {
    let (log, handle) = (Log::new(), toy.handle());
    let ((ours, mut peer), (_answers, address)) = (UnixStream::pair().unwrap(), listener(5));
    peer.set_nonblocking(true).unwrap();
    peer.write_all(b"x").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let seen = log.clone();
    let told = log.events(move |handle, id, _| {
        if seen.told.borrow().last() == Some(&what) {
            close_inside(handle, id, &seen);
        }
    });
    let id = match what {
        "opened" => handle.stream_connect_to(&[address], no_option(), told),
        _ => handle.stream_adopt(ours.into_raw_fd(), no_option(), told),
    };
    let id = id.unwrap();
    if what == "written" {
        let (handle, seen) = (handle.clone(), log.clone());
        let closes = Written::new(move |_| close_inside(&handle, id, &seen));
        toy.handle().stream_write(id, b"", Some(closes)).unwrap();
    }
    for _ in 0..3 {
        handle.stream_write(id, MUCH, log.written()).unwrap();
    }
    handle.stream_shutdown(id).unwrap();
    let peer = RefCell::new(peer);
    until(toy, || {
        take(&mut peer.borrow_mut(), &mut Vec::new());
        log.has("dropped")
    });
    let told = log.told.borrow();
    assert!(what == "written" || told[told.len() - 2..] == [what, "dropped"], "{what}: {told:?}");
    assert_eq!(log.written.borrow().len(), 3, "{what}");
}

#[test]
fn stream_closed_in_its_own_callback() {
    in_each_drive(|toy| {
        for what in ["opened", "data", "end", "high", "low", "closed", "written"] {
            closed_at(toy, what);
        }
    });
}

fn reset(peer: TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let (value, size) = ((&raw const linger).cast(), std::mem::size_of_val(&linger) as u32);
    // SAFETY: `linger` is readable for its whole size.
    must(unsafe { libc::setsockopt(peer.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, size) });
}

#[test]
fn stream_reset_in_mid_write() {
    in_each_drive(|toy| {
        let log = Log::new();
        let (id, peer) = connected(toy, no_option(), &log);
        for _ in 0..20 {
            toy.handle().stream_write(id, MUCH, log.written()).unwrap();
        }
        until(toy, || log.has("high"));
        let info = toy.handle().stream_info(id).unwrap();
        assert!(info.queued > 0 && info.sent > 0 && info.queued + info.sent == 20 << 20, "{info:?}");
        reset(peer);
        until(toy, || log.has("dropped"));
        let outcome = log.outcome.get().unwrap();
        assert_eq!(outcome.status, Status::OS);
        assert!([libc::ECONNRESET, libc::EPIPE].contains(&outcome.os_error), "{outcome:?}");
        let written = log.written.borrow();
        assert!(written.len() == 20 && written.last() == Some(&Status::OS), "{written:?}");
        assert!(log.has("low"), "nothing is queued any more");
    });
}

/// What the peer has sent before it went can still be read, also by who has paused.
#[test]
fn stream_broken_for_writing_can_be_read() {
    in_each_drive(|toy| {
        let log = Log::new();
        let (id, mut peer) = pair(toy, StreamOptions { paused: true, ..no_option() }, &log);
        peer.write_all(b"answer").unwrap();
        drop(peer);
        toy.handle().stream_write(id, b"question", log.written()).unwrap();
        until(toy, || *log.written.borrow() == [Status::OS]);
        assert_eq!(refused(toy.handle().stream_write(id, b"late", log.written())), Status::CLOSED);
        settle(toy);
        assert!(log.told.borrow().is_empty(), "it has paused");
        toy.handle().stream_resume(id).unwrap();
        until(toy, || log.has("dropped"));
        assert_eq!(*log.told.borrow(), ["data", "end", "closed", "dropped"]);
        assert_eq!(*log.bytes.borrow(), b"answer");
        let broken = Outcome { status: Status::OS, os_error: libc::EPIPE };
        assert_eq!((log.outcome.get(), log.written.borrow().len()), (Some(broken), 1));
    });
}

#[test]
fn stream_written_to_after_its_end() {
    in_each_drive(|toy| {
        type End = fn(&Handle, Id) -> Result<()>;
        let ends: [(End, Status); 3] = [
            (Handle::stream_shutdown, Status::ORDER),
            (Handle::stream_close, Status::ORDER),
            (Handle::close, Status::STALE),
        ];
        for (end, status) in ends {
            let (log, mut came, handle) = (Log::new(), Vec::new(), toy.handle());
            let (id, mut peer) = pair(toy, no_option(), &log);
            handle.stream_write(id, b"in time", log.written()).unwrap();
            end(&handle, id).unwrap();
            assert_eq!(refused(handle.stream_write(id, b"late", log.written())), status);
            until(toy, || log.written.borrow().len() == 1);
            take(&mut peer, &mut came);
            assert_eq!(came, b"in time");
            drop(peer);
            until(toy, || log.has("dropped"));
            assert_eq!((log.written.borrow().len(), log.has("closed")), (1, status == Status::ORDER));
        }
    });
}

/// Each direction ends by itself, whichever is first.
#[test]
fn stream_half_closed() {
    in_each_drive(|toy| {
        for ours_first in [true, false] {
            let (log, came, handle) = (Log::new(), RefCell::new(Vec::new()), toy.handle());
            let (id, peer) = pair(toy, no_option(), &log);
            let peer = RefCell::new(peer);
            let ours = || {
                handle.stream_write(id, MUCH, None).unwrap();
                handle.stream_shutdown(id).unwrap();
                until(toy, || {
                    take(&mut peer.borrow_mut(), &mut came.borrow_mut());
                    came.borrow().len() == MUCH.len()
                });
            };
            let theirs = || {
                peer.borrow_mut().write_all(b"theirs").unwrap();
                peer.borrow().shutdown(Shutdown::Write).unwrap();
                until(toy, || log.has("end"));
            };
            let halves: [&dyn Fn(); 2] = if ours_first { [&ours, &theirs] } else { [&theirs, &ours] };
            halves[0]();
            settle(toy);
            assert!(!log.has("closed"));
            halves[1]();
            until(toy, || log.has("dropped"));
            assert_eq!(
                (log.outcome.get(), &log.bytes.borrow()[..]),
                (Some(Outcome::default()), &b"theirs"[..])
            );
        }
    });
}

/// [`Handle::stream_close`] waits for a peer that takes nothing; [`Handle::close`] does not.
#[test]
fn stream_aborted_while_its_end_waits() {
    in_each_drive(|toy| {
        let log = Log::new();
        let (id, mut peer) = pair(toy, no_option(), &log);
        for bytes in [MUCH, b"x"] {
            toy.handle().stream_write(id, bytes, log.written()).unwrap();
        }
        toy.handle().stream_close(id).unwrap();
        toy.handle().stream_close(id).unwrap();
        settle(toy);
        assert!(log.has("high") && log.written.borrow().is_empty() && toy.handle().is_open(id));
        peer.write_all(b"is not read any more").unwrap();
        settle(toy);
        toy.handle().close(id).unwrap();
        until(toy, || log.has("dropped"));
        assert_eq!((&log.written.borrow()[..], log.has("closed")), (&[Status::CLOSED; 2][..], false));
        assert_eq!(log.bytes.borrow().len(), 0);
    });
}

#[test]
fn stream_of_a_guest_that_ends_with_writes_queued() {
    for drive in [Drive::Thread, Drive::Fd, Drive::Run] {
        let ends: [fn(&Toy); 4] = [Toy::end, Toy::free, Toy::shut_down, |_| ()];
        for (n, end) in ends.into_iter().enumerate() {
            let _alone = alone();
            let (toy, log) = (Toy::start(drive), Log::new());
            let (ours, peer) = UnixStream::pair().unwrap();
            let freed = toy.clone();
            let told = log.events(move |_, _, event| {
                if n == 3 && matches!(event, StreamEvent::High(_)) {
                    freed.free();
                }
            });
            let id = toy.handle().stream_adopt(ours.into_raw_fd(), no_option(), told).unwrap();
            for _ in 0..3 {
                toy.handle().stream_write(id, MUCH, log.written()).unwrap();
            }
            until(&toy, || log.has("high"));
            end(&toy);
            assert_eq!(*log.told.borrow(), ["high", "dropped"], "{drive:?}, {n}");
            assert_eq!(*log.written.borrow(), [Status::CLOSED; 3], "{drive:?}, {n}");
            drop(peer);
        }
    }
}

#[test]
fn stream_end_of_a_write_that_is_dropped_is_told() {
    let log = Log::new();
    drop(log.written());
    assert_eq!(*log.written.borrow(), [Status::CLOSED]);
}

/// What has come waits, and so does the end.
#[test]
fn stream_paused_while_data_waits() {
    in_each_drive(|toy| {
        let log = Log::new();
        let (id, mut peer) = pair(toy, StreamOptions { paused: true, ..no_option() }, &log);
        peer.write_all(b"early ").unwrap();
        settle(toy);
        assert!(log.told.borrow().is_empty());
        toy.handle().stream_resume(id).unwrap();
        until(toy, || log.has("data"));
        toy.handle().stream_pause(id).unwrap();
        toy.handle().stream_pause(id).unwrap();
        peer.write_all(b"late").unwrap();
        drop(peer);
        settle(toy);
        assert_eq!((&log.told.borrow()[..], &log.bytes.borrow()[..]), (&["data"][..], &b"early "[..]));
        assert_eq!(toy.handle().stream_info(id).unwrap().received, 6);
        toy.handle().stream_resume(id).unwrap();
        until(toy, || log.has("end"));
        assert_eq!(*log.bytes.borrow(), b"early late");
    });
}

#[test]
fn stream_water_is_told_at_its_marks() {
    in_each_drive(|toy| {
        let (log, marks) = (Log::new(), Rc::new(RefCell::new(Vec::new())));
        let (ours, mut peer) = UnixStream::pair().unwrap();
        peer.set_nonblocking(true).unwrap();
        let seen = marks.clone();
        let told = log.events(move |_, _, event| match event {
            StreamEvent::High(queued) => seen.borrow_mut().push((true, *queued > 1000)),
            StreamEvent::Low(queued) => seen.borrow_mut().push((false, *queued <= 100)),
            _ => {}
        });
        let options = StreamOptions { high_water: 1000, low_water: 100, ..no_option() };
        let id = toy.handle().stream_adopt(ours.into_raw_fd(), options, told).unwrap();
        toy.handle().stream_write(id, b"little", None).unwrap();
        settle(toy);
        assert!(marks.borrow().is_empty());
        for n in [1, 2] {
            toy.handle().stream_write(id, MUCH, log.written()).unwrap();
            toy.handle().stream_write(id, MUCH, log.written()).unwrap();
            settle(toy);
            assert_eq!(marks.borrow().len(), 2 * n - 1);
            let peer = RefCell::new(&mut peer);
            until(toy, || {
                take(&mut peer.borrow_mut(), &mut Vec::new());
                log.written.borrow().len() == 2 * n
            });
            until(toy, || marks.borrow().len() == 2 * n);
        }
        assert_eq!(*marks.borrow(), [(true, true), (false, true), (true, true), (false, true)]);
    });
}
