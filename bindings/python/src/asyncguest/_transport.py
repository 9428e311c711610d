"""The transport of a connected socket, and the loop that makes native transports: their data is moved by native code, the rest
is CPython's own. Those of datagrams and pipes, which not every system has, are in `_unix_transports.py`.

Owns: nothing; a transport belongs to its loop. The loop's own thread only. The private names are those of CPython 3.11 to
3.15, used as in `_compat.py`.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import sys
from asyncio import base_events, constants, selector_events
from contextvars import Context
from typing import Any

from ._cpython_loop import CPythonLoop
from ._native import Reactor, ReadBuffer, StreamTransport, TransportHandle
from ._selector import GuestSelector
from ._system import TransportHooks
from ._tls import TLSProtocol
from ._transport_base import Reads, SelectorTransport, Writes, begin, passes_for

_SelectorSocketTransport: Any = selector_events._SelectorSocketTransport  # type: ignore[attr-defined]


class SocketTransport(Reads, Writes, StreamTransport):
    """What `_SelectorSocketTransport` is."""

    __slots__ = ()

    __class__ = passes_for(_SelectorSocketTransport, "SocketTransport")  # pyright: ignore[reportIncompatibleMethodOverride]

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
        context: Context | None = None,
    ) -> None:
        loop._transports[self._sock_fd] = self
        if server is not None:
            _join(server, self)
        base_events._set_nodelay(sock)  # type: ignore[attr-defined]
        begin(self, loop, protocol, waiter, context=context)

    __repr__ = SelectorTransport.__repr__
    __del__ = SelectorTransport.__del__

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


class TransportLoop(TransportHooks, CPythonLoop):
    """CPython's loop that makes native transports, where `native` says so and a socket is an ordinary one."""

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
        **context: Any,
    ) -> Any:
        # asyncio's own hook, which gives a context from 3.15 on. A class derived from socket may do something else with the data.
        if self.read_buffer is not None and type(sock) is socket.socket:
            self._ensure_fd_no_transport(sock)  # type: ignore[attr-defined]
            return SocketTransport(self, sock, protocol, waiter, extra, server, **context)
        return super()._make_socket_transport(sock, protocol, waiter, extra=extra, server=server, **context)

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
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        **context: Any,
    ) -> Any:
        # asyncio's own hook, which would take its own transport below the encryption.
        self._ensure_fd_no_transport(rawsock)  # type: ignore[attr-defined]
        tls = TLSProtocol(
            self,
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        self._make_socket_transport(rawsock, tls, extra=extra, server=server, **context)
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
