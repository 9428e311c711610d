//! Hazard: names. Resolved off the host thread, reported on it, failures to the callback.

use crate::common::*;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Resolves, and returns what came.
fn resolved(drive: Drive, query: Query) -> Resolved {
    let _alone = alone();
    let (toy, probe) = (Toy::start(drive), Probe::new());
    let answer = Rc::new(RefCell::new(None));
    let seen = answer.clone();
    let callback = probe.resolved(move |resolved| *seen.borrow_mut() = Some(resolved.clone()));
    toy.handle().resolve(query, callback).unwrap();
    toy.run_until(|| probe.drops() == 1);
    assert_eq!(probe.calls(), 1);
    toy.end();
    let answer = answer.take();
    answer.unwrap()
}

fn bytes(address: &Address) -> Vec<u8> {
    address.sockaddr.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// The IPv4 address and port of a `struct sockaddr_in`.
fn socket_address(address: &Address) -> (Ipv4Addr, u16) {
    assert_eq!((address.family, address.length), (AF_INET, 16));
    let bytes = bytes(address);
    assert_eq!(i32::from(u16::from_ne_bytes([bytes[0], bytes[1]])), AF_INET);
    (Ipv4Addr::new(bytes[4], bytes[5], bytes[6], bytes[7]), u16::from_be_bytes([bytes[2], bytes[3]]))
}

#[test]
fn resolve_numeric() {
    let query = Query { flags: AI_NUMERICHOST, ..query(Some("127.0.0.1"), Some("8080")) };
    let all = resolved(Drive::Thread, query).unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(socket_address(&all[0]), (Ipv4Addr::LOCALHOST, 8080));
    assert_eq!((all[0].socktype, all[0].protocol), (SOCK_STREAM, IPPROTO_TCP));
    assert_eq!(all[0].sockaddr[2..], [0; 14], "padded with zeros");
}

#[test]
fn resolve_numeric_v6() {
    let query = Query { flags: AI_NUMERICHOST, ..query(Some("::1"), Some("443")) };
    let all = resolved(Drive::Fd, query).unwrap();
    assert_eq!((all.len(), all[0].family, all[0].length), (1, AF_INET6, 28));
    let bytes = bytes(&all[0]);
    assert_eq!((&bytes[2..4], &bytes[8..24]), (&443u16.to_be_bytes()[..], &Ipv6Addr::LOCALHOST.octets()[..]));
}

#[test]
fn resolve_localhost() {
    let query = Query { family: AF_INET, ..query(Some("localhost"), Some("8080")) };
    let all = resolved(Drive::Thread, query).unwrap();
    assert!(all.iter().any(|address| socket_address(address) == (Ipv4Addr::LOCALHOST, 8080)));
}

#[test]
fn resolve_service_only() {
    let query = Query { family: AF_INET, flags: AI_PASSIVE, ..query(None, Some("8080")) };
    let all = resolved(Drive::Thread, query).unwrap();
    assert_eq!(socket_address(&all[0]), (Ipv4Addr::UNSPECIFIED, 8080));
}

#[test]
fn resolve_node_only() {
    let all = resolved(Drive::Thread, query(Some("127.0.0.1"), None)).unwrap();
    assert_eq!(socket_address(&all[0]), (Ipv4Addr::LOCALHOST, 0));
}

/// A service by its name: port 80, unless this machine has no /etc/services.
#[test]
fn resolve_service_name() {
    let query = Query { family: AF_INET, ..query(Some("127.0.0.1"), Some("http")) };
    match resolved(Drive::Thread, query) {
        Ok(all) => assert_eq!(socket_address(&all[0]), (Ipv4Addr::LOCALHOST, 80)),
        Err(code) => assert_eq!((code, Path::new("/etc/services").exists()), (EAI_SERVICE, false)),
    }
}

#[test]
fn resolve_unknown_name() {
    let numeric = Query { flags: AI_NUMERICHOST, ..query(Some("no number"), None) };
    assert_eq!(resolved(Drive::Thread, numeric), Err(EAI_NONAME));
    let odd = Query { family: 9999, ..query(Some("127.0.0.1"), None) };
    assert_eq!(resolved(Drive::Thread, odd), Err(EAI_FAMILY));
    // EAI_NONAME, or EAI_AGAIN on a machine without name server.
    assert!(resolved(Drive::Thread, query(Some("name.invalid"), None)).is_err());
}

#[test]
fn resolve_closed() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::new());
    let id = toy.add_resolve(query(Some("localhost"), None), &probe);
    toy.handle().close(id).unwrap();
    toy.run_until(|| probe.drops() == 1);
    assert_eq!(probe.calls(), 0);
    toy.end();
}

#[test]
fn resolve_many() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::shared());
    for _ in 0..50 {
        toy.add_resolve(query(Some("127.0.0.1"), Some("80")), &probe);
    }
    toy.run_until(|| probe.drops() == 50);
    assert_eq!(probe.calls(), 50);
    toy.end();
}

#[test]
fn resolve_refused() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::new());
    let callback = probe.resolved(|_| {});
    assert_eq!(refused(toy.handle().resolve(query(None, None), callback)), Status::INVAL);
    assert_eq!((probe.calls(), probe.drops()), (0, 1));
    toy.end();
}
