"""How a task waits for what a toolkit tells, in whichever async library it is.

Owns: the list of libraries beside asyncio whose code may ask. Host thread only, except `Waiting.soon`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from ._start import current_guest

T = TypeVar("T")


class Waiting(Protocol):
    """One library's way, in the run whose code asks."""

    def waiter(self) -> Awaitable[object]:
        """What one task awaits, once, until it is woken."""
        ...

    def wake(self, waiter: Any) -> None:
        """Lets that task go on, later; once more does nothing."""
        ...

    def soon(self, function: Callable[[T], object], what: T) -> None:
        """Has `function(what)` called on the host thread, while the run lasts. Any thread."""
        ...

    async def checkpoint(self) -> None:
        """What each async function goes through, also if it need not wait, where the library asks for that."""
        ...


class AsyncioWaiting:
    """asyncio's."""

    __slots__ = ("_loop",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def waiter(self) -> asyncio.Future[None]:
        return self._loop.create_future()

    def wake(self, waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            waiter.set_result(None)

    def soon(self, function: Callable[[T], object], what: T) -> None:
        with suppress(RuntimeError):  # the run is over
            self._loop.call_soon_threadsafe(function, what)

    async def checkpoint(self) -> None:
        pass


#: Each tells how code of its library waits, if it is that code that runs. The modules of `guests` add theirs.
others: list[Callable[[], Waiting | None]] = []


def waiting_here() -> Waiting:
    """That of the code that runs here; GuestError if it is no guest's."""
    for other in others:
        found = other()
        if found is not None:
            return found
    return AsyncioWaiting(current_guest().loop)
