"""How a task waits for what a toolkit tells, in another async library than asyncio. In asyncio: native/src/receiver.rs.

Owns: the list of libraries beside asyncio whose code may ask. Host thread only, except `Waiting.soon`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
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


#: Each tells how code of its library waits, if it is that code that runs. The modules of `guests` add theirs.
others: list[Callable[[], Waiting | None]] = []


def waiting_here() -> Waiting | asyncio.AbstractEventLoop:
    """That of the code that runs here, for asyncio's its loop; GuestError if it is no guest's. Called by the native `Receiver`."""
    for other in others:
        found = other()
        if found is not None:
            return found
    return current_guest().loop
