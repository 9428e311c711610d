//! Hazard: listeners. Nobody takes the connection, it is closed or paused with peers that wait, its address is taken.
#![cfg(unix)] // there are no listeners elsewhere yet

use super::wire::*;
use crate::common::*;

use std::ffi::CString;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;

/// A listener's callback, counted by its log as "data", its drop as "dropped".
fn offers(log: &Rc<Log>, mut act: impl FnMut(&Handle, Id) + 'static) -> impl FnMut(&Handle, Id, Outcome) {
    let mut events = log.events(move |handle, id, _| act(handle, id));
    move |handle, id, outcome| {
        assert_eq!(outcome, Outcome::default());
        events(handle, id, StreamEvent::Data(b"."));
    }
}

fn offered(log: &Log) -> usize {
    log.bytes.borrow().len()
}

fn here(port: u16) -> Query {
    query(Some("127.0.0.1"), Some(&port.to_string()))
}

fn open(toy: &Rc<Toy>, log: &Rc<Log>, act: impl FnMut(&Handle, Id) + 'static) -> (Id, u16) {
    let id = toy.handle().listener_tcp(here(0), ListenerOptions::default(), offers(log, act)).unwrap();
    (id, port(&toy.handle().listener_info(id).unwrap().local.unwrap()))
}

fn client(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).unwrap()
}

fn accepts(log: &Rc<Log>) -> impl FnMut(&Handle, Id) {
    let log = log.clone();
    move |handle, listener| {
        handle.stream_accept(listener, no_option(), log.events(silent)).unwrap();
    }
}

#[test]
fn listener_connection_that_nobody_takes_is_closed() {
    in_each_drive(|toy| {
        let log = Log::new();
        let (id, port) = open(toy, &log, |_, _| {});
        let peer = client(port);
        peer.set_nonblocking(true).unwrap();
        until(toy, || (&peer).read(&mut [0; 8]).is_ok_and(|count| count == 0));
        let late = toy.handle().stream_accept(id, no_option(), |_, _, _| {});
        assert_eq!(refused(late), Status::ORDER);
        assert_eq!(toy.handle().listener_info(id).unwrap().accepted, 1);
    });
}

/// A refusal leaves the connection with the listener, who can be asked again.
#[test]
fn listener_offers_what_was_refused_again() {
    in_each_drive(|toy| {
        let (log, wire) = (Log::new(), Log::new());
        let mut accept = accepts(&wire);
        let (_, port) = open(toy, &log, move |handle, id| {
            let wrong = StreamOptions { low_water: 2, high_water: 1, ..no_option() };
            assert_eq!(refused(handle.stream_accept(id, wrong, |_, _, _| {})), Status::INVAL);
            accept(handle, id);
        });
        client(port).write_all(b"x").unwrap();
        until(toy, || wire.has("end"));
        assert_eq!(*wire.told.borrow(), ["data", "end"]);
    });
}

#[test]
fn listener_closed_in_its_own_callback() {
    in_each_drive(|toy| {
        let (log, wire) = (Log::new(), Log::new());
        let (mut accept, seen) = (accepts(&wire), log.clone());
        let (_, port) = open(toy, &log, move |handle, id| {
            accept(handle, id);
            handle.close(id).unwrap();
            assert_eq!(refused(handle.stream_accept(id, no_option(), |_, _, _| {})), Status::STALE);
            assert!(!seen.has("dropped"), "not before the callback has returned");
        });
        let (mut first, _second) = (client(port), client(port));
        until(toy, || log.has("dropped"));
        first.write_all(b"goes on").unwrap();
        until(toy, || *wire.bytes.borrow() == b"goes on");
        assert_eq!(offered(&log), 1);
    });
}

/// Peers wait meanwhile; nothing of them is lost.
#[test]
fn listener_paused_while_peers_wait() {
    in_each_drive(|toy| {
        let (log, handle) = (Log::new(), toy.handle());
        let (id, port) = open(toy, &log, |handle, id| handle.listener_pause(id).unwrap());
        handle.listener_resume(id).unwrap();
        let _peers = [client(port), client(port), client(port)];
        for count in 1..=3 {
            until(toy, || offered(&log) == count);
            settle(toy);
            assert_eq!(offered(&log), count, "its callback has paused it");
            handle.listener_resume(id).unwrap();
        }
        handle.listener_pause(id).unwrap();
        let _late = client(port);
        settle(toy);
        handle.close(id).unwrap();
        until(toy, || log.has("dropped"));
        assert_eq!(offered(&log), 3);
    });
}

#[test]
fn listener_in_a_nested_loop() {
    in_each_drive(|toy| {
        let (log, nested) = (Log::new(), toy.clone());
        let seen = log.clone();
        let (_, port) = open(toy, &log, move |_, _| {
            let count = offered(&seen);
            nest(&nested);
            assert_eq!(offered(&seen), count, "its callback is on the stack");
        });
        let _peers = [client(port), client(port)];
        until(toy, || offered(&log) == 2);
        let _late = client(port);
        until(toy, || offered(&log) == 3);
    });
}

