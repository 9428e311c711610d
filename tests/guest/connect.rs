//! Hazard: connections that do not come about. Names that there are not, ports where nobody listens, addresses that are none,
//! streams that are closed before they stand.
#![cfg(unix)] // there are no streams elsewhere yet

use super::wire::*;
use crate::common::*;

use std::ffi::CString;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

#[test]
fn connect_by_name() {
    in_each_drive(|toy| {
        let (log, (answers, address), handle) = (Log::new(), listener(5), toy.handle());
        let to = query(Some("127.0.0.1"), Some(&port(&address).to_string()));
        let options = StreamOptions { no_delay: true, keep_alive: true, ..no_option() };
        let id = handle.stream_connect(to, options, log.events(silent)).unwrap();
        handle.stream_write(id, b"queued", log.written()).unwrap();
        let info = handle.stream_info(id).unwrap();
        assert_eq!((info.fd, info.local, info.peer, info.queued, info.sent), (None, None, None, 6, 0));
        until(toy, || log.has("opened") && log.written.borrow().len() == 1);

        let info = handle.stream_info(id).unwrap();
        assert_eq!((info.queued, info.sent, info.peer.map(|peer| port(&peer))), (0, 6, Some(port(&address))));
        let (mut peer, from) = answers.accept().unwrap();
        assert_eq!(info.local.map(|local| port(&local)), Some(from.port()));
        let fd = info.fd.unwrap();
        assert_eq!(option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY), 1);
        assert_eq!(option(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE), 1);
        let mut came = [0; 6];
        peer.read_exact(&mut came).unwrap();
        peer.write_all(b"answer").unwrap();
        until(toy, || *log.bytes.borrow() == b"answer");
        assert_eq!((&came, handle.stream_info(id).unwrap().received), (b"queued", 6));
    });
}

/// A stream that has ended before it stood: with the writes that it was given.
fn fails(toy: &Rc<Toy>, connect: impl FnOnce(&Handle, &Rc<Log>) -> Result<Id>) -> Outcome {
    let log = Log::new();
    let id = connect(&toy.handle(), &log).unwrap();
    toy.handle().stream_write(id, b"queued", log.written()).unwrap();
    toy.handle().stream_shutdown(id).unwrap();
    until(toy, || log.has("dropped"));
    assert_eq!(*log.told.borrow(), ["closed", "dropped"]);
    let outcome = log.outcome.get().unwrap();
    assert_eq!(*log.written.borrow(), [outcome.status]);
    outcome
}

#[test]
fn connect_fails() {
    let os = |os_error| Outcome { status: Status::OS, os_error };
    in_each_drive(|toy| {
        let nobody = listener(5).1;
        let failed = fails(toy, |handle, log| {
            handle.stream_connect_to(&[nobody, nobody], no_option(), log.events(silent))
        });
        assert_eq!(failed, os(libc::ECONNREFUSED));
        let failed = fails(toy, |handle, log| {
            handle.stream_connect_unix(c"/nowhere/at all", no_option(), log.events(silent))
        });
        assert_eq!(failed, os(libc::ENOENT));
        let unknown = Query { flags: AI_NUMERICHOST, ..query(Some("no number"), Some("1")) };
        let failed =
            fails(toy, |handle, log| handle.stream_connect(unknown, no_option(), log.events(silent)));
        assert_eq!(failed, Outcome { status: Status::RESOLVE, os_error: EAI_NONAME });
    });
}

#[test]
fn connect_refused_at_once() {
    in_each_drive(|toy| {
        let (log, good) = (Log::new(), listener(5).1);
        let long = Address { length: 129, ..good };
        let handle = toy.handle();
        for addresses in [&[][..], &[long], &[good, long]] {
            let tried = handle.stream_connect_to(addresses, no_option(), log.events(silent));
            assert_eq!(refused(tried), Status::INVAL);
        }
        let path = CString::new("/x".repeat(60)).unwrap();
        for path in [c"", &path] {
            let tried = handle.stream_connect_unix(path, no_option(), log.events(silent));
            assert_eq!(refused(tried), Status::INVAL);
        }
        let nothing = handle.stream_connect(query(None, None), no_option(), log.events(silent));
        assert_eq!(refused(nothing), Status::INVAL);
        assert_eq!(*log.told.borrow(), ["dropped"; 6]);
        assert_eq!(toy.stats().live_sources, 0);
    });
}

/// The pool has something else to do, so that the name is not even looked at.
#[test]
fn connect_closed_while_its_name_resolves() {
    for drive in [Drive::Thread, Drive::Fd, Drive::Run] {
        let _alone = alone();
        let toy = Toy::with(Options { work_threads: 1, ..options(drive) });
        let (log, latch, worked) = (Log::new(), Latch::new(), Probe::new());
        let go = latch.clone();
        toy.add_work(&worked, move || go.wait(1));
        let to = query(Some("127.0.0.1"), Some("1"));
        let id = toy.handle().stream_connect(to, no_option(), log.events(silent)).unwrap();
        toy.handle().stream_write(id, b"queued", log.written()).unwrap();
        settle(&toy);
        assert!(log.told.borrow().is_empty());
        toy.handle().close(id).unwrap();
        until(&toy, || log.has("dropped"));
        assert_eq!(*log.written.borrow(), [Status::CLOSED]);
        latch.open();
        until(&toy, || worked.drops() == 1);
        settle(&toy);
        assert_eq!(*log.told.borrow(), ["dropped"]);
        toy.end();
    }
}

#[test]
fn connect_unix() {
    in_each_drive(|toy| {
        let log = Log::new();
        let folder = std::env::temp_dir().join(format!("asyncguest-connect-{}", std::process::id()));
        let _ = std::fs::remove_file(&folder);
        let (listener, path) =
            (UnixListener::bind(&folder).unwrap(), CString::new(folder.to_str().unwrap()).unwrap());
        let id = toy.handle().stream_connect_unix(&path, no_option(), log.events(silent)).unwrap();
        toy.handle().stream_write(id, b"whole", log.written()).unwrap();
        toy.handle().stream_close(id).unwrap();
        until(toy, || log.has("dropped"));
        assert_eq!(*log.told.borrow(), ["opened", "closed", "dropped"]);
        let mut came = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut came).unwrap();
        assert_eq!(came, b"whole");
        std::fs::remove_file(&folder).unwrap();
    });
}
