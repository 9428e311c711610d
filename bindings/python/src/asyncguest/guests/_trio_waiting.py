"""How tasks of a run of Trio await what a toolkit tells: `Event`, `Slot`, dialogs.

Owns: nothing. Importing it makes those find Trio's runs. Host thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, TypeVar

import trio
from sniffio import thread_local as running_library

from .. import _exit, _waiting
from ._trio_run import TrioRun

T = TypeVar("T")


class _Waiter:
    """What one task awaits, once."""

    def __init__(self) -> None:
        self.event = trio.Event()

    def __await__(self) -> Generator[Any, Any, None]:
        return self.event.wait().__await__()


class _TrioWaiting:
    """How a task of Trio's waits for what a toolkit tells. See `Waiting`."""

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        self._token = token

    def waiter(self) -> _Waiter:
        return _Waiter()

    def wake(self, waiter: _Waiter) -> None:
        waiter.event.set()

    def soon(self, function: Callable[[T], object], what: T) -> None:
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function, what)

    async def checkpoint(self) -> None:
        await trio.lowlevel.checkpoint()


def _waiting_here() -> _TrioWaiting | None:
    """If it is code of a run of Trio's that runs, and no other library's that is nested in it."""
    if running_library.name != "trio":
        return None
    runs = [run for run in _exit.alive_here() if isinstance(run, TrioRun)]
    return _TrioWaiting(runs[0].token) if runs else None


_waiting.others.append(_waiting_here)
