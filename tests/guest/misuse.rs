//! Hazard: every function of streams, listeners and UDP sockets where it has no place: with an id of another kind or none any
//! more, in a guest of the pull form, of one that was cancelled, in a forked child, on another thread. It says so and does nothing.
#![cfg(unix)] // there are no sockets of the guest's elsewhere yet

use super::wire::*;
use crate::common::*;

use std::fs::File;
use std::os::fd::AsRawFd;

/// A stream, a listener and a UDP socket.
type Ids = [Id; 3];

fn status<T>(result: Result<T>) -> Status {
    result.map_or_else(|error| error.status, |_| Status::OK)
}

fn makes(handle: &Handle, [_, listener, _]: Ids) -> Vec<Status> {
    let (at, options) = (query(Some("127.0.0.1"), None), ListenerOptions::default());
    let made = [
        handle.stream_connect(at.clone(), no_option(), |_, _, _| {}),
        handle.stream_connect_to(&[], no_option(), |_, _, _| {}),
        handle.stream_connect_unix(c"", no_option(), |_, _, _| {}),
        handle.stream_adopt(NO_FD, no_option(), |_, _, _| {}),
        handle.stream_accept(listener, no_option(), |_, _, _| {}),
        handle.listener_tcp(at.clone(), options, |_, _, _| {}),
        handle.listener_unix(c"", options, |_, _, _| {}),
        handle.listener_adopt(NO_FD, |_, _, _| {}),
        handle.udp_bind(at, UdpOptions::default(), |_, _, _| {}),
        handle.udp_adopt(NO_FD, |_, _, _| {}),
    ];
    made.into_iter().map(status).collect()
}

fn changes(handle: &Handle, [stream, listener, udp]: Ids) -> Vec<Status> {
    let written = Written::new(|_| panic!("it was refused"));
    let changed = [
        handle.stream_write(stream, b"x", Some(written)),
        handle.stream_pause(stream),
        handle.stream_resume(stream),
        handle.stream_shutdown(stream),
        handle.stream_close(stream),
        handle.listener_pause(listener),
        handle.listener_resume(listener),
        handle.udp_send(udp, None, b"x"),
    ];
    changed.into_iter().map(status).collect()
}

fn looks(handle: &Handle, [stream, listener, udp]: Ids) -> Vec<Status> {
    let seen = [status(handle.stream_info(stream)), status(handle.listener_info(listener))];
    [&seen[..], &[status(handle.udp_info(udp))]].concat()
}

#[track_caller]
fn all_are(statuses: &[Status], status: Status) {
    assert!(statuses.iter().all(|each| *each == status), "{status}: {statuses:?}");
}

fn open(toy: &Rc<Toy>, log: &Rc<Log>) -> (Ids, std::os::unix::net::UnixStream) {
    let (handle, at) = (toy.handle(), query(Some("127.0.0.1"), None));
    let (stream, peer) = pair(toy, no_option(), log);
    let listener = handle.listener_tcp(at.clone(), ListenerOptions::default(), |_, _, _| {}).unwrap();
    let udp = handle.udp_bind(at, UdpOptions::default(), |_, _, _| {}).unwrap();
    ([stream, listener, udp], peer)
}

#[test]
fn misuse_of_ids() {
    in_each_drive(|toy| {
        let (handle, log) = (toy.handle(), Log::new());
        let ([stream, listener, udp], _peer) = open(toy, &log);
        let timer = toy.add_timer(FOREVER, 0, &Probe::new(), nothing);
        let closed = toy.add_timer(FOREVER, 0, &Probe::new(), nothing);
        handle.close(closed).unwrap();
        for ids in [[udp, stream, listener], [listener, udp, stream], [timer; 3], [closed; 3]] {
            all_are(&changes(&handle, ids), Status::STALE);
            all_are(&looks(&handle, ids), Status::STALE);
            all_are(&makes(&handle, ids)[4..5], Status::STALE);
        }
        all_are(&looks(&handle, [stream, listener, udp]), Status::OK);
        assert!(log.told.borrow().is_empty());
    });
}

#[test]
fn misuse_of_a_pull_guest() {
    for drive in [Drive::Thread, Drive::Fd, Drive::Run] {
        let _alone = alone();
        let toy = Toy::with(pull(drive));
        let timer = toy.add_timer(FOREVER, 0, &Probe::new(), nothing);
        all_are(&makes(&toy.handle(), [timer; 3]), Status::DRIVE);
        assert_eq!(toy.stats().live_sources, 1);
        toy.shut_down();
    }
}

#[test]
fn misuse_of_a_cancelled_guest() {
    in_each_drive(|toy| {
        let (handle, log) = (toy.handle(), Log::new());
        let (ids, _peer) = open(toy, &log);
        toy.poster.cancel();
        all_are(&makes(&handle, ids), Status::CLOSED);
        all_are(&changes(&handle, ids), Status::CLOSED);
        all_are(&looks(&handle, ids), Status::OK);
    });
}

/// The child gives its copies of all sockets back, and tells nobody anything.
#[test]
fn misuse_in_a_forked_child() {
    in_each_drive(|toy| {
        let (handle, log, (_listener, _filler, address)) = (toy.handle(), Log::new(), silent_listener());
        let (ids, mut peer) = open(toy, &log);
        // The number that the attempt gets: the lowest that is free.
        let trying = File::open("/dev/null").unwrap().as_raw_fd();
        handle.stream_connect_to(&[address], no_option(), |_, _, _| {}).unwrap();
        settle(toy);
        handle.stream_write(ids[0], &numbers(1 << 20), log.written()).unwrap();
        let fds = [
            handle.stream_info(ids[0]).unwrap().fd.unwrap(),
            handle.listener_info(ids[1]).unwrap().fd,
            handle.udp_info(ids[2]).unwrap().fd,
            trying,
        ];
        assert!(!fds.into_iter().any(is_closed));
        in_fork(|| {
            all_are(&makes(&handle, ids), Status::FORKED);
            all_are(&changes(&handle, ids), Status::FORKED);
            all_are(&looks(&handle, ids), Status::FORKED);
            toy.free();
            assert!(fds.into_iter().all(is_closed));
            assert!(log.told.borrow().is_empty() && log.written.borrow().is_empty());
        });
        let (came, peer) = (RefCell::new(Vec::new()), RefCell::new(&mut peer));
        until(toy, || {
            take(&mut peer.borrow_mut(), &mut came.borrow_mut());
            came.borrow().len() == 1 << 20
        });
        until(toy, || *log.written.borrow() == [Status::OK]);
    });
}

/// What belongs on the host thread stays there: this compiles only as long as it is not `Send`, and what is for every thread is.
#[test]
fn misuse_on_another_thread_does_not_compile() {
    trait Unless<Send> {
        fn is_send() -> bool {
            false
        }
    }
    impl<T> Unless<()> for T {}
    impl<T: Send> Unless<u8> for T {}
    // Ambiguous, if there were two.
    assert!(!Guest::is_send() && !Handle::is_send() && !Written::is_send());
    fn any_thread<T: Send + Sync + 'static>() {}
    any_thread::<Poster>();
}
