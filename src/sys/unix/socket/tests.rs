//! What is taken over, and that no call blocks.

use super::*;

#[test]
fn a_path_fits_or_is_refused() {
    let short = unix_address(c"/tmp/x").unwrap();
    assert_eq!((short.family, short.length), (libc::AF_UNIX, 2 + 7));
    let long = std::ffi::CString::new(vec![b'x'; 108]).unwrap();
    assert!(unix_address(&long).is_none() && unix_address(c"").is_none());
    let longest = std::ffi::CString::new(vec![b'x'; 107]).unwrap();
    assert_eq!(unix_address(&longest).unwrap().length, 110);
}

#[test]
fn only_what_is_of_the_kind_is_adopted() {
    assert_eq!(Socket::adopt(-1, STREAM, false).err().and_then(|e| e.raw_os_error()), Some(libc::EBADF));
    let file = std::fs::File::open("/dev/null").unwrap();
    let error = Socket::adopt(file.as_raw_fd(), STREAM, false).err().unwrap();
    assert_eq!(error.raw_os_error(), Some(libc::ENOTSOCK));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = Socket::adopt(listener.as_raw_fd(), STREAM, false).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(Socket::adopt(listener.as_raw_fd(), DATAGRAM, true).is_err());
    // SAFETY: no memory is involved.
    let flags = |of: &std::net::TcpListener| unsafe { libc::fcntl(of.as_raw_fd(), libc::F_GETFL) };
    let before = flags(&listener);
    let adopted = Socket::adopt(listener.as_raw_fd(), STREAM, true).unwrap();
    assert_ne!(flags(&listener), before);
    adopted.give_back();
    assert_eq!(flags(&listener), before, "it is its owner's again, and blocks");
}

#[test]
fn who_shares_an_adopted_socket_can_not_make_it_block() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};

    let (ours, peer) = UnixStream::pair().unwrap();
    let (datagrams, sender) = UnixDatagram::pair().unwrap();
    let name = SocketAddr::from_abstract_name(format!("asyncguest-blocks-{}", std::process::id())).unwrap();
    let listens = UnixListener::bind_addr(&name).unwrap();
    let (shared, shared_datagrams) = (ours.try_clone().unwrap(), datagrams.try_clone().unwrap());
    let shared_listener = listens.try_clone().unwrap();
    let listener = Socket::adopt(listens.into_raw_fd(), STREAM, true).unwrap();
    let stream = Socket::adopt(ours.into_raw_fd(), STREAM, false).unwrap();
    let datagram = Socket::adopt(datagrams.into_raw_fd(), DATAGRAM, false).unwrap();
    shared.set_nonblocking(false).unwrap();
    shared_datagrams.set_nonblocking(false).unwrap();
    shared_listener.set_nonblocking(false).unwrap();
    let (tell, told) = crossbeam_channel::unbounded();
    let calls = std::thread::spawn(move || {
        let would_block = |done: io::Result<usize>| {
            done.err().is_some_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        };
        let bytes = [0; 4096];
        let until_full = |send: &dyn Fn() -> io::Result<usize>| loop {
            if let Err(error) = send() {
                break Err(error);
            }
        };
        let slice = || io::IoSlice::new(&bytes);
        for blocked in [
            would_block(stream.receive(&mut [0; 8])),
            would_block(listener.accept().map(|_| 0)),
            would_block(datagram.receive_from(&mut [0; 8]).map(|(size, _)| size)),
            would_block(until_full(&|| stream.send(&[slice()]))),
            would_block(until_full(&|| stream.send(&[slice(), slice()]))),
            would_block(until_full(&|| datagram.send_to(&[slice()], None))),
        ] {
            tell.send(blocked).unwrap();
        }
    });
    let all = (0..6).all(|_| told.recv_timeout(std::time::Duration::from_secs(20)) == Ok(true));
    assert!(all, "a call has blocked");
    calls.join().unwrap();
    drop((peer, sender));
}
