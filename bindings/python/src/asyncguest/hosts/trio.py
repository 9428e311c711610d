"""Trio: asyncio as a guest in a program that Trio runs already.

Owns: Trio's system tasks that serve the guests and look after them. Host thread only, except `post`.

Trio takes what it polled in any order. After a delivery with more to do, the guest leaves out one round of its
scheduler, so that tasks that became due during the delivery have theirs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from .._reports import log
from .._resident import Resident
from .._running_loop import in_trio
from .base import AwaitedHost, Found, watches

__all__ = ["TrioHost", "find"]


class TrioHost(AwaitedHost):
    """A running Trio program; make it inside `trio.run`.

    `drive`: "fd" has a system task of Trio wait for the guest's fd; "thread" has a thread of the library post with
    `TrioToken.run_sync_soon`; None takes "fd" where Trio can wait for any fd (not on Windows). `deadline`: seconds
    that a run has for its clean-up when the program ends before it. Ctrl-C is Trio's affair, if Trio has taken it.

    Example: docs/hosts/trio.md

    What a `done_callback` raises is logged: Trio takes no exceptions there, and calls SystemExit an internal error of
    its own. `async with TrioHost.open() as host:` is for a program that wants such ends.
    """

    name = "Trio"
    uses_wakeup_fd = True

    def __init__(self, drive: str | None = None, deadline: float = 5.0) -> None:
        super().__init__(deadline)
        can_watch = not hasattr(trio.lowlevel, "current_iocp")
        self.watches_fds = watches(drive, can_watch, "Trio cannot wait for all kinds of fds on this system")
        if not in_trio():
            raise RuntimeError("a TrioHost is made inside trio.run()")
        self._token = trio.lowlevel.current_trio_token()
        self._watched: dict[int, Callable[[], bool]] = {}
        self._scope: trio.CancelScope | None = None
        self._left_by: BaseException | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, drive: str | None = None, deadline: float = 5.0) -> AsyncIterator[TrioHost]:
        """`async with TrioHost.open() as host:` makes one for a block of code.

        SystemExit or KeyboardInterrupt that comes out of a `done_callback` cancels the block, and is raised at its end.
        """
        host = cls(drive, deadline)
        with trio.CancelScope() as host._scope:
            yield host
        host._scope = None
        if host._left_by is not None:
            raise host._left_by

    async def wait_for(self, end: trio.Event | None, guest: Resident) -> None:
        if end is None:
            await trio.lowlevel.checkpoint()
            return
        try:
            await end.wait()
        except BaseException:  # cancelled, or Ctrl-C; a second one ends the waiting
            self.ask_to_end(guest)
            with trio.CancelScope(shield=True):
                await end.wait()
            raise

    def watch(self, fd: int, ready: Callable[[], bool]) -> None:
        self._watched[fd] = ready
        trio.lowlevel.spawn_system_task(self._serve, fd, ready, name="asyncguest deliveries")

    def unwatch(self, fd: int) -> None:
        del self._watched[fd]
        try:
            trio.lowlevel.notify_closing(fd)  # the task that waits for it ends
        except RuntimeError:
            pass  # Trio has ended before

    def forked(self, guest: Resident) -> None:
        super().forked(guest)
        for fd in list(self._watched):  # closed here, so that Trio takes nothing out of its epoll set, the parent's too
            self.unwatch(fd)

    def post(self, job: Callable[[], object]) -> None:
        self._token.run_sync_soon(self._post_again, job)

    def _post_again(self, job: Callable[[], object]) -> None:
        """Trio's tasks that became due during a delivery have theirs before the next one, as in `_serve`."""
        try:
            self._token.run_sync_soon(self.deliver, job)
        except trio.RunFinishedError:
            pass  # and so are all runs in it

    async def _serve(self, fd: int, ready: Callable[[], bool]) -> None:
        """Gives a guest its deliveries. Trio's end does not stop it: the guest's own does."""
        with trio.CancelScope(shield=True):
            while self._watched.get(fd) is ready:
                try:
                    await trio.lowlevel.wait_readable(fd)
                except trio.ClosedResourceError:
                    return
                if self.deliver(ready):
                    await trio.lowlevel.cancel_shielded_checkpoint()

    def keep(self, guest: Resident) -> trio.Event:
        end = trio.Event()
        trio.lowlevel.spawn_system_task(self._until, guest, end, name=f"keeper of {guest!r}")
        return end

    def tell(self, end: trio.Event) -> None:
        try:
            end.set()
        except RuntimeError:
            pass  # Trio has ended before, and with it who waited

    async def _until(self, guest: Resident, end: trio.Event) -> None:
        """Is cancelled when the program ends."""
        try:
            await end.wait()
        except trio.Cancelled:
            with trio.move_on_after(self.deadline) as scope:
                scope.shield = True
                if not self.ask_to_end(guest):
                    with trio.move_on_after(self.patience):
                        await end.wait()
                    guest.cancel("the Trio program has ended")  # it has swallowed the first one and goes on
                await end.wait()
            if scope.cancelled_caught:
                self.give_up(guest)
            raise

    def leave(self, error: BaseException) -> None:
        if self._scope is None:
            raise error
        self._left_by = error
        self._scope.cancel()

    def report(self) -> None:
        log.exception("a done_callback raised")  # passed on, it would make Trio report a bug of its own


def find() -> Found | None:
    """Whether this is inside `trio.run`."""
    return Found("Trio", True, TrioHost) if in_trio() else None
