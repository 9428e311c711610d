"""The transports of sockets and pipes: their data is moved by native code, the rest is CPython's own.

Owns: nothing; a transport belongs to its loop. The loop's own thread only. The private names are those of CPython 3.11 to
3.13, used as in `_compat.py`.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import stat
import sys
from asyncio import base_events, constants, futures, selector_events, trsock, unix_events
from typing import TYPE_CHECKING, Any

from ._cpython_loop import CPythonLoop
from ._native import DatagramTransport as NativeDatagramTransport
from ._native import Reactor, ReadBuffer, StreamTransport, Transport, TransportHandle
from ._native import ReadPipeTransport as NativeReadPipeTransport
from ._native import WritePipeTransport as NativeWritePipeTransport
from ._selector import GuestSelector
from ._tls import TLSProtocol

if TYPE_CHECKING:
    from typing import Self

#: The addresses that native transports of datagrams know.
_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)

_SelectorTransport: Any = selector_events._SelectorTransport  # type: ignore[attr-defined]
_SelectorSocketTransport: Any = selector_events._SelectorSocketTransport  # type: ignore[attr-defined]


_SelectorDatagramTransport: Any = selector_events._SelectorDatagramTransport  # type: ignore[attr-defined]
_ReadPipeTransport: Any = unix_events._UnixReadPipeTransport  # type: ignore[attr-defined]
_WritePipeTransport: Any = unix_events._UnixWritePipeTransport  # type: ignore[attr-defined]


def _passes_for(asyncios: type, name: str) -> Any:
    """The `__class__` of a native transport. One cannot derive from asyncio's and from a native class, and asyncio's own code
    asks, as users do, whether a transport is one of asyncio's: by `isinstance`, which this answers. `type()` tells."""
    passed = type(name, (asyncios,), {})
    return property(lambda self: passed)


class _Reads:
    """What is public of a transport that reads."""

    __slots__ = ()

    is_reading = Transport._is_reading
    pause_reading = Transport._pause_reading
    resume_reading = Transport._resume_reading
    max_size = Transport._max_size


class _Writes:
    """What is public of a transport that writes."""

    __slots__ = ()

    abort = Transport._abort
    get_write_buffer_size = Transport._get_write_buffer_size
    get_write_buffer_limits = _SelectorTransport.get_write_buffer_limits
    set_write_buffer_limits = _SelectorTransport.set_write_buffer_limits
    _set_write_buffer_limits = _SelectorTransport._set_write_buffer_limits


def _begin(transport: Any, loop: TransportLoop, protocol: Any, waiter: Any, watches: bool = True) -> None:
    """The protocol is told, and then the fd is watched."""
    transport.set_protocol(protocol)
    loop.call_soon(protocol.connection_made, transport)
    if watches:
        loop.call_soon(transport._start_reading)
    if waiter is not None:
        loop.call_soon(futures._set_result_unless_cancelled, waiter, None)  # type: ignore[attr-defined]


def _introduce(transport: Any, loop: TransportLoop, sock: socket.socket) -> None:
    """What asyncio knows of a socket's transport."""
    extra = transport._extra
    extra["socket"] = trsock.TransportSocket(sock)
    extra["sockname"] = _name(sock.getsockname)
    if "peername" not in extra:
        extra["peername"] = _name(sock.getpeername)
    loop._transports[transport._sock_fd] = transport


class SocketTransport(_Reads, _Writes, StreamTransport):
    """What `_SelectorSocketTransport` is."""

    __slots__ = ()

    __class__ = _passes_for(_SelectorSocketTransport, "SocketTransport")  # pyright: ignore[reportIncompatibleMethodOverride]

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
        _introduce(self, loop, sock)
        if server is not None:
            _join(server, self)
        base_events._set_nodelay(sock)  # type: ignore[attr-defined]
        _begin(self, loop, protocol, waiter)

    __repr__ = _SelectorTransport.__repr__
    __del__ = _SelectorTransport.__del__

    def _leave(self, server: Any) -> None:
        if sys.version_info >= (3, 13):
            server._detach(self)
        else:
            server._detach()


