"""Linux and its like: see `_system`."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import asyncio
import os
import select
import signal
from collections.abc import Callable

from ._children import Children as Children
from ._unix_transports import TransportHooks as TransportHooks

AsyncioLoop = asyncio.SelectorEventLoop

HANDLERS_CHAIN = True

NATIVE_TRANSPORTS = True


def new_pipe() -> tuple[int, int]:
    """The reading and the writing end. Neither blocks."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    return reading, writing


def drain(reading: int) -> None:
    """Takes what is in the pipe. BlockingIOError if that is nothing."""
    os.read(reading, 4096)


def file_of(fd: int) -> tuple[object, ...]:
    """Which file it is, whatever its number; OSError if that is closed."""
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def is_ready(fd: int, milliseconds: int | None) -> bool:
    """Waits until the fd is readable, or for so long; without the interpreter lock."""
    fds = select.poll()
    fds.register(fd, select.POLLIN)
    return bool(fds.poll(milliseconds))


def restart_calls(signum: int) -> None:
    """System calls that a handler of this signal interrupts go on after it."""
    signal.siginterrupt(signum, False)


def after_fork(hook: Callable[[], None]) -> None:
    """Calls `hook` in each child of a fork."""
    os.register_at_fork(after_in_child=hook)
