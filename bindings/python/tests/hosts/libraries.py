"""The async libraries whose code is played: what a scenario needs of one, so that it is written once for all of them.

Owns: nothing. Host thread only.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Any

import asyncguest

__all__ = ["LIBRARIES", "Asyncio", "Trio"]


class Asyncio:
    """The guests that the package is about."""

    #: Has `set` and `wait`; made in guest code.
    Event: Any = asyncio.Event

    def start(self, run: Any, host: Any, async_fn: Callable[..., Any], args: Any, options: Any) -> None:
        """Starts a guest, which is `run.guest` from then on; `run.over(end)` is its `done_callback`."""
        run.guest = asyncguest.Guest(host, done_callback=run.over, **options)
        run.guest.start(async_fn, *args)

    def start_found(self, async_fn: Callable[..., Any], done: Callable[[Any], object]) -> Any:
        """The same in the host that is there; returns the guest."""
        return asyncguest.start(async_fn, done_callback=done)

    def result(self, end: Any) -> Any:
        """What the main function has returned, or raises what it has raised."""
        return end.result()

    def was_cancelled(self, end: Any) -> bool:
        return bool(end.cancelled())

    def was_interrupted(self, guest: Any, end: Any) -> bool:
        """By Ctrl-C, once."""
        return bool(end.cancelled() and guest.interrupted_count == 1)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def linger(self, seconds: float) -> None:
        """For the clean-up of what was cancelled."""
        await asyncio.sleep(seconds)

    def soon(self) -> Callable[[Callable[[], object]], object]:
        """What has a function called on the host thread. The function that it returns: any thread."""
        return asyncio.get_running_loop().call_soon_threadsafe

    def deliveries(self, guest: Any) -> int:
        """How many it has had."""
        return int(guest.stats().batches)

    def parts(self, guest: Any) -> list[Any]:
        """What is to be garbage after its end."""
        return [guest, guest.loop, guest.task]


class Trio:
    """The same by `asyncguest.guests.trio`. ImportError where Trio is not to be had."""

    def __init__(self) -> None:
        self.trio = importlib.import_module("trio")
        self.guests = importlib.import_module("asyncguest.guests.trio")
        self.Event = self.trio.Event

    def start(self, run: Any, host: Any, async_fn: Callable[..., Any], args: Any, options: Any) -> None:
        run.guest = self.guests.start(async_fn, *args, host=host, done_callback=run.over, **options)

    def start_found(self, async_fn: Callable[..., Any], done: Callable[[Any], object]) -> Any:
        return self.guests.start(async_fn, done_callback=done)

    def result(self, end: Any) -> Any:
        return end.unwrap()

    def was_cancelled(self, end: Any) -> bool:
        return isinstance(getattr(end, "error", None), self.guests.GuestCancelled)

    def was_interrupted(self, guest: Any, end: Any) -> bool:
        return isinstance(getattr(end, "error", None), KeyboardInterrupt)

    async def sleep(self, seconds: float) -> None:
        await self.trio.sleep(seconds)

    async def linger(self, seconds: float) -> None:
        with self.trio.CancelScope(shield=True):
            await self.trio.sleep(seconds)

    def soon(self) -> Callable[[Callable[[], object]], object]:
        return self.trio.lowlevel.current_trio_token().run_sync_soon  # type: ignore[no-any-return]

    def deliveries(self, guest: Any) -> int:
        return int(guest.record.jobs.reactor.stats()["batches"])

    def parts(self, guest: Any) -> list[Any]:
        return [guest, guest.record, guest.record.jobs]


#: By name.
LIBRARIES: dict[str, Callable[[], Any]] = {"asyncio": Asyncio, "trio": Trio}