/// An address is taken as long as it is listened at, and no longer: whatever its last connections do.
#[test]
fn listener_address_is_free_at_once() {
    in_each_drive(|toy| {
        let (log, wire, handle) = (Log::new(), Log::new(), toy.handle());
        let (id, at) = open(toy, &log, accepts(&wire));
        let peer = client(at);
        until(toy, || offered(&log) == 1);
        let listen = |options| handle.listener_tcp(here(at), options, offers(&log, |_, _| {}));
        let shared = ListenerOptions { reuse_port: true, backlog: 1, ..ListenerOptions::default() };
        assert_eq!(os_error(listen(ListenerOptions::default())), Some(libc::EADDRINUSE));
        assert_eq!(os_error(listen(shared)), Some(libc::EADDRINUSE), "the first one does not share");
        handle.close(id).unwrap();
        let both = [listen(shared).unwrap(), listen(shared).unwrap()];
        assert!(both.iter().all(|id| port(&handle.listener_info(*id).unwrap().local.unwrap()) == at));
        drop(peer);
    });
}

#[test]
fn listener_of_both_families_or_one() {
    let _alone = alone();
    let toy = Toy::start(Drive::Fd);
    for only_v6 in [false, true] {
        let (log, options) = (Log::new(), ListenerOptions { only_v6, ..ListenerOptions::default() });
        let id = toy.handle().listener_tcp(query(None, None), options, offers(&log, |_, _| {})).unwrap();
        let at = port(&toy.handle().listener_info(id).unwrap().local.unwrap());
        let v4 = TcpStream::connect(("127.0.0.1", at)).map_err(|e| e.kind());
        assert_eq!(v4.as_ref().err(), only_v6.then_some(&ErrorKind::ConnectionRefused));
        let _v6 = TcpStream::connect(("::1", at)).unwrap();
        toy.run_until(|| offered(&log) == if only_v6 { 1 } else { 2 });
    }
    toy.end();
}

#[test]
fn listener_unix() {
    in_each_drive(|toy| {
        let (log, wire, handle) = (Log::new(), Log::new(), toy.handle());
        let file = std::env::temp_dir().join(format!("asyncguest-listener-{}", std::process::id()));
        let _ = std::fs::remove_file(&file);
        let path = CString::new(file.to_str().unwrap()).unwrap();
        let listen = |path: &CString| {
            handle.listener_unix(path, ListenerOptions::default(), offers(&log, accepts(&wire)))
        };
        let id = listen(&path).unwrap();
        assert_eq!(handle.listener_info(id).unwrap().local.unwrap().family, libc::AF_UNIX);
        UnixStream::connect(&file).unwrap().write_all(b"x").unwrap();
        until(toy, || *wire.bytes.borrow() == b"x");
        assert_eq!(os_error(listen(&path)), Some(libc::EADDRINUSE));
        handle.close(id).unwrap();
        assert!(file.exists(), "the path stays");
        assert_eq!(refused(listen(&CString::default())), Status::INVAL);
        std::fs::remove_file(&file).unwrap();
    });
}

#[test]
fn listener_adopted() {
    in_each_drive(|toy| {
        let (log, handle) = (Log::new(), toy.handle());
        let (socket, (stream, _other)) =
            (TcpListener::bind("127.0.0.1:0").unwrap(), UnixStream::pair().unwrap());
        let at = socket.local_addr().unwrap();
        let adopt = |fd, log: &Rc<Log>| handle.listener_adopt(fd, offers(log, |_, _| {}));
        assert_eq!(refused(adopt(stream.as_raw_fd(), &Log::new())), Status::INVAL);
        assert_eq!(os_error(adopt(NO_FD, &Log::new())), Some(libc::EBADF));
        let fd = socket.into_raw_fd();
        let id = adopt(fd, &log).unwrap();
        assert_eq!(refused(adopt(fd, &Log::new())), Status::EXIST);
        let _peer = TcpStream::connect(at).unwrap();
        until(toy, || offered(&log) == 1);
        assert_eq!(handle.listener_info(id).unwrap().fd, fd);
        handle.close(id).unwrap();
        settle(toy);
        assert!(is_closed(fd) && !is_closed(stream.as_raw_fd()));
    });
}

#[test]
fn listener_refused() {
    in_each_drive(|toy| {
        let log = Log::new();
        for (node, service) in [(Some("localhost"), "0"), (None, "http")] {
            let at = query(node, Some(service));
            let tried = toy.handle().listener_tcp(at, ListenerOptions::default(), offers(&log, |_, _| {}));
            assert_eq!(refused(tried), Status::INVAL);
        }
        assert_eq!((&log.told.borrow()[..], toy.stats().live_sources), (&["dropped"; 2][..], 0));
    });
}
