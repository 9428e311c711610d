"""asyncio: a guest in a program that asyncio runs already.

Owns: the host's tasks that look after its guests. Host thread only, except `post`.

asyncio takes what it polled before timers that have become due, so without a pause two deliveries of a busy guest would
fit in before them. After a delivery with more to do, the guest waits for one iteration of the loop, which has only its
timers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any

from .._compat import running_loop
from .._resident import Resident
from .base import AwaitedHost, Found, watches

__all__ = ["AsyncioHost", "find"]


class AsyncioHost(AwaitedHost):
    """A running asyncio program: any loop, also uvloop's.

    `loop`: default the running one. `drive`: "fd" has the loop watch the guest's fd with `add_reader`; "thread" has a
    thread of the library call `call_soon_threadsafe`, for loops without (Windows' proactor loop); None takes the
    better one. `deadline`: seconds that a run has for its clean-up when the program ends before it. The guest's loop is
    the running loop in the guest's own deliveries alone: outside of them the host's is.

    Example: docs/hosts/asyncio.md

    When the program ends first, `asyncio.run` cancels a task of this host as it cancels all others; that cancels the
    guests and waits until their clean-up is done, or their time is over. A program that runs its loop by itself does so
    by `host.run_forever()`. What a `done_callback` raises goes to the host loop's exception handler.
    """

    name = "asyncio"

    def __init__(
        self, loop: asyncio.AbstractEventLoop | None = None, drive: str | None = None, deadline: float = 5.0
    ) -> None:
        super().__init__(deadline)
        if loop is None:
            loop = asyncio.get_running_loop()
        elif not isinstance(loop, asyncio.AbstractEventLoop):
            raise TypeError(f"loop must be an asyncio event loop, not {loop!r}")
        can_watch = type(loop).add_reader is not asyncio.AbstractEventLoop.add_reader
        self.watches_fds = watches(drive, can_watch, f"{loop!r} cannot watch fds")
        self._loop = loop
        self._watched: dict[int, Callable[[], bool]] = {}
        self._keepers: set[asyncio.Task[None]] = set()

    def run_forever(self) -> None:
        """`loop.run_forever()`. Runs that have not ended when it returns, for whatever reason, are shut down."""
        self.run_mainloop(self._loop.run_forever)

    async def wait_for(self, end: _Keeper | None, guest: Resident) -> None:
        cancelled: asyncio.CancelledError | None = None
        while end is not None and not end.over.done():
            try:
                await asyncio.shield(end.over)
            except asyncio.CancelledError as error:
                cancelled = error
                self.ask_to_end(guest)
        if cancelled is not None:
            raise cancelled

    def watch(self, fd: int, ready: Callable[[], bool]) -> None:
        def deliver() -> None:
            if ready() and self._watched.get(fd) is ready:
                loop.remove_reader(fd)
                loop.call_soon(go_on)  # in the next iteration, in which only this is called, and the timers

        def go_on() -> None:
            if self._watched.get(fd) is ready:
                loop.add_reader(fd, deliver)

        loop = self._loop
        loop.add_reader(fd, deliver)
        self._watched[fd] = ready

    def unwatch(self, fd: int) -> None:
        del self._watched[fd]
        if not self._loop.is_closed():
            self._loop.remove_reader(fd)

    def post(self, job: Callable[[], object]) -> None:
        # By way of one more iteration of the loop, whose timers come in between, as in `watch`.
        self._loop.call_soon_threadsafe(self._loop.call_soon, job)

    def keep(self, guest: Resident) -> _Keeper:
        keeper = _Keeper(self, guest, self._loop)
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)
        return keeper

    def tell(self, end: _Keeper) -> None:
        end.guest_is_over()

    def _end(self, guest: Resident) -> None:
        """The program has ended, and `guest` has not."""
        if not self.ask_to_end(guest):
            self._loop.call_later(self.patience, guest.cancel)  # or it has swallowed it and goes on
        self._loop.call_later(self.deadline, self.give_up, guest)


class _Keeper(asyncio.Task[None]):
    """Ends with its guest. When the program ends and cancels all its tasks, the guest is cancelled instead."""

    def __init__(self, host: AsyncioHost, guest: Resident, loop: asyncio.AbstractEventLoop) -> None:
        self.over: asyncio.Future[None] = loop.create_future()
        super().__init__(_Until(self.over), loop=loop, name=f"keeper of {guest!r}")
        self._log_destroy_pending = False  # a loop that has stopped for good leaves it as it is, and that is well
        self._cancel_guest: Callable[[], object] | None = partial(host._end, guest)

    def cancel(self, msg: Any | None = None) -> bool:
        """Works before the task's first step too, which a cancelled task would never take."""
        if self._cancel_guest is None:
            return super().cancel(msg)
        self._cancel_guest()
        return True

    def guest_is_over(self) -> None:
        self._cancel_guest = None  # the loop may hold this task for long, if it has stopped
        if not self.over.done() and not self.get_loop().is_closed():
            self.over.set_result(None)


class _Until(Coroutine[Any, Any, None]):
    """Waits for `end`. Not a coroutine of `async def`, of which Python complains if it is never begun."""

    def __init__(self, end: asyncio.Future[None]) -> None:
        self._steps: Any = end.__await__()

    def send(self, value: Any) -> Any:
        return self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        return self._steps.throw(*error)

    def close(self) -> None:
        self._steps.close()

    def __await__(self) -> Generator[Any, Any, None]:
        yield from self._steps


def find() -> Found | None:
    """The loop that runs here. One that does not run yet cannot be seen: `AsyncioHost(loop)` says it."""
    return Found("asyncio", True, AsyncioHost) if running_loop() is not None else None
