"""A run of asyncio: what its parts know of it, and what they tell it.

Owns: its main task and its outcome. Host thread only, except where a method says otherwise.
The parts (deliveries, posts, end, exit hook, loop) know no more of a run than this; what it does when they call
is in `_hosted.py`.

    new --start--> running --main task done--> ending --cleaned up--> ended
                      |                           |
                      +--- shutdown(deadline), the exit hook: driven without the host, then ended
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import AbstractContextManager
from typing import Any

from ._base_run import BaseRun
from ._host import Host


class Run(BaseRun):
    def __init__(self, host: Host, name: str | None) -> None:
        super().__init__(host, name)
        self.loop: asyncio.AbstractEventLoop | None = None
        self.task: asyncio.Task[Any] | None = None
        #: The task of the clean-up, once it has begun.
        self.clean_up_task: asyncio.Task[None] | None = None
        #: What has gone wrong in the loop itself, outside of any callback: nothing of the run can go on.
        self.failure: Exception | None = None
        #: How often Ctrl-C came.
        self.interrupted_count = 0
        self._forked_in: asyncio.Task[Any] | None = None
        self._was_cancelled = False
        self._kept: set[asyncio.Task[Any]] = set()

    # ---- what the parts ask

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<asyncguest.Guest{name} {self.state} in {self.host!r}>"

    @property
    def is_cancelling(self) -> bool:
        task = self.task
        if task is None or task.done():
            return False
        return self._was_cancelled or task.cancelling() > 0

    # ---- what they tell

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Holds a task that nobody else may hold (asyncio itself does not) until it is done."""
        if task not in self._kept and not task.done():
            self._kept.add(task)
            task.add_done_callback(self._kept.discard)

    def in_place(self) -> AbstractContextManager[object]:
        """The guest's state for a block of the package's own, wherever that runs."""
        raise NotImplementedError

    def cancel(self, msg: str | None = None) -> bool:
        task, loop = self.task, self.loop
        if loop is None or self.state == "ended" or (task is not None and task.done()):
            return False
        self._was_cancelled = True
        if task is not None and threading.get_ident() == self.host_thread:
            return task.cancel(msg)
        try:
            # Without a task the run is about to begin, and is cancelled in its first delivery.
            loop.call_soon_threadsafe(self.cancel if task is None else task.cancel, msg)
        except RuntimeError:
            return False  # the run has ended meanwhile
        return True

    def interrupted(self, error: BaseException) -> None:
        """SystemExit or KeyboardInterrupt came out of guest code: the run ends, the host's frames stay whole."""
        if self.forked:
            raise error  # the exit of the child of a fork made here
        main = self.task
        if main is not None and main.done() and not main.cancelled() and main.exception() is error:
            return  # it is the main task's outcome, which done_callback gets
        self.cancel()
        self.report(f"{type(error).__name__} in a callback or side task ends the run", error)

    def break_down(self, error: Exception) -> None:
        """The loop itself has failed, outside of any callback: the run ends, with `error` as its outcome."""
        if self.failure is None:
            self.failure, self.is_over = error, True
            self.report(f"the event loop itself has failed, which ends {self.title}", error)

    def report(self, message: str, error: BaseException) -> None:
        """Tells the loop's exception handler of `error`, outside of any callback.

        A handler that leaves by SystemExit, to end the program at its first error, ends the run, as a callback does.
        """
        assert self.loop is not None
        try:
            self.loop.call_exception_handler({"message": message, "exception": error})
        except (SystemExit, KeyboardInterrupt):
            if self.forked:
                raise
            if not self.is_cancelling:
                self.cancel()

    def failure_in_child(self) -> BaseException | None:
        task = self._forked_in
        return task.exception() if task is not None and task.done() and not task.cancelled() else None
