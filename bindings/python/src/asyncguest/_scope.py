"""Tasks that end with a window.

Owns: the tasks of each scope, and when its window's close button is let go. Host thread.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple

from ._errors import SourceGone
from ._reports import listed, warn
from ._start import current_guest
from .sources.find import hold_open, until_destroyed

Ts = TypeVarTuple("Ts")

T = TypeVar("T")


class Scope:
    """Tasks that are cancelled when `owner` is destroyed: `scope = Scope(window)`, `scope.start_soon(work)`.

    `owner`: a widget, or any QObject, GObject or wx.EvtHandler; None: it ends by `cancel` alone. `closes`: when the user closes the window, it stays
    until the tasks have been cancelled and have cleaned up, for at most `deadline` seconds; then it is closed.

    Nothing here keeps `owner` alive, and tasks keep their scope. What a task raises is reported at once by the loop's
    exception handler. The scope is of the guest in whose code it is made. Host thread.
    """

    def __init__(self, owner: object = None, *, closes: bool = False, deadline: float = 5.0) -> None:
        if not deadline >= 0:
            raise ValueError(f"deadline is in seconds and must not be below 0, not {deadline!r}")
        if closes and owner is None:
            raise TypeError("closes=True is about a window: Scope(window, closes=True)")
        #: In which the tasks run.
        self.guest = current_guest()
        self._deadline = deadline
        self._tasks: set[asyncio.Task[Any]] = set()
        #: Why nothing can be started any more, or just now.
        self._ended = ""
        self._close: Callable[[], object] = bool
        self._lets_go = False
        if owner is not None:
            until_destroyed(owner, _weakly(self._owner_is_gone, None))
            if closes:
                self._close = hold_open(owner, _weakly(self._may_close, True))

    @property
    def empty(self) -> bool:
        """No task of it runs."""
        return all(task.done() for task in self._tasks)  # one that was abandoned with its run tells nobody

    def start_soon(
        self, async_fn: Callable[[*Ts], Coroutine[Any, Any, T]], *args: *Ts, name: str | None = None
    ) -> asyncio.Task[T]:
        """Starts `async_fn(*args)` as a task, up to its first await, as `Guest.start_soon` does.

        Raises SourceGone if the owner was destroyed or is being closed.
        """
        if self._ended:
            raise SourceGone(self._ended)
        task = self.guest.start_soon(async_fn, *args, name=name)
        try:
            if task.done() and not task.cancelled() and task.exception() is None:
                return task  # nobody need be told of its end later
            self._tasks.add(task)
            task.add_done_callback(self._done)
            if self._ended:
                task.cancel()  # it was its own first step that has closed the window
            return task
        finally:
            del task  # its first step may have failed: see Deliveries.run_first_step

    def cancel(self) -> None:
        """Cancels all tasks that run. New ones can be started."""
        for task in list(self._tasks):
            task.cancel()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        report(task)

    def _owner_is_gone(self) -> None:
        if threading.get_ident() != self.guest.host_thread:
            with suppress(RuntimeError):  # the run is over, and its tasks with it
                self.guest.loop.call_soon_threadsafe(self._owner_is_gone)
            return
        self._ended = "the owner of this scope was destroyed: nothing can be started in it any more"
        self.cancel()

    def _may_close(self) -> bool:
        """The user closes the window. False: not yet."""
        if self.empty or self._lets_go:
            return True
        if not self._ended:
            self._ended = "the window of this scope is being closed: nothing can be started in it"
            self.guest.start_soon(self._clean_up_and_close)
        return False

    async def _clean_up_and_close(self) -> None:
        try:
            self.cancel()
            if self._tasks:
                _, left = await asyncio.wait(self._tasks, timeout=self._deadline)
                if left:
                    names = listed(task.get_name() for task in left)
                    warn(
                        f"asyncguest: a window was closed after the {self._deadline} s of its scope's deadline; not "
                        f"finished: {names}"
                    )
        finally:
            self._lets_go = True
            self._ended = ""  # should somebody else keep the window open
            try:
                self._close()
            finally:
                self._lets_go = False


def _weakly(method: Callable[[], T], otherwise: T) -> Callable[[], T]:
    """For a toolkit, which may hold it for as long as the widget lives."""
    weak = weakref.WeakMethod(method)

    def call() -> T:
        alive = weak()
        return otherwise if alive is None else alive()

    return call


def report(task: asyncio.Task[Any]) -> None:
    """Tells the loop's exception handler how a task that nobody waits for has failed."""
    if task.cancelled():
        return
    error = task.exception()
    try:
        if isinstance(error, Exception):  # else the run is told, and ends
            message = f"unhandled exception in the task {task.get_name()!r}"
            task.get_loop().call_exception_handler({"message": message, "exception": error, "task": task})
    finally:
        del error, task
