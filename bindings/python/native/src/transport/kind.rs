//! What the four transports differ in where they share their code.

use std::io::{IoSlice, Result};

use pyo3::Python;

use crate::socket::{self, Room};

/// One of them.
pub struct Kind {
    /// What is told of errors that end the connection.
    pub read_error: &'static str,
    pub write_error: &'static str,
    /// What is logged of writes that go nowhere, from the fifth on.
    pub lost_write: &'static str,
    /// A socket's end counts as the first of these writes, a pipe's does not.
    pub is_socket: bool,
    /// Reads data. The other one is told by its fd's being readable that the peer is gone, until its own data is sent.
    pub reads: bool,
    /// The one error of the system that is no more than the connection's end; None: all of them.
    pub harmless: Option<i32>,
}

const SOCKET_LOST: &str = "socket.send() raised exception.";
const PIPE_LOST: &str = "pipe closed by peer or os.write(pipe, data) raised exception.";

pub static STREAM: Kind = Kind {
    read_error: "Fatal read error on socket transport",
    write_error: "Fatal write error on socket transport",
    lost_write: SOCKET_LOST,
    is_socket: true,
    reads: true,
    harmless: None,
};

pub static DATAGRAM: Kind = Kind {
    read_error: "Fatal read error on datagram transport",
    write_error: "Fatal write error on datagram transport",
    lost_write: SOCKET_LOST,
    is_socket: true,
    reads: true,
    harmless: None,
};

pub static READ_PIPE: Kind = Kind {
    read_error: "Fatal read error on pipe transport",
    write_error: "",
    lost_write: PIPE_LOST,
    is_socket: false,
    reads: true,
    harmless: Some(libc::EIO), // the end of a terminal
};

pub static WRITE_PIPE: Kind = Kind {
    read_error: "",
    write_error: "Fatal write error on pipe transport",
    lost_write: PIPE_LOST,
    is_socket: false,
    reads: false,
    harmless: None,
};

/// The system's calls.
impl Kind {
    pub fn receive(&self, py: Python<'_>, fd: i32, room: Room<'_>) -> Result<Option<usize>> {
        match self.is_socket {
            true => socket::receive(fd, room),
            false => socket::read(py, fd, room),
        }
    }

    pub fn send(&self, py: Python<'_>, fd: i32, bytes: &[u8]) -> Result<Option<usize>> {
        match self.is_socket {
            true => socket::send(py, fd, bytes),
            false => socket::write(py, fd, bytes),
        }
    }

    pub fn send_pieces(&self, py: Python<'_>, fd: i32, pieces: &[IoSlice<'_>]) -> Result<Option<usize>> {
        match self.is_socket {
            true => socket::send_pieces(py, fd, pieces),
            false => socket::write_pieces(py, fd, pieces),
        }
    }
}
