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

# Seconds that a run has for a clean-up it has begun when the program ends, before it is cancelled a second time.
_PATIENCE = 4.0


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
        self._watched: dict[int, Callable[[], bool]] = {}
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
                if not guest.is_cancelling:  # a second time would cut its clean-up off
                    guest.cancel()
        if cancelled is not None:
            raise cancelled

    def watch(self, fd: int, ready: Callable[[], bool]) -> None:
        def turn() -> None:
            if ready() and self._watched.get(fd) is ready:
                # asyncio takes what it polled before timers that have become due: without a pause two turns would fit
                # in before them. In the next iteration only `go_on` is called, and the timers.
                loop.remove_reader(fd)
                loop.call_soon(go_on)

        def go_on() -> None:
            if self._watched.get(fd) is ready:
                loop.add_reader(fd, turn)

        loop = self._loop
        loop.add_reader(fd, turn)
        self._watched[fd] = ready

    def unwatch(self, fd: int) -> None:
        del self._watched[fd]
        if not self._loop.is_closed():
            self._loop.remove_reader(fd)

    def post(self, job: Callable[[], object]) -> None:
        # By way of one more iteration of the loop, whose timers come in between, as in `watch`.
        self._loop.call_soon_threadsafe(self._loop.call_soon, job)

    def attached(self, guest: Any) -> None:
        end = self._ends[guest] = self._loop.create_future()
        keeper = _Keeper(guest, end, self._loop)
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)

    def detached(self, guest: Any) -> None:
        end = self._ends.pop(guest, None)
        if end is not None and not end.done() and not self._loop.is_closed():
            end.set_result(None)


class _Keeper(asyncio.Task[None]):
    """Ends with its guest. When the program ends and cancels all its tasks, the guest is cancelled instead."""

    def __init__(self, guest: Guest, end: asyncio.Future[None], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(_until(end), loop=loop, name=f"keeper of {guest!r}")
        self._guest = guest

    def cancel(self, msg: Any | None = None) -> bool:
        """Works before the task's first step too, which a cancelled task would never take."""
        if self._guest.is_cancelling:  # in its clean-up, or it has swallowed it and goes on
            self.get_loop().call_later(_PATIENCE, self._guest.cancel)
        else:
            self._guest.cancel()
        return not self.done()


async def _until(end: asyncio.Future[None]) -> None:
    await end
