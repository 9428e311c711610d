"""Windows: see `_system`. The private names are those of CPython 3.11 to 3.13, used as in `_compat.py`.

A completion port is waited for by one thread and handled by another without a race if the second does both submitting and
handling. So the proactor stays as CPython has made it and lives on the loop's thread alone; the library's thread waits until
its port has something, and takes nothing from it.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import _winapi
import asyncio
import socket
from asyncio.windows_events import IocpProactor
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._selector import GuestSelector

#: A handler of the console's that has taken Ctrl-C is the last one. The wake-up fd wakes the loop for Python's own.
HANDLERS_CHAIN = False

#: A socket takes whatever is written at once, so that they have little to hold back; the proactor counts it until it is sent.
NATIVE_TRANSPORTS = False

_SelectorLoop: Any = asyncio.SelectorEventLoop
_ProactorLoop: Any = asyncio.ProactorEventLoop
_IocpProactor: Any = IocpProactor


class AsyncioLoop(asyncio.ProactorEventLoop, asyncio.SelectorEventLoop):
    """Both loops of asyncio's in one: pipes, subprocesses, UDP and `sock_*` are the proactor's, `add_reader` the selector's.

    The proactor's port is one more thing that the selector watches. It needs neither a self-pipe, as the library wakes the
    loop, nor the wake-up fd, which is the package's own affair (`_wakeup_fd`).
    """

    _accept_futures: dict[int, Any]

    def __init__(self, selector: GuestSelector) -> None:
        _SelectorLoop.__init__(self, selector)
        self._proactor = _IocpProactor()
        self._self_reading_future = None
        self._accept_futures = {}
        self._proactor.set_loop(self)
        # What was waited for is queued by the loop, so that no code of a user's runs inside. Its context leads to nothing.
        handle = Context().run(asyncio.Handle, self._proactor.select, (0,), self)
        selector.register_handle(self._proactor._iocp, (handle, None))

    # What looks at the selector when somebody iterates the loop by hand.
    _process_events = _SelectorLoop._process_events

    def _make_self_pipe(self) -> None:
        pass

    def _close_self_pipe(self) -> None:
        pass

    def _loop_self_reading(self, future: object = None) -> None:
        pass

    def close(self) -> None:
        """Closes the loop, when what the proactor has begun is cancelled and has come back."""
        if self.is_running():
            raise RuntimeError("Cannot close a running event loop")
        if not self.is_closed():
            self._stop_accept_futures()  # type: ignore[attr-defined]
            proactor: Any = self._proactor
            proactor.close()
            self._proactor = None
        _SelectorLoop.close(self)


class TransportHooks:
    """None: the data of datagrams and pipes is the proactor's."""

    __slots__ = ()


class Children:
    """Asyncio's own way: the proactor waits for the process."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop

    async def start(self, *args: Any, **options: Any) -> Any:
        """What asyncio asks `_make_subprocess_transport` for, with its arguments."""
        return await _ProactorLoop._make_subprocess_transport(self._loop, *args, **options)

    def close(self) -> None:
        """Nobody is told of the children that still run."""


def new_pipe() -> tuple[int, int]:
    """The reading and the writing end: sockets, as Python's handler of signals wants it here. Neither blocks."""
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    return reading.detach(), writing.detach()


def drain(reading: int) -> None:
    """Takes what is in the pipe. BlockingIOError if that is nothing."""
    end = socket.socket(fileno=reading)
    try:
        end.recv(4096)
    finally:
        end.detach()


def file_of(fd: int) -> tuple[object, ...]:
    """Which socket it is, whatever its number; OSError if that is closed."""
    end = socket.socket(fileno=fd)
    try:
        return end.getsockname(), end.getpeername()
    finally:
        end.detach()


def is_ready(fd: int, milliseconds: int | None) -> bool:
    """Waits until the handle is signalled, or for so long; without the interpreter lock."""
    limit = _winapi.INFINITE if milliseconds is None else milliseconds
    return _winapi.WaitForSingleObject(fd, limit) == _winapi.WAIT_OBJECT_0


def restart_calls(signum: int) -> None:
    """No system call is interrupted: handlers have a thread of their own."""


def after_fork(hook: Callable[[], None]) -> None:
    """There are no forks."""
