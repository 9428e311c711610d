"""The process's wake-up fd: what makes Python's signal handlers run while a C or C++ loop is in charge.

Owns: one pipe for the life of the process, which all loops share and we never close. So whoever saves the wake-up fd and
puts it back later, in whatever order with our runs, puts back a number that is open and still the same pipe's. Main
thread only: CPython lets no other one set the wake-up fd.

CPython writes a byte there for each signal that a handler of Python's is for. The loops of the main thread watch the
other end, whoever's fd is in place: that one of them wakes lets the interpreter run what has to be run.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING

from ._system import drain, file_of, new_pipe

if TYPE_CHECKING:
    from typing import Any, Protocol

    from ._native import Reactor

    class Readers(Protocol):
        """What watches fds: an asyncio loop, or who does it as one does."""

        def add_reader(self, fd: int, callback: Callable[..., object], /, *args: Any) -> object: ...

        def remove_reader(self, fd: int, /) -> object: ...


#: The reading and the writing end, once there was a run on the main thread.
_pipe: tuple[int, int] | None = None

#: Which files they are.
_file: tuple[object, ...] = ()

#: The runs of the main thread that have not ended.
_users: list[WakeupFd] = []


_main = threading.main_thread().ident


def on_main_thread() -> bool:
    """Whether this thread may change the process's signal state."""
    return threading.get_ident() == _main  # calls no Python: a handler of SIGINT finds a frame of the package


class WakeupFd:
    """The wake-up fd for the time of a run, unless somebody has one: then it stays theirs.

    Only on the main thread; elsewhere it does nothing. After the last run there is none, as before, unless somebody has
    set theirs meanwhile, which stays.
    """

    def __init__(self, loop: Readers, reactor: Reactor) -> None:
        self._loop, self._reactor = loop, reactor

    def __enter__(self) -> WakeupFd:
        if on_main_thread():
            reading, writing = _made()
            # The handle keeps the context that it is made in, and so all that it leads to.
            Context().run(self._loop.add_reader, reading, _drain, reading)
            _users.append(self)
            _put_back(signal.set_wakeup_fd(writing, warn_on_full_buffer=False))
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self not in _users:
            return
        _users.remove(self)
        reading, _ = _made()
        if not self._reactor.closed:  # by a fork inside, for the child
            self._loop.remove_reader(reading)
        if not _users and on_main_thread():
            _put_back(signal.set_wakeup_fd(-1))


def _made() -> tuple[int, int]:
    global _pipe, _file
    if _pipe is None or not _is_open(_pipe):
        _pipe = new_pipe()
        _file = tuple(map(file_of, _pipe))
    return _pipe


def _is_open(pipe: tuple[int, int]) -> bool:
    """Nobody has closed it, as a program does that becomes a daemon: the numbers may be those of other files by now."""
    try:
        return tuple(map(file_of, pipe)) == _file
    except OSError:
        return False


def _put_back(fd: int) -> None:
    """Puts back what was in place, if it is somebody else's and they have not closed it: what replaced it stays then."""
    if fd != -1 and fd not in _made():
        try:
            signal.set_wakeup_fd(fd)  # whether it is to warn cannot be asked: that it does is the default
        except (OSError, ValueError):  # closed; the number is that of something else by now, which blocks
            pass


def _drain(reading: int) -> None:
    try:
        drain(reading)
    except BlockingIOError:
        pass  # another loop has


def is_main_in_child() -> bool:
    """In the child of a fork: its one thread is the main one from here on. Returns whether it was before."""
    global _main
    was, _main = on_main_thread(), threading.get_ident()
    return was


def renew_in_child() -> None:
    """In the child of a fork: the same numbers, but a pipe of its own, so that neither process wakes the other."""
    global _file
    _users.clear()
    if _pipe is None or not _is_open(_pipe):
        return
    new = new_pipe()
    for ours, inherited in zip(new, _pipe):
        os.dup2(ours, inherited, inheritable=False)
        os.close(ours)
    _file = tuple(map(file_of, _pipe))
    _put_back(signal.set_wakeup_fd(-1))
