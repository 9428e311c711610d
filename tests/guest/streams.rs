//! Hazard: streams. Each write is told exactly once whatever ends first, a lot of ends is no more than a delivery may take, and
//! what is read and written comes whole and in order.
#![cfg(unix)] // there are no streams elsewhere yet

use super::wire::*;
use crate::common::*;

use std::io::Write;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;

fn echo(drive: Drive) {
    let _alone = alone();
    let toy = Toy::start(drive);
    let (server, client) = (Log::new(), Log::new());
    let accepted = server.clone();
    let offer = move |handle: &Handle, listener: Id, outcome: Outcome| {
        assert_eq!(outcome.status, Status::OK);
        let back = accepted.events(|handle, id, event| match event {
            StreamEvent::Data(bytes) => handle.stream_write(id, bytes, None).unwrap(),
            StreamEvent::End => handle.stream_shutdown(id).unwrap(),
            _ => {}
        });
        handle.stream_accept(listener, StreamOptions::default(), back).unwrap();
        let twice = handle.stream_accept(listener, StreamOptions::default(), |_, _, _| {});
        assert_eq!(refused(twice), Status::ORDER);
    };
    let here = Query { socktype: 0, ..query(Some("127.0.0.1"), None) };
    let listener = toy.handle().listener_tcp(here, ListenerOptions::default(), offer).unwrap();
    let local = toy.handle().listener_info(listener).unwrap().local.unwrap();

    let bytes = numbers(700_000);
    let options = StreamOptions { no_delay: true, ..StreamOptions::default() };
    let id = toy.handle().stream_connect_to(&[local], options, client.events(silent)).unwrap();
    toy.handle().stream_write(id, &bytes, client.written()).unwrap();
    toy.handle().stream_shutdown(id).unwrap();
    toy.run_until(|| client.has("dropped") && server.has("dropped"));
    assert!(*client.bytes.borrow() == bytes, "{} bytes came back", client.bytes.borrow().len());
    assert_eq!(*client.written.borrow(), [Status::OK]);
    for log in [&client, &server] {
        assert_eq!(log.outcome.get().unwrap().status, Status::OK);
        assert_eq!(log.told.borrow()[log.told.borrow().len() - 2..], ["closed", "dropped"]);
    }
    let place = |what: &str| client.told.borrow().iter().position(|told| *told == what);
    assert!(place("high") < place("opened") && place("opened") < place("data"), "{:?}", client.told.borrow());
    toy.end();
}

#[test]
fn stream_echo_thread() {
    echo(Drive::Thread);
}

#[test]
fn stream_echo_fd() {
    echo(Drive::Fd);
}

#[test]
fn stream_of_many_small_writes() {
    let _alone = alone();
    let (toy, log) = (Toy::start(Drive::Thread), Log::new());
    let (id, mut peer) = pair(&toy, StreamOptions::default(), &log);
    let (bytes, mut came) = (numbers(300_000), Vec::new());
    for chunk in bytes.chunks(17) {
        toy.handle().stream_write(id, chunk, log.written()).unwrap();
    }
    while came.len() < bytes.len() {
        take(&mut peer, &mut came);
        toy.run_for(MS);
    }
    toy.run_until(|| log.written.borrow().len() == bytes.chunks(17).count());
    assert!(came == bytes && log.written.borrow().iter().all(|status| *status == Status::OK));
    toy.end();
    assert!(log.has("dropped"));
}

