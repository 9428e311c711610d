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
    pub fn stream_connect(
        &self,
        query: Query,
        options: StreamOptions,
        f: impl FnMut(&Handle, Id, StreamEvent<'_>) + 'static,
    ) -> Result<Id> {
        self.0.stream_connect(query, options, Closure::new(f))
    }

    /// The same with addresses that are known, of whatever family.
    pub fn stream_connect_to(
        &self,
        addresses: &[Address],
        options: StreamOptions,
        f: impl FnMut(&Handle, Id, StreamEvent<'_>) + 'static,
    ) -> Result<Id> {
        self.0.stream_connect_to(addresses, options, Closure::new(f))
    }

    /// The same with the path of a Unix socket.
    pub fn stream_connect_unix(
        &self,
        path: &CStr,
        options: StreamOptions,
        f: impl FnMut(&Handle, Id, StreamEvent<'_>) + 'static,
    ) -> Result<Id> {
        self.0.stream_connect_unix(path, options, Closure::new(f))
    }

    /// Takes over the socket of a connection: the stream closes it. When it fails the socket stays the caller's.
    pub fn stream_adopt(
        &self,
        fd: OsFd,
        options: StreamOptions,
        f: impl FnMut(&Handle, Id, StreamEvent<'_>) + 'static,
    ) -> Result<Id> {
        self.0.stream_adopt(fd, options, Closure::new(f))
    }

    /// Takes the connection that `listener` offers, inside its callback.
    pub fn stream_accept(
        &self,
        listener: Id,
        options: StreamOptions,
        f: impl FnMut(&Handle, Id, StreamEvent<'_>) + 'static,
    ) -> Result<Id> {
        self.0.stream_accept(listener, options, Closure::new(f))
    }

    /// Sends bytes, or copies what cannot be sent at once and sends it later. `written` is told the end, exactly once, also
    /// when the stream or the guest ends first; but not if this fails.
    pub fn stream_write(&self, id: Id, bytes: &[u8], written: Option<Written>) -> Result<()> {
        self.0.stream_write(id, &[IoSlice::new(bytes)], Piece::copy, written)
    }

    /// Stops reading, at any moment; what has come waits in the system, and then the peer.
    pub fn stream_pause(&self, id: Id) -> Result<()> {
        self.0.stream_pause(id, true)
    }

    /// Goes on reading.
    pub fn stream_resume(&self, id: Id) -> Result<()> {
        self.0.stream_pause(id, false)
    }

    /// Ends the writing side when all is sent; reading goes on.
    pub fn stream_shutdown(&self, id: Id) -> Result<()> {
        self.0.stream_shutdown(id)
    }

    /// Ends the stream when all is sent. [`Handle::close`] ends it at once.
    pub fn stream_close(&self, id: Id) -> Result<()> {
        self.0.stream_close(id)
    }

    /// The stream as it is now.
    pub fn stream_info(&self, id: Id) -> Result<StreamInfo> {
        self.0.stream_info(id)
    }

    /// Listens for TCP connections. `query`: numbers; no node for all addresses of this machine, of both families.
    pub fn listener_tcp(
        &self,
        query: Query,
        options: ListenerOptions,
        f: impl FnMut(&Handle, Id, Outcome) + 'static,
    ) -> Result<Id> {
        self.0.listener_tcp(query, options, Closure::new(f))
    }

    /// Listens at a path of the file system, which must not exist, and stays when the listener is closed.
    pub fn listener_unix(
        &self,
        path: &CStr,
        options: ListenerOptions,
        f: impl FnMut(&Handle, Id, Outcome) + 'static,
    ) -> Result<Id> {
        self.0.listener_unix(path, options, Closure::new(f))
    }

    /// Takes over a socket that listens: the listener closes it. When it fails the socket stays the caller's.
    pub fn listener_adopt(&self, fd: OsFd, f: impl FnMut(&Handle, Id, Outcome) + 'static) -> Result<Id> {
        self.0.listener_adopt(fd, Closure::new(f))
    }

    /// Offers no connections any more, at any moment; peers wait in the backlog.
    pub fn listener_pause(&self, id: Id) -> Result<()> {
        self.0.listener_pause(id, true)
    }

    /// Offers connections again.
    pub fn listener_resume(&self, id: Id) -> Result<()> {
        self.0.listener_pause(id, false)
    }

    /// The listener as it is now.
    pub fn listener_info(&self, id: Id) -> Result<ListenerInfo> {
        self.0.listener_info(id)
    }

    /// Binds a UDP socket. `query`: numbers; no node for all addresses of this machine, no service for a free port.
    pub fn udp_bind(
        &self,
        query: Query,
        options: UdpOptions,
        f: impl FnMut(&Handle, Id, UdpEvent<'_>) + 'static,
    ) -> Result<Id> {
        self.0.udp_bind(query, options, Closure::new(f))
    }

    /// Takes over a socket for datagrams. When it fails the socket stays the caller's.
    pub fn udp_adopt(&self, fd: OsFd, f: impl FnMut(&Handle, Id, UdpEvent<'_>) + 'static) -> Result<Id> {
        self.0.udp_adopt(fd, Closure::new(f))
    }

    /// Sends one datagram, now or not at all. `to`: `None` for the address that the socket is connected to.
    pub fn udp_send(&self, id: Id, to: Option<&Address>, bytes: &[u8]) -> Result<()> {
        self.0.udp_send(id, to, &[IoSlice::new(bytes)])
    }

    /// The socket as it is now.
    pub fn udp_info(&self, id: Id) -> Result<UdpInfo> {
        self.0.udp_info(id)
    }
}
