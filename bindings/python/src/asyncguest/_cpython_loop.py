"""CPython's loop of this system with its engine room in the native module: see `LoopCore`, and native/src.

Owns: what of the loop belongs to neither. The loop's own thread only.
Its private names are those of CPython 3.11 to 3.15, used as in `_compat.py`.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import sys
from typing import Any

from ._native import LoopCore, Reactor, ReadBuffer, TransportHandle
from ._selector import GuestSelector
from ._system import AsyncioLoop, TransportHooks
from ._tls import TLSProtocol
from ._transport import SocketTransport


class CPythonLoop(TransportHooks, LoopCore, AsyncioLoop):  # what LoopCore has replaces asyncio's
    """CPython's loop of this system with its engine room in the native module.

    What it inherits from asyncio (transports, servers, subprocesses, executors, name resolution, sendfile) calls the
    public methods; what `LoopCore` has in the place of asyncio's is one iteration and what leads to it: an iteration can
    be cut by a budget there, and entered again by a nested host loop. Its transports are native where `native` says so
    and a socket is an ordinary one.
    """

    _selector: GuestSelector
    _transports: Any

    if sys.version_info >= (3, 14):
        # Its handle may be cancelled on another thread, where that waits while the callback runs.
        call_soon_threadsafe = asyncio.BaseEventLoop.call_soon_threadsafe  # type: ignore[assignment]

    def __init__(self, reactor: Reactor, selector: GuestSelector, native: bool) -> None:
        #: Where its native transports receive; None: it has none. For the package itself.
        self.read_buffer = ReadBuffer() if native else None
        self.wait_in(reactor, selector.keys)
        super().__init__(selector)

    def queue_handle(self, handle: asyncio.Handle) -> None:
        """Queues a handle that exists already."""
        if not handle._cancelled:
            self._ready.append(handle)

    # ---- being the running loop

    def claim(self, thread_id: int) -> None:
        """The loop counts as running from here on. What else `run_forever` sets, each delivery sets."""
        self._thread_id = thread_id

    def release(self) -> None:
        self._stopping = False
        self._thread_id = None

    def leave_to_parent(self) -> None:
        """In the child of a fork: lets go of what is queued. It is kept, or else its coroutines would be closed."""
        self._left_to_parent = self.take_queued()

    # ---- transports

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
        transport = super()._make_socket_transport(sock, protocol, waiter, extra=extra, server=server, **context)  # type: ignore[misc]
        # A fresh buffer of 256 KiB for each recv costs an mmap or a trim of the heap each time.
        transport.max_size = 64 * 1024
        return transport

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
