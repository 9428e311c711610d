//! Hazard: datagrams. Whole, with the address that they came from; one that was cut, or has come to nothing, is told as that.
#![cfg(unix)] // there are no UDP sockets of the guest's elsewhere yet

use super::wire::*;
use crate::common::*;

use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};

/// 64 datagrams wait, and each takes so long. Returns how many polls they have cost, and how many were told before a timer of 1 ms.
fn datagrams(takes: u64) -> (u64, u32) {
    let (options, clock) = manual(Drive::Fd);
    let (toy, timer) = (Toy::with(options), Probe::new());
    let (ours, peer) = UnixDatagram::pair().unwrap();
    let (told, before) = (Rc::new(Cell::new(0u32)), Rc::new(Cell::new(0u32)));
    let counted = told.clone();
    let count = move |_: &Handle, _: Id, event: UdpEvent<'_>| {
        assert!(matches!(event, UdpEvent::Datagram(_, [n]) if u32::from(*n) == counted.get()), "{event:?}");
        counted.set(counted.get() + 1);
        clock.advance(takes);
    };
    toy.handle().udp_adopt(ours.into_raw_fd(), count).unwrap();
    for n in 0..64 {
        peer.send(&[n]).unwrap();
    }
    let (now, at) = (told.clone(), before.clone());
    toy.add_timer(MS, 0, &timer, move |_| at.set(now.get()));
    let polls = toy.stats().polls;
    toy.run_until(|| told.get() == 64);
    let polls = toy.stats().polls - polls;
    toy.end();
    (polls, before.get())
}

/// They cost less than a look at the system each; but a callback that takes long has others wait for no second one.
#[test]
fn udp_several_for_one_look_while_they_are_quick() {
    let _alone = alone();
    let (polls, _) = datagrams(0);
    assert!(polls <= 4, "{polls}: 32 for each, and one that finds nothing");
    assert_eq!(datagrams(MS).1, 2, "the first, and one of the next look, in which fds come before timers");
}

/// What a socket was told.
#[derive(Default)]
struct Mail {
    came: RefCell<Vec<Vec<u8>>>,
    from: Cell<Option<Address>>,
    failed: Cell<Option<Outcome>>,
}

