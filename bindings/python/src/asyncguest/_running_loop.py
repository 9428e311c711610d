"""Which loop is "the running loop" of a host thread between the guests' deliveries.

Owns: the list of guests of each thread whose host is no async library itself. The oldest one that is alive is it.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING

from ._compat import running_loop, set_running_loop

if TYPE_CHECKING:
    from ._host import Host

_here = threading.local()


def enter(loop: asyncio.AbstractEventLoop, host: Host) -> bool:
    """A guest starts on this thread. Returns whether its loop may be the running one between deliveries."""
    is_async = host.is_async
    if is_async is None:
        is_async = in_trio()
    loops: list[asyncio.AbstractEventLoop] = getattr(_here, "loops", [])
    now = running_loop()
    if is_async or (now is not None and now not in loops):
        return False
    _here.loops = loops
    loops.append(loop)
    if now is None:  # else it is one of these, or that of the delivery in which the guest is started
        set_running_loop(loop)
    return True


def first() -> asyncio.AbstractEventLoop | None:
    """The loop that is the running one between deliveries, if there is one."""
    loops: list[asyncio.AbstractEventLoop] = getattr(_here, "loops", [])
    return loops[0] if loops else None


def leave(loop: asyncio.AbstractEventLoop) -> None:
    """The guest has ended, outside of its deliveries: the next one takes its place."""
    loops: list[asyncio.AbstractEventLoop] = getattr(_here, "loops", [])
    if loop in loops:  # not if the thread that started it is gone and another one ends it
        loops.remove(loop)
    if running_loop() is loop:
        set_running_loop(first())


def forget() -> None:
    """In the child of a fork."""
    _here.loops = []


def in_trio() -> bool:
    """Whether this code runs inside Trio."""
    trio = sys.modules.get("trio")
    if trio is None:
        return False
    try:
        trio.lowlevel.current_trio_token()
    except (AttributeError, RuntimeError):  # half imported; not inside
        return False
    return True
