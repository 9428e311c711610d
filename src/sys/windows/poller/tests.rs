//! Sockets, handles and packets as a poller sees them.

use super::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::windows::io::{AsRawHandle, AsRawSocket, FromRawHandle, OwnedHandle};

use windows_sys::Win32::Networking::WinSock::WSAENOTSOCK;
use windows_sys::Win32::System::Threading::{CreateEventW, SetEvent};

use crate::sys::readiness::{ERROR, HANGUP, WRITABLE};

mod handles;

fn poller() -> Poller {
    Poller::new().unwrap().0
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

fn fd(socket: &impl AsRawSocket) -> OsFd {
    socket.as_raw_socket() as OsFd
}

fn now(poller: &mut Poller) -> Vec<(Seen, Readiness)> {
    let mut all = Vec::new();
    poller.poll_now(|what, ready| all.push((what, ready))).unwrap();
    all
}

/// What is reported first. The network, even that of one machine, takes its time.
fn first(poller: &mut Poller) -> Vec<(Seen, Readiness)> {
    let until = monotonic_ns() + 10_000_000_000;
    loop {
        poller.wait(10_000_000).unwrap();
        let seen = now(poller);
        if !seen.is_empty() || monotonic_ns() > until {
            return seen;
        }
    }
}

/// Nothing is reported for some milliseconds.
fn silent(poller: &mut Poller) {
    for _ in 0..3 {
        poller.wait(5_000_000).unwrap();
        assert_eq!(now(poller), []);
    }
}

fn event(manual: bool) -> OwnedHandle {
    // SAFETY: no memory is involved; the handle is new.
    unsafe {
        let event = CreateEventW(std::ptr::null(), manual.into(), 0, std::ptr::null());
        OwnedHandle::from_raw_handle(event)
    }
}

fn set(event: &OwnedHandle) {
    // SAFETY: an open handle.
    assert_ne!(unsafe { SetEvent(event.as_raw_handle()) }, 0);
}

fn number(handle: &OwnedHandle) -> OsFd {
    handle.as_raw_handle() as OsFd
}

#[test]
fn level_triggered_partial_read() {
    let mut poller = poller();
    let (mut a, mut b) = pair();
    poller.add(fd(&b), READABLE, 7).unwrap();
    silent(&mut poller);
    a.write_all(b"xy").unwrap();
    assert_eq!(first(&mut poller), [(Seen::Fd(7), READABLE)]);
    assert!(poller.has_unarmed(), "its callback has its turn first");
    b.read_exact(&mut [0]).unwrap();
    assert_eq!(first(&mut poller), [(Seen::Fd(7), READABLE)], "1 of 2 bytes is left");
    b.read_exact(&mut [0]).unwrap();
    silent(&mut poller);
    a.write_all(b"z").unwrap();
    assert_eq!(first(&mut poller), [(Seen::Fd(7), READABLE)]);
}

#[test]
fn settling_makes_the_port_ready_again_for_what_is_left() {
    let mut poller = poller();
    let (mut a, b) = pair();
    poller.add(fd(&b), READABLE, 7).unwrap();
    a.write_all(b"xy").unwrap();
    assert_eq!(first(&mut poller), [(Seen::Fd(7), READABLE)]);
    assert!(!poller.is_ready(), "reported once");
    poller.settle();
    assert!(!poller.has_unarmed());
    while !poller.is_ready() {
        std::thread::yield_now();
    }
}

#[test]
fn what_somebody_has_read_meanwhile_is_not_reported() {
    let mut poller = poller();
    let (mut a, mut b) = pair();
    poller.add(fd(&b), READABLE, 7).unwrap();
    for _ in 0..20 {
        a.write_all(b"x").unwrap();
        // The poll has ended, and nobody has looked at it.
        while !poller.is_ready() {
            std::thread::yield_now();
        }
        b.read_exact(&mut [0]).unwrap();
        assert_eq!(now(&mut poller), []);
        poller.settle();
    }
    a.write_all(b"x").unwrap();
    assert_eq!(first(&mut poller), [(Seen::Fd(7), READABLE)]);
}

#[test]
fn listeners_connections_and_ends_are_readable() {
    let mut poller = poller();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    poller.add(fd(&listener), READABLE, 1).unwrap();
    silent(&mut poller);
    let a = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert_eq!(first(&mut poller), [(Seen::Fd(1), READABLE)]);
    assert_eq!(first(&mut poller), [(Seen::Fd(1), READABLE)], "nobody has accepted it");
    let (b, _) = listener.accept().unwrap();
    silent(&mut poller);
    poller.remove(fd(&listener), 1);
    poller.add(fd(&b), READABLE | WRITABLE, 2).unwrap();
    assert_eq!(first(&mut poller), [(Seen::Fd(2), WRITABLE)]);
    poller.modify(fd(&b), READABLE, 2).unwrap();
    drop(a);
    assert_eq!(first(&mut poller), [(Seen::Fd(2), READABLE)], "the end of the stream");
}

#[test]
fn a_reset_is_an_error_and_a_hang_up() {
    let mut poller = poller();
    let (a, b) = pair();
    poller.add(fd(&b), READABLE, 3).unwrap();
    reset(a);
    let seen = first(&mut poller);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].1 & (ERROR | HANGUP), ERROR | HANGUP, "{seen:?}");
}