impl Mail {
    fn told(
        self: &Rc<Mail>,
        mut act: impl FnMut(&Handle, Id, &Address, &[u8]) + 'static,
    ) -> impl FnMut(&Handle, Id, UdpEvent<'_>) + 'static {
        let mail = self.clone();
        move |handle, id, event| match event {
            UdpEvent::Datagram(from, bytes) => {
                mail.came.borrow_mut().push(bytes.to_vec());
                mail.from.set(Some(*from));
                act(handle, id, from, bytes);
            }
            UdpEvent::Failed(outcome) => mail.failed.set(Some(outcome)),
        }
    }

    fn count(&self) -> usize {
        self.came.borrow().len()
    }
}

fn ignore(_: &Handle, _: Id, _: &Address, _: &[u8]) {}

/// A socket at a free port of loopback, and its address.
fn bound(
    toy: &Rc<Toy>,
    mail: &Rc<Mail>,
    act: impl FnMut(&Handle, Id, &Address, &[u8]) + 'static,
) -> (Id, Address) {
    let here = query(Some("127.0.0.1"), None);
    let id = toy.handle().udp_bind(here, UdpOptions::default(), mail.told(act)).unwrap();
    (id, toy.handle().udp_info(id).unwrap().local.unwrap())
}

#[test]
fn udp_of_every_size_there_and_back() {
    in_each_drive(|toy| {
        let (server, client, handle) = (Rc::<Mail>::default(), Rc::<Mail>::default(), toy.handle());
        let (_, at) = bound(toy, &server, |handle, id, from, bytes| {
            handle.udp_send(id, Some(from), bytes).unwrap();
        });
        // By IPv4 from a socket that has IPv6, too.
        let both = handle.udp_bind(query(None, None), UdpOptions::default(), client.told(ignore)).unwrap();
        let sizes = [1, 0, 1400, 65507];
        for (n, size) in sizes.into_iter().enumerate() {
            handle.udp_send(both, Some(&at), &numbers(size)).unwrap();
            until(toy, || client.count() == n + 1);
            assert!(client.came.borrow()[n] == numbers(size) && server.came.borrow()[n] == numbers(size));
        }
        let info = handle.udp_info(both).unwrap();
        assert_eq!((info.sent, info.received), (4, 4));
        assert_eq!(client.from.get().map(|from| port(&from)), Some(port(&at)));
    });
}

#[test]
fn udp_too_long_or_to_nobody() {
    in_each_drive(|toy| {
        let (mail, handle) = (Rc::<Mail>::default(), toy.handle());
        let ((gone, at), (id, _)) = (bound(toy, &mail, ignore), bound(toy, &mail, ignore));
        assert_eq!(os_error(handle.udp_send(id, Some(&at), &numbers(70_000))), Some(libc::EMSGSIZE));
        assert_eq!(os_error(handle.udp_send(id, None, b"x")), Some(libc::EDESTADDRREQ));
        let long = Address { length: 129, ..at };
        assert_eq!(refused(handle.udp_send(id, Some(&long), b"x")), Status::INVAL);
        let info = handle.udp_info(id).unwrap();
        assert_eq!(info.sent, 0);
        // SAFETY: the address is readable for its length.
        must(unsafe { libc::connect(info.fd, at.sockaddr.as_ptr().cast(), at.length) });
        handle.close(gone).unwrap();
        settle(toy);
        handle.udp_send(id, None, b"x").unwrap();
        until(toy, || mail.failed.get().is_some());
        let nobody = Outcome { status: Status::OS, os_error: libc::ECONNREFUSED };
        assert_eq!((mail.failed.get(), mail.count()), (Some(nobody), 0));
        assert!(handle.is_open(id), "it goes on");
    });
}

/// Longer than any of UDP: the other kind of socket that is adopted has them.
#[test]
fn udp_that_is_cut_is_not_told_as_whole() {
    in_each_drive(|toy| {
        let mail = Rc::<Mail>::default();
        let (ours, peer) = UnixDatagram::pair().unwrap();
        toy.handle().udp_adopt(ours.into_raw_fd(), mail.told(ignore)).unwrap();
        peer.send(&numbers(100_000)).unwrap();
        peer.send(b"whole").unwrap();
        until(toy, || mail.count() == 1);
        assert_eq!(
            (mail.failed.get().unwrap().os_error, &mail.came.borrow()[0][..]),
            (libc::EMSGSIZE, &b"whole"[..])
        );
    });
}

#[test]
fn udp_closed_in_its_own_callback() {
    in_each_drive(|toy| {
        let (server, client) = (Rc::<Mail>::default(), Rc::<Mail>::default());
        let (id, at) = bound(toy, &server, |handle, id, from, _| {
            handle.close(id).unwrap();
            assert_eq!(refused(handle.udp_send(id, Some(from), b"x")), Status::STALE);
        });
        let (sender, _) = bound(toy, &client, ignore);
        for _ in 0..3 {
            toy.handle().udp_send(sender, Some(&at), b"more than one waits").unwrap();
        }
        until(toy, || !toy.handle().is_open(id));
        settle(toy);
        assert_eq!((server.count(), Rc::strong_count(&server)), (1, 1), "its callback was dropped");
    });
}

#[test]
fn udp_in_a_nested_loop() {
    in_each_drive(|toy| {
        let (mail, sender, nested) = (Rc::<Mail>::default(), Rc::<Mail>::default(), toy.clone());
        let seen = mail.clone();
        let (_, at) = bound(toy, &mail, move |_, _, _, _| {
            let count = seen.count();
            nest(&nested);
            assert_eq!(seen.count(), count, "its callback is on the stack");
        });
        let (id, _) = bound(toy, &sender, ignore);
        for count in [2, 3] {
            while toy.handle().udp_info(id).unwrap().sent < count {
                toy.handle().udp_send(id, Some(&at), b"x").unwrap();
            }
            until(toy, || mail.count() as u64 == count);
        }
    });
}

#[test]
fn udp_bound_and_adopted() {
    in_each_drive(|toy| {
        let (mail, handle) = (Rc::<Mail>::default(), toy.handle());
        let (_, taken) = bound(toy, &mail, ignore);
        let bind = |node, service: &str, options| {
            handle.udp_bind(query(Some(node), Some(service)), options, mail.told(ignore))
        };
        let in_use = bind("127.0.0.1", &port(&taken).to_string(), UdpOptions::default());
        assert_eq!(os_error(in_use), Some(libc::EADDRINUSE));
        assert_eq!(refused(bind("localhost", "0", UdpOptions::default())), Status::INVAL);

        let shared = UdpOptions { reuse_port: true, broadcast: true, ..UdpOptions::default() };
        let first = handle.udp_info(bind("127.0.0.1", "0", shared).unwrap()).unwrap();
        assert_eq!(option(first.fd, libc::SOL_SOCKET, libc::SO_BROADCAST), 1);
        bind("127.0.0.1", &port(&first.local.unwrap()).to_string(), shared).unwrap();
        let v6 = bind("::1", "0", UdpOptions { only_v6: true, ..UdpOptions::default() }).unwrap();
        assert_eq!(option(handle.udp_info(v6).unwrap().fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY), 1);

        let (stream, _peer) = UnixStream::pair().unwrap();
        let adopt = |fd| handle.udp_adopt(fd, mail.told(ignore));
        assert_eq!(refused(adopt(stream.as_raw_fd())), Status::INVAL);
        assert_eq!(os_error(adopt(NO_FD)), Some(libc::EBADF));
        assert_eq!(refused(adopt(first.fd)), Status::EXIST);
        assert!(!is_closed(stream.as_raw_fd()) && !is_closed(first.fd));
    });
}
