"""The transport of a connected socket: its data is moved by native code, the rest is CPython's own.

Owns: nothing; a transport belongs to its loop. The loop's own thread only. The private names are those of CPython 3.11 to
3.13, used as in `_compat.py`.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import sys
from asyncio import base_events, constants, futures, selector_events, trsock
from typing import Any

from ._cpython_loop import CPythonLoop
from ._native import Reactor, ReadBuffer, StreamTransport, TransportHandle
from ._selector import GuestSelector
from ._tls import TLSProtocol

_SelectorTransport: Any = selector_events._SelectorTransport  # type: ignore[attr-defined]
_SelectorSocketTransport: Any = selector_events._SelectorSocketTransport  # type: ignore[attr-defined]


class _Passed(_SelectorSocketTransport):  # type: ignore[misc]
    """What a native transport passes for: asyncio's own code asks whether it is one of its classes."""


_Passed.__name__ = _Passed.__qualname__ = "SocketTransport"


class SocketTransport(StreamTransport):
    """What `_SelectorSocketTransport` is, for `isinstance` too: one cannot derive from that and from a native class."""

    __slots__ = ()

    __class__ = property(lambda self: _Passed)  # pyright: ignore[reportIncompatibleMethodOverride]

    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.TRY_NATIVE

    def __init__(
        self,
        loop: TransportLoop,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
        server: Any = None,
    ) -> None:
        extra = self._extra
        extra["socket"] = trsock.TransportSocket(sock)
        extra["sockname"] = _name(sock.getsockname)
        if "peername" not in extra:
            extra["peername"] = _name(sock.getpeername)
        self.set_protocol(protocol)
        if server is not None:
            _join(server, self)
        loop._transports[self._sock_fd] = self
        base_events._set_nodelay(sock)  # type: ignore[attr-defined]
        loop.call_soon(protocol.connection_made, self)
        loop.call_soon(self._start_reading)
        if waiter is not None:
            loop.call_soon(futures._set_result_unless_cancelled, waiter, None)  # type: ignore[attr-defined]

    __repr__ = _SelectorTransport.__repr__
    __del__ = _SelectorTransport.__del__
    get_write_buffer_limits = _SelectorTransport.get_write_buffer_limits
    set_write_buffer_limits = _SelectorTransport.set_write_buffer_limits
    _set_write_buffer_limits = _SelectorTransport._set_write_buffer_limits

    def _leave(self, server: Any) -> None:
        if sys.version_info >= (3, 13):
            server._detach(self)
        else:
            server._detach()


def _join(server: Any, transport: SocketTransport) -> None:
    if sys.version_info >= (3, 13):
        server._attach(transport)
    else:
        server._attach()


def _name(ask: Any) -> Any:
    try:
        return ask()
    except OSError:
        return None


class TransportLoop(CPythonLoop):
    """CPython's selector loop that makes native transports, where `native` says so and the socket is an ordinary one."""

    _transports: Any

    def __init__(self, reactor: Reactor, selector: GuestSelector, native: bool) -> None:
        #: Where its native transports receive; None: it has none. For the package itself.
        self.read_buffer = ReadBuffer() if native else None
        super().__init__(reactor, selector)

    def _make_socket_transport(
        self,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        *,
        extra: dict[str, Any] | None = None,
        server: Any = None,
    ) -> Any:
        # asyncio's own hook. A class derived from socket may do something else with the data.
        if self.read_buffer is not None and type(sock) is socket.socket:
            self._ensure_fd_no_transport(sock)  # type: ignore[attr-defined]
            return SocketTransport(self, sock, protocol, waiter, extra, server)
        return super()._make_socket_transport(sock, protocol, waiter, extra=extra, server=server)

    def _make_ssl_transport(
        self,
        rawsock: socket.socket,
        protocol: asyncio.BaseProtocol,
        sslcontext: Any,
        waiter: Any = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: dict[str, Any] | None = None,
        server: Any = None,
        **timeouts: Any,
    ) -> Any:
        # asyncio's own hook, which would take its own transport below the encryption.
        self._ensure_fd_no_transport(rawsock)  # type: ignore[attr-defined]
        tls = TLSProtocol(self, protocol, sslcontext, waiter, server_side, server_hostname, **timeouts)
        self._make_socket_transport(rawsock, tls, extra=extra, server=server)
        return tls._app_transport

    def watch_transport(self, fd: int, event: int, handle: TransportHandle) -> None:
        """Runs `handle` when `fd` is ready for `event`: what `_add_reader` does for a callback. For the package itself."""
        self._check_closed()  # type: ignore[attr-defined]
        key = self._selector.keys.get(fd)
        reader, writer = (None, None) if key is None else key.data
        before = reader if event == selectors.EVENT_READ else writer
        handles = (handle, writer) if event == selectors.EVENT_READ else (reader, handle)
        if key is None:
            self._selector.register(fd, event, handles)
        else:
            self._selector.modify(fd, key.events | event, handles)
        if before is not None:
            before.cancel()