class DatagramTransport(_Reads, _Writes, NativeDatagramTransport):
    """What `_SelectorDatagramTransport` is."""

    __slots__ = ()

    __class__ = _passes_for(_SelectorDatagramTransport, "DatagramTransport")  # pyright: ignore[reportIncompatibleMethodOverride]

    def __init__(
        self,
        loop: TransportLoop,
        sock: socket.socket,
        protocol: asyncio.DatagramProtocol,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        _introduce(self, loop, sock)
        _begin(self, loop, protocol, waiter)

    __repr__ = _SelectorTransport.__repr__
    __del__ = _SelectorTransport.__del__
    _server = None
    write = asyncio.Transport.write  # these are not for datagrams, and say so
    writelines = asyncio.Transport.writelines
    write_eof = asyncio.Transport.write_eof
    can_write_eof = asyncio.Transport.can_write_eof


class _Pipe:
    """What asyncio calls by other names in a pipe's transport, and what it begins with."""

    __slots__ = ()

    _pipe = Transport._sock
    _fileno = Transport._sock_fd

    def _open(self: Any, loop: TransportLoop, pipe: Any, protocol: Any, waiter: Any, watches: bool = True) -> None:
        self._extra["pipe"] = pipe
        os.set_blocking(self._fileno, False)
        _begin(self, loop, protocol, waiter, watches)


class ReadPipeTransport(_Reads, _Pipe, NativeReadPipeTransport):
    """What `_UnixReadPipeTransport` is."""

    __slots__ = ()

    __class__ = _passes_for(_ReadPipeTransport, "ReadPipeTransport")  # pyright: ignore[reportIncompatibleMethodOverride]

    def __new__(cls, loop: TransportLoop, pipe: Any, *rest: Any) -> Self:
        mode = os.fstat(pipe.fileno()).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)):
            raise ValueError("Pipe transport is for pipes/sockets only.")
        return super().__new__(cls, loop, pipe, *rest)

    def __init__(self, loop: TransportLoop, pipe: Any, protocol: Any, waiter: Any = None, extra: Any = None) -> None:
        self._open(loop, pipe, protocol, waiter)

    __repr__ = _ReadPipeTransport.__repr__
    __del__ = _ReadPipeTransport.__del__


class WritePipeTransport(_Writes, _Pipe, NativeWritePipeTransport):
    """What `_UnixWritePipeTransport` is."""

    __slots__ = ()

    __class__ = _passes_for(_WritePipeTransport, "WritePipeTransport")  # pyright: ignore[reportIncompatibleMethodOverride]

    def __new__(cls, loop: TransportLoop, pipe: Any, *rest: Any) -> Self:
        mode = os.fstat(pipe.fileno()).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)):
            raise ValueError("Pipe transport is only for pipes, sockets and character devices")
        return super().__new__(cls, loop, pipe, *rest)

    def __init__(self, loop: TransportLoop, pipe: Any, protocol: Any, waiter: Any = None, extra: Any = None) -> None:
        # A device that can be read, a terminal, is so whether or not anybody listens.
        self._open(loop, pipe, protocol, waiter, watches=not stat.S_ISCHR(os.fstat(self._fileno).st_mode))

    __repr__ = _WritePipeTransport.__repr__
    __del__ = _WritePipeTransport.__del__
    writelines = asyncio.Transport.writelines
    is_reading = asyncio.Transport.is_reading  # these are not for what is written to, and say so
    pause_reading = asyncio.Transport.pause_reading
    resume_reading = asyncio.Transport.resume_reading


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
    """CPython's selector loop that makes native transports, where `native` says so and a socket is an ordinary one."""

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

    def _make_datagram_transport(
        self,
        sock: socket.socket,
        protocol: asyncio.DatagramProtocol,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Any:
        if self.read_buffer is not None and type(sock) is socket.socket and sock.family in _FAMILIES:
            self._ensure_fd_no_transport(sock)  # type: ignore[attr-defined]
            return DatagramTransport(self, sock, protocol, address, waiter, extra)
        return super()._make_datagram_transport(sock, protocol, address, waiter, extra)  # type: ignore[misc]

    def _make_read_pipe_transport(self, *args: Any) -> Any:
        if self.read_buffer is not None:
            return ReadPipeTransport(self, *args)
        return super()._make_read_pipe_transport(*args)  # type: ignore[misc]

    def _make_write_pipe_transport(self, *args: Any) -> Any:
        if self.read_buffer is not None:
            return WritePipeTransport(self, *args)
        return super()._make_write_pipe_transport(*args)  # type: ignore[misc]

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
