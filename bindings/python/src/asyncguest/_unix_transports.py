"""The transports of datagrams and pipes: their data is moved by native code, the rest is CPython's own. Not on Windows, whose
proactor does it.

Owns: nothing; a transport belongs to its loop. The loop's own thread only. The private names are those of CPython 3.11 to
3.15, used as in `_compat.py`.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import asyncio
import os
import socket
import stat
from asyncio import selector_events, unix_events
from typing import Any, Self

from ._native import DatagramTransport as NativeDatagramTransport
from ._native import ReadPipeTransport as NativeReadPipeTransport
from ._native import Transport
from ._native import WritePipeTransport as NativeWritePipeTransport
from ._transport_base import Loop, Reads, SelectorTransport, Writes, begin, passes_for

#: The addresses that native transports of datagrams know.
_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)

_SelectorDatagramTransport: Any = selector_events._SelectorDatagramTransport  # type: ignore[attr-defined]
_ReadPipeTransport: Any = unix_events._UnixReadPipeTransport  # type: ignore[attr-defined]
_WritePipeTransport: Any = unix_events._UnixWritePipeTransport  # type: ignore[attr-defined]


class DatagramTransport(Reads, Writes, NativeDatagramTransport):
    """What `_SelectorDatagramTransport` is."""

    __slots__ = ()

    __class__ = passes_for(_SelectorDatagramTransport, "DatagramTransport")  # pyright: ignore[reportIncompatibleMethodOverride]

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        protocol: asyncio.DatagramProtocol,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        loop._transports[self._sock_fd] = self
        begin(self, loop, protocol, waiter)

    __repr__ = SelectorTransport.__repr__
    __del__ = SelectorTransport.__del__
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

    def _open(self: Any, loop: Loop, pipe: Any, protocol: Any, waiter: Any, watches: bool = True) -> None:
        self._extra["pipe"] = pipe
        os.set_blocking(self._fileno, False)
        begin(self, loop, protocol, waiter, watches)


class ReadPipeTransport(Reads, _Pipe, NativeReadPipeTransport):
    """What `_UnixReadPipeTransport` is."""

    __slots__ = ()

    __class__ = passes_for(_ReadPipeTransport, "ReadPipeTransport")  # pyright: ignore[reportIncompatibleMethodOverride]

    def __new__(cls, loop: Loop, pipe: Any, *rest: Any) -> Self:
        mode = os.fstat(pipe.fileno()).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)):
            raise ValueError("Pipe transport is for pipes/sockets only.")
        return super().__new__(cls, loop, pipe, *rest)

    def __init__(self, loop: Loop, pipe: Any, protocol: Any, waiter: Any = None, extra: Any = None) -> None:
        self._open(loop, pipe, protocol, waiter)

    __repr__ = _ReadPipeTransport.__repr__
    __del__ = _ReadPipeTransport.__del__


class WritePipeTransport(Writes, _Pipe, NativeWritePipeTransport):
    """What `_UnixWritePipeTransport` is."""

    __slots__ = ()

    __class__ = passes_for(_WritePipeTransport, "WritePipeTransport")  # pyright: ignore[reportIncompatibleMethodOverride]

    def __new__(cls, loop: Loop, pipe: Any, *rest: Any) -> Self:
        mode = os.fstat(pipe.fileno()).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)):
            raise ValueError("Pipe transport is only for pipes, sockets and character devices")
        return super().__new__(cls, loop, pipe, *rest)

    def __init__(self, loop: Loop, pipe: Any, protocol: Any, waiter: Any = None, extra: Any = None) -> None:
        # A device that can be read, a terminal, is so whether or not anybody listens.
        self._open(loop, pipe, protocol, waiter, watches=not stat.S_ISCHR(os.fstat(self._fileno).st_mode))

    __repr__ = _WritePipeTransport.__repr__
    __del__ = _WritePipeTransport.__del__
    writelines = asyncio.Transport.writelines
    is_reading = asyncio.Transport.is_reading  # these are not for what is written to, and say so
    pause_reading = asyncio.Transport.pause_reading
    resume_reading = asyncio.Transport.resume_reading


class TransportHooks:
    """Asyncio's hooks for them, where the loop has native transports."""

    __slots__ = ()

    def _make_datagram_transport(self: Any, sock: socket.socket, *args: Any, **options: Any) -> Any:
        if self.read_buffer is not None and type(sock) is socket.socket and sock.family in _FAMILIES:
            self._ensure_fd_no_transport(sock)
            return DatagramTransport(self, sock, *args, **options)
        return super()._make_datagram_transport(sock, *args, **options)  # type: ignore[misc]

    def _make_read_pipe_transport(self: Any, *args: Any) -> Any:
        if self.read_buffer is not None:
            return ReadPipeTransport(self, *args)
        return super()._make_read_pipe_transport(*args)  # type: ignore[misc]

    def _make_write_pipe_transport(self: Any, *args: Any) -> Any:
        if self.read_buffer is not None:
            return WritePipeTransport(self, *args)
        return super()._make_write_pipe_transport(*args)  # type: ignore[misc]
