//! What the four transports differ in where they share their code. Each has its own beside its class.

use std::io::{IoSlice, Result};

use pyo3::Python;

use crate::socket::Room;

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
    /// The system's calls.
    pub receive: fn(Python<'_>, i32, Room<'_>) -> Result<Option<usize>>,
    pub send: fn(Python<'_>, i32, &[u8]) -> Result<Option<usize>>,
    pub send_pieces: fn(Python<'_>, i32, &[IoSlice<'_>]) -> Result<Option<usize>>,
}

/// The `lost_write` of sockets.
pub const SOCKET_LOST: &str = "socket.send() raised exception.";
