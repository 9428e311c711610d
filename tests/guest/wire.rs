//! What the tests of streams, listeners and UDP sockets share: who writes down what is told, peers, addresses.
#![cfg(unix)] // there are no sockets of the guest's elsewhere yet

use crate::common::*;

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;

/// What is told of one stream, in words.
#[derive(Default)]
pub struct Log {
    pub told: RefCell<Vec<&'static str>>,
    pub bytes: RefCell<Vec<u8>>,
    pub outcome: Cell<Option<Outcome>>,
    /// Statuses of writes, in the order in which they were told.
    pub written: RefCell<Vec<Status>>,
    pub id: Cell<Option<Id>>,
}

impl Log {
    pub fn new() -> Rc<Log> {
        Rc::default()
    }

    pub fn has(&self, what: &str) -> bool {
        self.told.borrow().contains(&what)
    }

    pub fn events(
        self: &Rc<Log>,
        mut act: impl FnMut(&Handle, Id, &StreamEvent) + 'static,
    ) -> impl FnMut(&Handle, Id, StreamEvent<'_>) + 'static {
        let log = self.clone();
        let dropped = OnDrop(log.clone());
        move |handle, id, event| {
            let _ = &dropped;
            assert!(!log.has("closed") && !log.has("dropped"), "after the end");
            log.id.set(Some(id));
            log.told.borrow_mut().push(match event {
                StreamEvent::Opened => "opened",
                StreamEvent::Data(bytes) => {
                    log.bytes.borrow_mut().extend_from_slice(bytes);
                    "data"
                }
                StreamEvent::End => "end",
                StreamEvent::High(_) => "high",
                StreamEvent::Low(_) => "low",
                StreamEvent::Closed(outcome) => {
                    log.outcome.set(Some(outcome));
                    "closed"
                }
            });
            act(handle, id, &event);
        }
    }

    pub fn written(self: &Rc<Log>) -> Option<Written> {
        let log = self.clone();
        Some(Written::new(move |outcome| {
            assert!(!log.has("closed") && !log.has("dropped"), "after the end");
            log.written.borrow_mut().push(outcome.status);
        }))
    }
}

struct OnDrop(Rc<Log>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.told.borrow_mut().push("dropped");
    }
}

pub fn silent(_: &Handle, _: Id, _: &StreamEvent) {}

/// A stream, and its peer, which does not block.
pub fn pair(toy: &Toy, options: StreamOptions, log: &Rc<Log>) -> (Id, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let id = toy.handle().stream_adopt(ours.into_raw_fd(), options, log.events(silent)).unwrap();
    (id, theirs)
}

/// Reads what is there.
pub fn take(peer: &mut UnixStream, into: &mut Vec<u8>) {
    let mut bytes = [0; 65536];
    while let Ok(count @ 1..) = peer.read(&mut bytes) {
        into.extend_from_slice(&bytes[..count]);
    }
}

pub fn numbers(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n * 7 + n / 251) as u8).collect()
}

/// A listener on loopback with so much of a backlog, and its address.
pub fn listener(backlog: i32) -> (TcpListener, Address) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: no memory is involved.
    must(unsafe { libc::listen(listener.as_raw_fd(), backlog) });
    listener.set_nonblocking(true).unwrap();
    let mut bytes = [0; 128];
    bytes[..2].copy_from_slice(&(libc::AF_INET as libc::sa_family_t).to_ne_bytes());
    bytes[2..4].copy_from_slice(&listener.local_addr().unwrap().port().to_be_bytes());
    bytes[4..8].copy_from_slice(&[127, 0, 0, 1]);
    let sockaddr = std::array::from_fn(|n| u64::from_ne_bytes(bytes[n * 8..][..8].try_into().unwrap()));
    let (length, family) = (16, libc::AF_INET);
    (listener, Address { family, socktype: 0, protocol: 0, length, sockaddr })
}

/// One that takes no connection, because one waits already that nobody accepts.
pub fn silent_listener() -> (TcpListener, TcpStream, Address) {
    let (listener, address) = listener(0);
    let filler = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener, filler, address)
}

pub fn in_each_drive(test: impl Fn(&Rc<Toy>)) {
    for drive in [Drive::Thread, Drive::Fd, Drive::Run] {
        let _alone = alone();
        let toy = Toy::start(drive);
        test(&toy);
        toy.end();
    }
}

/// [`Toy::run_until`], also for a guest whose loop is its own.
#[track_caller]
pub fn until(toy: &Rc<Toy>, holds: impl Fn() -> bool) {
    if toy.drive != Drive::Run {
        return toy.run_until(holds);
    }
    let limit = monotonic_ns() + 10 * SECOND;
    while !holds() {
        assert!(monotonic_ns() < limit, "ran in vain for ten seconds");
        assert!(toy.guest().run(MS).map_or_else(|e| e.status, |()| Status::OK) == Status::TIMEDOUT);
    }
}

/// Delivers inside the callback of a source that is ready: a host that waits now is not woken for it again and again.
#[track_caller]
pub fn nest(toy: &Toy) {
    toy.deliver(0);
    toy.deliver(0);
    assert!(toy.drive != Drive::Fd || !poll_fds(&[toy.guest().fd().unwrap()], 0)[0]);
}

/// Whatever is due has been told when this returns.
#[track_caller]
pub fn settle(toy: &Rc<Toy>) {
    for _ in 0..2 {
        let probe = Probe::new();
        toy.add_timer(0, 0, &probe, nothing);
        until(toy, || probe.drops() == 1);
    }
}

/// A TCP stream that has connected, and its peer.
pub fn connected(toy: &Rc<Toy>, options: StreamOptions, log: &Rc<Log>) -> (Id, TcpStream) {
    let (listener, address) = listener(5);
    let id = toy.handle().stream_connect_to(&[address], options, log.events(silent)).unwrap();
    until(toy, || log.has("opened"));
    (id, listener.accept().unwrap().0)
}

pub fn no_option() -> StreamOptions {
    StreamOptions::default()
}

pub fn port(address: &Address) -> u16 {
    let [_, _, high, low, ..] = address.sockaddr[0].to_ne_bytes();
    u16::from_be_bytes([high, low])
}

pub fn is_closed(fd: OsFd) -> bool {
    // SAFETY: no memory is involved.
    unsafe { libc::fcntl(fd, libc::F_GETFD) < 0 }
}

pub fn option(fd: OsFd, level: i32, name: i32) -> i32 {
    let (mut value, mut size) = (0, 4);
    // SAFETY: both are ours to write.
    must(unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &mut size) });
    value
}

pub fn os_error<T>(result: Result<T>) -> Option<i32> {
    let error = result.err().unwrap();
    assert_eq!(error.status, Status::OS);
    error.os_error
}