/// The silent address has its quarter of a second, by the guest's clock; the next one has its turn then, and not before.
#[test]
fn stream_gives_each_address_its_start() {
    let _alone = alone();
    let (options, clock) = manual(Drive::Fd);
    let (toy, log) = (Toy::with(options), Log::new());
    let (_listener, _filler, silent_address) = silent_listener();
    let (answers, address) = listener(5);
    let addresses = [silent_address, address];
    toy.handle().stream_connect_to(&addresses, StreamOptions::default(), log.events(silent)).unwrap();
    toy.deliver(0);
    clock.advance(249 * MS);
    toy.deliver(0);
    assert_eq!(answers.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    clock.advance(MS);
    toy.deliver(0);
    answers.accept().unwrap();
    toy.run_until(|| log.has("opened"));
    toy.end();
}

/// In a nested loop come the stream's own event, which is told once, and its timer, which is told again: the former stands, else
/// the stream waits for it for ever.
fn nested_events(timer_first: bool) {
    let _alone = alone();
    let (options, clock) = manual(Drive::Fd);
    let (toy, log) = (Toy::with(options), Log::new());
    let silent_ones = [silent_listener(), silent_listener()];
    let (_answers, address) = listener(5);
    let addresses = [silent_ones[0].2, silent_ones[1].2, address];
    let ends = log.clone();
    let told = log.events(move |handle, id, event| {
        if let StreamEvent::Opened = event {
            handle.stream_write(id, b"", ends.written()).unwrap();
        }
    });
    let id = toy.handle().stream_connect_to(&addresses, StreamOptions::default(), told).unwrap();
    let time = clock.clone();
    // The second address is due when the first end was told, so that its timer comes before the second end's event.
    let first = Written::new(move |_| time.advance(260 * MS));
    toy.handle().stream_write(id, b"", Some(first)).unwrap();
    let (nested, time) = (toy.clone(), clock.clone());
    let second = Written::new(move |_| {
        if !timer_first {
            nested.deliver(0);
        }
        time.advance(260 * MS);
        nested.deliver(0);
    });
    toy.handle().stream_write(id, b"", Some(second)).unwrap();
    toy.run_until(|| log.has("opened") && !log.written.borrow().is_empty());
    assert_eq!(*log.written.borrow(), [Status::OK]);
    toy.end();
}

#[test]
fn stream_events_of_its_own_and_its_timer_in_a_nested_loop() {
    nested_events(true);
    nested_events(false);
}

/// 1000 ends of a millisecond each: with a budget of 4 ms the host has its turn many times.
#[test]
fn stream_ends_of_many_writes_are_bounded() {
    let _alone = alone();
    let (options, clock) = manual(Drive::Fd);
    let (toy, log) = (Toy::with(options), Log::new());
    let (id, _peer) = pair(&toy, StreamOptions::default(), &log);
    toy.handle().stream_write(id, &numbers(1 << 20), None).unwrap();
    let (told, in_turn) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    for n in 0..1000 {
        let (told, in_turn, clock) = (told.clone(), in_turn.clone(), clock.clone());
        let end = move |outcome: Outcome| {
            assert_eq!((outcome.status, told.replace(n + 1)), (Status::CLOSED, n));
            assert!(in_turn.replace(in_turn.get() + 1) < 5, "4 ms of a millisecond each");
            clock.advance(MS);
        };
        toy.handle().stream_write(id, b"x", Some(Written::new(end))).unwrap();
    }
    let counted = in_turn.clone();
    *toy.instead.borrow_mut() = Some(Rc::new(move |guest, token| {
        counted.set(0);
        guest.deliver(token)
    }));
    toy.handle().close(id).unwrap();
    toy.run_until(|| log.has("dropped"));
    assert_eq!(told.get(), 1000);
    toy.end();
}

/// The first end forks: those after it are the parent's.
#[test]
fn stream_end_of_a_write_that_forks() {
    let _alone = alone();
    let (toy, log) = (Toy::start(Drive::Fd), Log::new());
    let (id, _peer) = pair(&toy, StreamOptions::default(), &log);
    let told = Rc::new(Cell::new(0));
    let (first, in_child) = (told.clone(), Rc::new(Cell::new(0)));
    let child = in_child.clone();
    toy.handle().stream_write(id, &numbers(1 << 20), None).unwrap();
    let forks = Written::new(move |_| {
        // SAFETY: the child does nothing but return from here and exit, below.
        child.set(must(unsafe { libc::fork() }));
        first.set(first.get() + 1);
    });
    toy.handle().stream_write(id, b"x", Some(forks)).unwrap();
    let second = told.clone();
    toy.handle().stream_write(id, b"x", Some(Written::new(move |_| second.set(second.get() + 10)))).unwrap();
    toy.handle().close(id).unwrap();
    let delivered = toy.guest().deliver(0);
    if in_child.get() == 0 {
        let as_it_should = told.get() == 1 && delivered.is_err_and(|e| e.status == Status::FORKED);
        // SAFETY: ends this process.
        unsafe { libc::_exit(i32::from(!as_it_should)) };
    }
    assert_eq!(wait_for(in_child.get()), Some(0), "the child has told what is its parent's");
    toy.run_until(|| log.has("dropped"));
    assert_eq!(told.get(), 11);
    toy.end();
}

#[test]
fn stream_refused_write_is_not_told() {
    let _alone = alone();
    let (toy, log) = (Toy::start(Drive::Thread), Log::new());
    let (id, mut peer) = pair(&toy, StreamOptions { reads: false, ..StreamOptions::default() }, &log);
    peer.write_all(b"nobody reads this").unwrap();
    toy.handle().stream_shutdown(id).unwrap();
    assert_eq!(refused(toy.handle().stream_write(id, b"x", log.written())), Status::ORDER);
    toy.run_until(|| log.has("dropped"));
    assert_eq!(refused(toy.handle().stream_write(id, b"x", log.written())), Status::STALE);
    assert!(log.written.borrow().is_empty());
    assert_eq!(log.outcome.get().unwrap().status, Status::OK, "it is never read, so that this was all");
    let options = StreamOptions { low_water: 2, high_water: 1, ..StreamOptions::default() };
    let socket = UnixStream::pair().unwrap().0;
    let adopted = toy.handle().stream_adopt(socket.as_raw_fd(), options, |_, _, _| {});
    assert_eq!(refused(adopted), Status::INVAL);
    assert!(socket.peer_addr().is_ok(), "it is still its owner's");
    toy.end();
}

/// Reading that is resumed again and again, by a stream that a saturated guest has beside another.
#[test]
fn stream_paused_while_its_peer_writes() {
    let _alone = alone();
    let (toy, log) = (Toy::start(Drive::Thread), Log::new());
    let (ours, mut peer) = UnixStream::pair().unwrap();
    peer.set_nonblocking(true).unwrap();
    let pause = log.events(|handle, id, event| {
        if matches!(event, StreamEvent::Data(_)) {
            handle.stream_pause(id).unwrap();
        }
    });
    let id = toy.handle().stream_adopt(ours.into_raw_fd(), StreamOptions::default(), pause).unwrap();
    let bytes = numbers(2_000_000);
    let mut sent = 0;
    while sent < bytes.len() {
        sent += peer.write(&bytes[sent..]).unwrap_or(0);
        toy.run_for(MS / 10);
        toy.handle().stream_resume(id).unwrap();
    }
    drop(peer);
    while !log.has("end") {
        toy.handle().stream_resume(id).unwrap();
        toy.run_for(MS / 10);
    }
    assert!(*log.bytes.borrow() == bytes);
    assert_eq!(toy.handle().stream_info(id).unwrap().received, bytes.len() as u64);
    toy.end();
}

/// The end of each write begins the next one, and each ends at once.
fn endless(handle: Handle, id: Id) -> Written {
    Written::new(move |outcome| {
        if outcome.status == Status::OK {
            let next = endless(handle.clone(), id);
            handle.stream_write(id, b"", Some(next)).unwrap();
        }
    })
}

#[test]
fn stream_that_always_has_more_to_tell_leaves_others_their_turn() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd] {
        let (toy, log, pipe, probe) = (Toy::start(drive), Log::new(), Channel::new(), Probe::new());
        let (id, _peer) = pair(&toy, StreamOptions::default(), &log);
        toy.handle().stream_write(id, b"", Some(endless(toy.handle(), id))).unwrap();
        toy.run_for(MS);
        toy.add_fd(pipe.input(), READABLE, &probe, pipe.reader());
        for n in 1..10 {
            pipe.write(1);
            toy.run_until(|| probe.calls() == n);
        }
        toy.end();
    }
}
