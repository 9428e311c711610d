//! L4. Streams, listeners and UDP sockets, by the right to register.
//!
//! Owns: nothing. Host thread only. Guests of the pull form have none.

use std::ffi::CStr;
use std::io::IoSlice;

use super::handle::{Closure, Handle};
use crate::error::Result;
use crate::id::Id;
use crate::sources::{
    ListenerInfo, ListenerOptions, Outcome, Piece, StreamEvent, StreamInfo, StreamOptions, UdpEvent, UdpInfo,
    UdpOptions, Written,
};
use crate::sys::{Address, OsFd, Query};

impl Handle {
    /// Connects to a name: resolves it, and tries its addresses as RFC 8305 says. The id is there at once, and writes are
    /// queued; [`StreamEvent::Opened`] or [`StreamEvent::Closed`] tells what has become of it.
    ///
    /// # Errors
    /// `INVAL`, `DRIVE` (a pull guest), `OS`, `NOMEM`, `NOTSUP`, `CLOSED`.
    pub fn stream_connect(
        &self,
        query: Query,
        options: StreamOptions,
        f: impl FnMut(&Handle, Id, StreamEvent<'_>) + 'static,
    ) -> Result<Id> {
        self.0.stream_connect(query, options, Closure::new(f))
    }

    /// The same with addresses that are known, of whatever family.
    ///
    /// # Errors
    /// Those of [`Handle::stream_connect`].
    pub fn stream_connect_to(
        &self,
        addresses: &[Address],
        options: StreamOptions,
        f: impl FnMut(&Handle, Id, StreamEvent<'_>) + 'static,
    ) -> Result<Id> {
        self.0.stream_connect_to(addresses, options, Closure::new(f))
    }

    /// The same with the path of a Unix socket.
    ///
    /// # Errors
    /// Those of [`Handle::stream_connect`].
    pub fn stream_connect_unix(
        &self,
        path: &CStr,
        options: StreamOptions,
        f: impl FnMut(&Handle, Id, StreamEvent<'_>) + 'static,
    ) -> Result<Id> {
        self.0.stream_connect_unix(path, options, Closure::new(f))
    }

    /// Takes over the socket of a connection: the stream closes it. When it fails the socket stays the caller's.
    ///
    /// # Errors
    /// Those of [`Handle::stream_connect`], `EXIST`.
    pub fn stream_adopt(
        &self,
        fd: OsFd,
        options: StreamOptions,
        f: impl FnMut(&Handle, Id, StreamEvent<'_>) + 'static,
    ) -> Result<Id> {
        self.0.stream_adopt(fd, options, Closure::new(f))
    }

    /// Takes the connection that `listener` offers, inside its callback.
    ///
    /// # Errors
    /// `STALE`, `ORDER` (it offers none), `INVAL`, `OS`, `NOMEM`, `CLOSED`.
    pub fn stream_accept(
        &self,
        listener: Id,
        options: StreamOptions,
        f: impl FnMut(&Handle, Id, StreamEvent<'_>) + 'static,
    ) -> Result<Id> {
        self.0.stream_accept(listener, options, Closure::new(f))
    }

    /// Sends bytes, or copies what cannot be sent at once and sends it later. `written` is told the end, exactly once, also
    /// when the stream or the guest ends first.
    ///
    /// # Errors
    /// `STALE`, `ORDER` (after a shutdown or close), `CLOSED` (the guest's, or the connection is broken), `NOMEM`; then
    /// `written` is not told.
    pub fn stream_write(&self, id: Id, bytes: &[u8], written: Option<Written>) -> Result<()> {
        self.0.stream_write(id, &[IoSlice::new(bytes)], Piece::copy, written)
    }

    /// Stops reading, at any moment; what has come waits in the system, and then the peer.
    ///
    /// # Errors
    /// `STALE`, `CLOSED`.
    pub fn stream_pause(&self, id: Id) -> Result<()> {
        self.0.stream_pause(id, true)
    }

    /// Goes on reading.
    ///
    /// # Errors
    /// `STALE`, `CLOSED`.
    pub fn stream_resume(&self, id: Id) -> Result<()> {
        self.0.stream_pause(id, false)
    }

    /// Ends the writing side when all is sent; reading goes on.
    ///
    /// # Errors
    /// `STALE`, `CLOSED`.
    pub fn stream_shutdown(&self, id: Id) -> Result<()> {
        self.0.stream_shutdown(id)
    }

    /// Ends the stream when all is sent. [`Handle::close`] ends it at once.
    ///
    /// # Errors
    /// `STALE`, `CLOSED`.
    pub fn stream_close(&self, id: Id) -> Result<()> {
        self.0.stream_close(id)
    }

    /// The stream as it is now.
    ///
    /// # Errors
    /// `STALE`.
    pub fn stream_info(&self, id: Id) -> Result<StreamInfo> {
        self.0.stream_info(id)
    }

    /// Listens for TCP connections. `query`: numbers; no node for all addresses of this machine, of both families.
    ///
    /// # Errors
    /// `INVAL`, `DRIVE` (a pull guest), `OS` (the address is taken, ...), `NOMEM`, `NOTSUP`, `CLOSED`.
    pub fn listener_tcp(
        &self,
        query: Query,
        options: ListenerOptions,
        f: impl FnMut(&Handle, Id, Outcome) + 'static,
    ) -> Result<Id> {
        self.0.listener_tcp(query, options, Closure::new(f))
    }

    /// Listens at a path of the file system, which must not exist, and stays when the listener is closed.
    ///
    /// # Errors
    /// Those of [`Handle::listener_tcp`].
    pub fn listener_unix(
        &self,
        path: &CStr,
        options: ListenerOptions,
        f: impl FnMut(&Handle, Id, Outcome) + 'static,
    ) -> Result<Id> {
        self.0.listener_unix(path, options, Closure::new(f))
    }

    /// Takes over a socket that listens: the listener closes it. When it fails the socket stays the caller's.
    ///
    /// # Errors
    /// Those of [`Handle::listener_tcp`], `EXIST`.
    pub fn listener_adopt(&self, fd: OsFd, f: impl FnMut(&Handle, Id, Outcome) + 'static) -> Result<Id> {
        self.0.listener_adopt(fd, Closure::new(f))
    }

    /// Offers no connections any more, at any moment; peers wait in the backlog.
    ///
    /// # Errors
    /// `STALE`, `CLOSED`.
    pub fn listener_pause(&self, id: Id) -> Result<()> {
        self.0.listener_pause(id, true)
    }

    /// Offers connections again.
    ///
    /// # Errors
    /// `STALE`, `CLOSED`.
    pub fn listener_resume(&self, id: Id) -> Result<()> {
        self.0.listener_pause(id, false)
    }

    /// The listener as it is now.
    ///
    /// # Errors
    /// `STALE`.
    pub fn listener_info(&self, id: Id) -> Result<ListenerInfo> {
        self.0.listener_info(id)
    }

    /// Binds a UDP socket. `query`: numbers; no node for all addresses of this machine, no service for a free port.
    ///
    /// # Errors
    /// Those of [`Handle::listener_tcp`].
    pub fn udp_bind(
        &self,
        query: Query,
        options: UdpOptions,
        f: impl FnMut(&Handle, Id, UdpEvent<'_>) + 'static,
    ) -> Result<Id> {
        self.0.udp_bind(query, options, Closure::new(f))
    }

    /// Takes over a socket for datagrams. When it fails the socket stays the caller's.
    ///
    /// # Errors
    /// Those of [`Handle::listener_tcp`], `EXIST`.
    pub fn udp_adopt(&self, fd: OsFd, f: impl FnMut(&Handle, Id, UdpEvent<'_>) + 'static) -> Result<Id> {
        self.0.udp_adopt(fd, Closure::new(f))
    }

    /// Sends one datagram, now or not at all. `to`: `None` for the address that the socket is connected to.
    ///
    /// # Errors
    /// `STALE`, `OS` (too long, no way there, or too many at once), `INVAL`, `CLOSED`.
    pub fn udp_send(&self, id: Id, to: Option<&Address>, bytes: &[u8]) -> Result<()> {
        self.0.udp_send(id, to, &[IoSlice::new(bytes)])
    }

    /// The socket as it is now.
    ///
    /// # Errors
    /// `STALE`.
    pub fn udp_info(&self, id: Id) -> Result<UdpInfo> {
        self.0.udp_info(id)
    }
}