/// Closes a connection so that the other end is told of a reset.
fn reset(stream: TcpStream) {
    use windows_sys::Win32::Networking::WinSock::{setsockopt, LINGER, SOL_SOCKET, SO_LINGER};
    let linger = LINGER { l_onoff: 1, l_linger: 0 };
    let size = std::mem::size_of::<LINGER>() as i32;
    // SAFETY: an open socket, and `linger` outlives the call.
    let done = unsafe { setsockopt(fd(&stream), SOL_SOCKET, SO_LINGER, (&raw const linger).cast(), size) };
    assert_eq!(done, 0);
}

#[test]
fn a_socket_is_registered_once_and_a_closed_one_is_replaced() {
    let mut poller = poller();
    let (a, _far) = pair();
    let number = fd(&a);
    assert_eq!(poller.add(number, READABLE, 1).unwrap(), None);
    assert_eq!(poller.add(number, READABLE, 2).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    poller.modify(number, 0, 1).unwrap();
    assert_eq!(poller.add(number, READABLE, 2).unwrap_err().kind(), io::ErrorKind::AlreadyExists, "paused");
    poller.modify(number, READABLE, 1).unwrap();
    drop(a);
    // Until the system gives the number out again.
    let mut others = Vec::new();
    let again = loop {
        assert!(others.len() < 1000, "the number does not come again");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        if fd(&listener) == number {
            break listener;
        }
        others.push(listener);
    };
    assert_eq!(poller.add(number, 0, 2).unwrap(), Some(1));
    poller.remove(number, 1);
    assert!(poller.modify(number, READABLE, 2).is_ok(), "the old owner removes nothing of the new one");
    silent(&mut poller);
    let _client = TcpStream::connect(again.local_addr().unwrap()).unwrap();
    assert_eq!(first(&mut poller), [(Seen::Fd(2), READABLE)]);
}

#[test]
fn a_socket_that_was_closed_is_silent_and_cannot_be_changed() {
    let mut poller = poller();
    let (mut a, b) = pair();
    let number = fd(&b);
    poller.add(number, READABLE, 1).unwrap();
    drop(b);
    silent(&mut poller);
    let _ = a.write_all(b"x");
    silent(&mut poller);
    assert_eq!(poller.modify(number, 0, 1).unwrap_err().raw_os_error(), Some(ERROR_INVALID_HANDLE as i32));
    poller.remove(number, 1);
}

#[test]
fn a_paused_socket_reports_no_hang_up() {
    let mut poller = poller();
    let (a, b) = pair();
    poller.add(fd(&b), 0, 3).unwrap();
    drop(a);
    silent(&mut poller);
    poller.modify(fd(&b), READABLE, 3).unwrap();
    assert_eq!(first(&mut poller), [(Seen::Fd(3), READABLE)]);
    poller.modify(fd(&b), 0, 3).unwrap();
    silent(&mut poller);
}

#[test]
fn what_is_asked_for_may_change_while_it_is_pending() {
    let mut poller = poller();
    let (mut a, b) = pair();
    poller.add(fd(&b), READABLE, 3).unwrap();
    for _ in 0..100 {
        poller.modify(fd(&b), WRITABLE, 3).unwrap();
        assert_eq!(first(&mut poller), [(Seen::Fd(3), WRITABLE)]);
        poller.modify(fd(&b), READABLE, 3).unwrap();
        assert_eq!(now(&mut poller), []);
    }
    a.write_all(b"x").unwrap();
    assert_eq!(first(&mut poller), [(Seen::Fd(3), READABLE)]);
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let mut poller = poller();
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    let error = |result: io::Result<Option<u64>>| result.unwrap_err().raw_os_error();
    assert_eq!(error(poller.add(file.as_raw_handle() as OsFd, 0, 3)), Some(WSAENOTSOCK));
    assert_eq!(error(poller.add(usize::MAX, READABLE, 3)), Some(WSAENOTSOCK));
    assert_eq!(poller.modify(76, READABLE, 3).unwrap_err().raw_os_error(), Some(ERROR_INVALID_HANDLE as i32));
    assert_eq!(error(poller.add_handle(0x7ffc, READABLE, 3)), Some(ERROR_INVALID_HANDLE as i32));
    assert_eq!((poller.under_way, poller.watches.len()), (0, 0));
}

#[test]
fn what_ends_a_wait_is_reported_once() {
    let (mut poller, waker, _alarm) = Poller::new().unwrap();
    poller.wait(1).unwrap();
    assert_eq!(now(&mut poller), [], "the time was over");
    assert!(!poller.is_ready());
    waker.wake();
    assert!(poller.is_ready());
    poller.wait(u64::MAX).unwrap();
    assert!(poller.is_ready(), "nobody has looked at it");
    assert_eq!(now(&mut poller), [(Seen::Woken, 0)]);
    assert_eq!(now(&mut poller), []);
}

#[test]
fn many_wakes_are_one_and_none_of_those_after_it_is_lost() {
    let (mut poller, waker, _alarm) = Poller::new().unwrap();
    for _ in 0..10 {
        for _ in 0..1000 {
            waker.wake();
        }
        assert_eq!(now(&mut poller), [(Seen::Woken, 0)]);
        assert_eq!(now(&mut poller), []);
    }
}

/// How many packets somebody who sleeps on the port would find.
fn lying(poller: &Poller) -> usize {
    let mut count = 0;
    poller.port().take(0, |_| count += 1).unwrap();
    count
}

#[test]
fn what_is_kept_for_the_next_look_wakes_who_sleeps_on_the_port() {
    for form in [Form::Handle, Form::Inbox] {
        let (mut poller, waker, _alarm) = Poller::of(form).unwrap();
        let (a, _b) = pair();
        poller.add(fd(&a), READABLE, 1).unwrap();
        waker.wake();
        // Whether that one is dead is asked of all packets, the waker's among them.
        for _ in 0..3 {
            assert!(poller.add(fd(&a), READABLE, 2).is_err());
            assert!(poller.is_ready() && poller.is_ready());
        }
        assert_eq!(lying(&poller), 1, "{form:?}");
    }
}

/// ASYNCGUEST_TEST_OPERATIONS: how many polls.
#[test]
fn everything_asked_for_comes_back_whatever_is_cancelled() {
    let count = std::env::var("ASYNCGUEST_TEST_OPERATIONS").map_or(20_000, |count| count.parse().unwrap());
    let mut random = 7u64;
    let mut below = |bound: u64| {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) % bound
    };
    let mut poller = poller();
    let mut pairs: Vec<_> = (0..40).map(|_| pair()).collect();
    pairs.iter().for_each(|(a, b)| a.set_nonblocking(true).and(b.set_nonblocking(true)).unwrap());
    let mut interests = vec![None; pairs.len()];
    let (mut told, mut cancelled) = (0u64, 0u64);
    while poller.begun < count {
        let i = below(40) as usize;
        let number = fd(&pairs[i].1);
        let is_pending = poller.watches.get(&What::Socket(number)).is_some_and(|watch| watch.is_pending());
        match (below(40), interests[i]) {
            (_, None) => {
                let interest = below(4) as Interest;
                poller.add(number, interest, 1 + i as u64).unwrap();
                interests[i] = Some(interest);
            }
            (0..=14, _) => {
                poller.remove(number, 1 + i as u64);
                interests[i] = None;
                cancelled += u64::from(is_pending);
            }
            (15..=20, _) => {
                poller.modify(number, 0, 1 + i as u64).unwrap();
                interests[i] = Some(0);
                cancelled += u64::from(is_pending);
            }
            (21..=34, _) => {
                let interest = below(4) as Interest;
                poller.modify(number, interest, 1 + i as u64).unwrap();
                interests[i] = Some(interest);
            }
            (35 | 36, _) => drop(pairs[i].0.write(b"z")),
            (37 | 38, _) => drop(pairs[i].1.read(&mut [0; 8])),
            _ => {
                for (what, ready) in now(&mut poller) {
                    let Seen::Fd(bits) = what else { continue };
                    // What was asked for before may still be told: layers above pass it over.
                    assert!(ready != 0 && interests[bits as usize - 1].is_some(), "{bits} is not registered");
                    told += 1;
                }
            }
        }
    }
    for i in 0..pairs.len() {
        poller.remove(fd(&pairs[i].1), 1 + i as u64);
    }
    let until = monotonic_ns() + 10_000_000_000;
    while poller.under_way > 0 && monotonic_ns() < until {
        poller.wait(10_000_000).unwrap();
        assert_eq!(now(&mut poller), []);
    }
    println!(
        "{} polls, {cancelled} of them cancelled, {told} reports, {} lost",
        poller.begun, poller.under_way
    );
    assert_eq!(poller.under_way, 0, "lost");
    assert!(told > count / 20 && cancelled >= count / 3, "{told} told, {cancelled} cancelled of {count}");
}

#[test]
fn the_end_takes_back_what_is_pending() {
    let (sockets, events): (Vec<_>, Vec<_>) = (0..100).map(|i| (pair(), event(i % 2 == 0))).unzip();
    let mut poller = poller();
    let port = Arc::downgrade(poller.port());
    for (i, ((_, b), event)) in sockets.iter().zip(&events).enumerate() {
        poller.add(fd(b), READABLE, 1 + i as u64).unwrap();
        poller.add_handle(number(event), READABLE, 1000 + i as u64).unwrap();
        if i % 3 == 0 {
            set(event);
        }
    }
    assert_eq!(poller.under_way, 200);
    drop(poller);
    assert_eq!(port.strong_count(), 0, "nothing holds the port any more");
}
