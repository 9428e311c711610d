//! Reading ahead: two threads read one socket in turns.

use std::collections::VecDeque;
use std::io;

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use crate::inbox::{Chunk, Inboxes};

const ID: u64 = 7;

/// What the system has of a connection, and of the set that reports it once.
#[derive(Default)]
struct Socket {
    bytes: VecDeque<u8>,
    armed: bool,
    closed: bool,
    /// The host was told of the inbox.
    told: bool,
}

struct World {
    inboxes: Inboxes<()>,
    socket: Mutex<Socket>,
    changed: Condvar,
}

impl World {
    /// A socket with these bytes, read ahead up to `limit`.
    fn new(bytes: &[u8], limit: usize) -> Arc<World> {
        let socket = Socket { bytes: bytes.iter().copied().collect(), ..Socket::default() };
        let world = World { inboxes: Inboxes::new(), socket: Mutex::new(socket), changed: Condvar::new() };
        let added = world.inboxes.add(ID, (), limit, true, |()| {
            world.arm();
            Ok(())
        });
        assert!(added.is_ok());
        Arc::new(world)
    }

    fn change<R>(&self, change: impl FnOnce(&mut Socket) -> R) -> R {
        let changed = change(&mut self.socket.lock().unwrap());
        self.changed.notify_all();
        changed
    }

    fn arm(&self) {
        self.change(|socket| socket.armed = true);
    }

    fn is_armed(&self) -> bool {
        self.socket.lock().unwrap().armed
    }

    /// One byte at a time.
    fn receive(&self, room: &mut [u8]) -> io::Result<usize> {
        let mut socket = self.socket.lock().unwrap();
        assert!(!socket.closed, "its number may be another's");
        room[0] = socket.bytes.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        Ok(1)
    }

    /// I/O thread: the set is asked, and what it reports is read.
    fn io_turn(&self) {
        let reported = self.change(|socket| !socket.bytes.is_empty() && std::mem::take(&mut socket.armed));
        if reported && self.inboxes.fill(ID, |(), room| self.receive(room), |()| self.arm()).tell {
            self.change(|socket| socket.told = true);
        }
    }

    /// Host thread: an event of the stream.
    fn read(&self) -> Vec<u8> {
        let direct = || {
            let mut byte = [0];
            self.receive(&mut byte).map(|_| byte.to_vec())
        };
        let chunk = |chunk: Chunk| chunk.bytes[..chunk.length].to_vec();
        self.inboxes.read(ID, chunk, direct, |()| self.arm()).unwrap_or_default()
    }

    /// Host thread: sleeps until the poller or the I/O thread has something, and reads all that is there. A lost wake is a
    /// deadlock.
    fn deliver(&self, into: &mut Vec<u8>) {
        let mut socket = self.socket.lock().unwrap();
        while socket.bytes.is_empty() && !socket.told {
            socket = self.changed.wait(socket).unwrap();
        }
        socket.told = false;
        drop(socket);
        into.extend(self.read());
        while self.inboxes.holds_some(ID) {
            into.extend(self.read());
        }
    }
}

#[test]
fn nothing_is_lost_and_all_is_in_order() {
    loom::model(|| {
        let world = World::new(&[1, 2], 1);
        let io = {
            let world = world.clone();
            thread::spawn(move || {
                world.io_turn();
                world.change(|socket| socket.bytes.push_back(3));
                world.io_turn();
            })
        };
        let mut told = Vec::new();
        while told.len() < 3 {
            world.deliver(&mut told);
        }
        io.join().unwrap();
        assert_eq!(told, [1, 2, 3]);
        assert!(world.is_armed(), "it is empty, wanted, and read ahead no more");
    });
}

#[test]
fn what_is_wanted_again_is_armed_again() {
    loom::model(|| {
        let world = World::new(&[1], 8);
        let io = {
            let world = world.clone();
            thread::spawn(move || world.io_turn())
        };
        world.inboxes.set_wanted(ID, false, |()| world.arm());
        world.inboxes.set_wanted(ID, true, |()| world.arm());
        io.join().unwrap();
        assert!(world.is_armed());
    });
}

#[test]
fn nothing_is_read_of_what_was_removed() {
    loom::model(|| {
        let world = World::new(&[1, 2], 8);
        let io = {
            let world = world.clone();
            thread::spawn(move || {
                world.io_turn();
                world.io_turn();
            })
        };
        world.inboxes.remove(ID, |()| {});
        world.change(|socket| socket.closed = true);
        io.join().unwrap();
        assert!(!world.inboxes.holds_some(ID));
    });
}
