"""The transport of a connected socket: its data is moved by native code, the rest is CPython's own. Those of datagrams and pipes,
which not every system has, are in `_unix_transports.py`.

Owns: nothing; a transport belongs to its loop. The loop's own thread only. The private names are those of CPython 3.11 to
3.15, used as in `_compat.py`.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio import base_events, constants, selector_events
from contextvars import Context
from typing import Any

from ._native import StreamTransport
from ._transport_base import Loop, Reads, SelectorTransport, Writes, begin, passes_for

_SelectorSocketTransport: Any = selector_events._SelectorSocketTransport  # type: ignore[attr-defined]


class SocketTransport(Reads, Writes, StreamTransport):
    """What `_SelectorSocketTransport` is."""

    __slots__ = ()

    __class__ = passes_for(_SelectorSocketTransport, "SocketTransport")  # pyright: ignore[reportIncompatibleMethodOverride]

    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.TRY_NATIVE

    def __init__(
        self,
        loop: Loop,
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
