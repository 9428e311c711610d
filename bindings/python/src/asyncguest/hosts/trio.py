"""Trio: asyncio as a guest in a program that Trio runs already.

Owns: Trio's system tasks that serve the guests and look after them. Host thread only, except `post`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import trio

from .._guest import Guest
from .._host import Host
from .._reports import log

T = TypeVar("T")

__all__ = ["TrioHost"]

# The part of its deadline that a run has for a clean-up it has begun already, before it is cancelled a second time.
_PATIENCE = 0.8


class TrioHost(Host):
    """A running Trio program; make it inside `trio.run`.

    `drive`: "fd" has a system task of Trio wait for the guest's fd; "thread" has a thread of the library post with
    `TrioToken.run_sync_soon`; None takes "fd" where Trio can wait for any fd (not on Windows). `deadline`: seconds
    that a run has for its clean-up when the program ends before it. Ctrl-C is Trio's affair, if Trio has taken it.

        import asyncio, trio, asyncguest
        from asyncguest.hosts.trio import TrioHost

        async def inner(name):
            await asyncio.sleep(0.1)
            return f"hello {name}"

        async def program():
            print(await TrioHost().run(inner, "world"))

        trio.run(program)

    What a `done_callback` raises is logged: Trio takes no exceptions there.
    """

    name = "Trio"
    is_async = True
    uses_wakeup_fd = True

    def __init__(self, drive: str | None = None, deadline: float = 5.0) -> None:
        if drive not in ("fd", "thread", None):
            raise ValueError(f'drive must be "fd", "thread" or None, not {drive!r}')
        try:
            self._token = trio.lowlevel.current_trio_token()
        except RuntimeError:
            raise RuntimeError("a TrioHost is made inside trio.run()") from None
        self._deadline = deadline
        self.watches_fds = drive == "fd" or (drive is None and not hasattr(trio.lowlevel, "current_iocp"))
        self._watched: dict[int, Callable[[], bool]] = {}
        self._ends: dict[Guest, trio.Event] = {}

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
        if end is None:
            await trio.lowlevel.checkpoint()
            return
        try:
            await end.wait()
        except BaseException:  # cancelled, or Ctrl-C; a second one ends the waiting
            if not guest.is_cancelling:  # a second time would cut its clean-up off
                guest.cancel()
            with trio.CancelScope(shield=True):
                await end.wait()
            raise

    def watch(self, fd: int, ready: Callable[[], bool]) -> None:
        self._watched[fd] = ready
        trio.lowlevel.spawn_system_task(self._serve, fd, ready, name="asyncguest turns")

    def unwatch(self, fd: int) -> None:
        del self._watched[fd]
        try:
            trio.lowlevel.notify_closing(fd)  # the task that waits for it ends
        except RuntimeError:
            pass  # Trio has ended before

    def post(self, job: Callable[[], object]) -> None:
        self._token.run_sync_soon(self._post_again, job)

    def _post_again(self, job: Callable[[], object]) -> None:
        """Trio's tasks that became due during a turn have theirs before the next one, as in `_serve`."""
        try:
            self._token.run_sync_soon(_reported, job)
        except trio.RunFinishedError:
            pass  # and so are all runs in it

    def attached(self, guest: Any) -> None:
        end = self._ends[guest] = trio.Event()
        trio.lowlevel.spawn_system_task(self._keep, guest, end, name=f"keeper of {guest!r}")

    def detached(self, guest: Any) -> None:
        end = self._ends.pop(guest, None)
        if end is not None:
            try:
                end.set()
            except RuntimeError:
                pass  # Trio has ended before, and with it who waited

    async def _serve(self, fd: int, ready: Callable[[], bool]) -> None:
        """Gives a guest its turns. Trio's end does not stop it: the guest's own does."""
        with trio.CancelScope(shield=True):
            while self._watched.get(fd) is ready:
                try:
                    await trio.lowlevel.wait_readable(fd)
                except trio.ClosedResourceError:
                    return
                if _reported(ready):
                    # Trio takes what it polled in any order. One round without this task: what is due comes first.
                    await trio.lowlevel.cancel_shielded_checkpoint()

    async def _keep(self, guest: Guest, end: trio.Event) -> None:
        """Is cancelled when the program ends."""
        try:
            await end.wait()
        except trio.Cancelled:
            with trio.move_on_after(self._deadline) as scope:
                scope.shield = True
                if guest.is_cancelling:  # in its clean-up, or it has swallowed it and goes on
                    with trio.move_on_after(self._deadline * _PATIENCE):
                        await end.wait()
                guest.cancel("the Trio program has ended")
                await end.wait()
            if scope.cancelled_caught:
                guest.shutdown(0)  # names what is left, and tells
            raise


def _reported(job: Callable[[], object]) -> object:
    """Runs a guest's job. An exception here is a done_callback's, and would make Trio report a bug of its own."""
    try:
        return job()
    except Exception:
        log.exception("a done_callback raised")
        return None
