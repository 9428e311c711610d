"""asyncio: a guest in a program that asyncio runs already.

Owns: the host's tasks that look after its guests. Host thread only, except `post`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .._guest import Guest
from .._host import Host

T = TypeVar("T")

__all__ = ["AsyncioHost"]


class AsyncioHost(Host):
    """A running asyncio program: any loop, also uvloop's.

    `loop`: default the running one. `drive`: "fd" has the loop watch the guest's fd with `add_reader`; "thread" has a
    thread of the library call `call_soon_threadsafe`, for loops without (Windows' proactor loop); None takes the
    better one. The guest's loop is the running loop in the guest's own turns alone: outside of them the host's is.

        import asyncio, asyncguest
        from asyncguest.hosts.asyncio import AsyncioHost

        async def inner(name):
            await asyncio.sleep(0.1)
            return f"hello {name}"

        async def program():
            print(await AsyncioHost().run(inner, "world"))

        asyncio.run(program())

    When the program ends first, `asyncio.run` cancels a task of this host as it cancels all others; that cancels the
    guests and waits until their clean-up is done.
    """

    name = "asyncio"
    is_async = True

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, drive: str | None = None) -> None:
        if drive not in ("fd", "thread", None):
            raise ValueError(f'drive must be "fd", "thread" or None, not {drive!r}')
        if loop is None:
            loop = asyncio.get_running_loop()
        elif not isinstance(loop, asyncio.AbstractEventLoop):
            raise TypeError(f"loop must be an asyncio event loop, not {loop!r}")
        can_watch = type(loop).add_reader is not asyncio.AbstractEventLoop.add_reader
        if drive == "fd" and not can_watch:
            raise ValueError(f'{loop!r} cannot watch fds: use drive="thread", or None')
        self._loop = loop
        self.watches_fds = can_watch and drive != "thread"
        self._ends: dict[Guest, asyncio.Future[None]] = {}
        self._keepers: set[asyncio.Task[None]] = set()

    async def run(self, async_fn: Callable[..., Coroutine[Any, Any, T]], *args: Any, **options: Any) -> T:
        """Runs `async_fn(*args)` as a guest, for host code to await; returns or raises what it does.

        `options`: those of `Guest`. If the waiting task is cancelled, the guest is, and its clean-up is awaited.
        """
        guest = Guest(self, **options)
        task = guest.start(async_fn, *args)
        await self.wait(guest)
        return task.result()

    async def wait(self, guest: Guest) -> None:
        """Waits until the run of `guest` is over and cleaned up. If the waiting task is cancelled, the guest is."""
        end = self._ends.get(guest)
        cancelled: asyncio.CancelledError | None = None
        while end is not None and not end.done():
            try:
                await asyncio.shield(end)
            except asyncio.CancelledError as error:
                cancelled = error
                guest.cancel()
        if cancelled is not None:
            raise cancelled

    def watch(self, fd: int, ready: Callable[[], bool]) -> None:
        self._loop.add_reader(fd, ready)

    def unwatch(self, fd: int) -> None:
        if not self._loop.is_closed():
            self._loop.remove_reader(fd)

    def post(self, job: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(job)

    def attached(self, guest: Any) -> None:
        self._ends[guest] = self._loop.create_future()
        keeper = self._loop.create_task(self._keep(guest), name=f"keeper of {guest!r}")
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)

    def detached(self, guest: Any) -> None:
        end = self._ends.pop(guest, None)
        if end is not None and not end.done() and not self._loop.is_closed():
            end.set_result(None)

    async def _keep(self, guest: Guest) -> None:
        """Is cancelled when the program ends."""
        await self.wait(guest)
