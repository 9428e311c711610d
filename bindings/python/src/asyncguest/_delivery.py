"""Deliveries: what a guest does on the host thread, whenever its host lets it.

Owns: what goes wrong in a delivery, how deep they may nest, and that the host watches the guest's fd. Host thread only.
The delivery itself is native/src/turn.rs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from threading import get_ident
from typing import TYPE_CHECKING, Any, Protocol

from ._errors import NestingLimit, WrongThread
from ._native import Reactor
from ._reports import log

if TYPE_CHECKING:
    from ._base_run import BaseRun
    from ._loop import EventLoop
    from ._run import Run


class Delivered(Protocol):
    """What has its deliveries: asyncio's `EventLoop`, or the `Jobs` of another library."""

    @property
    def reactor(self) -> Reactor: ...

    @property
    def depth(self) -> int:
        """How many deliveries of it are on the stack."""
        ...

    def deliver(self, judge: Any, token: int, budget: float, /) -> bool | None:
        """One delivery of at most `budget` seconds; None if there was none to be had.

        `judge.not_begun(error)`, `judge.failed(error)`: what has gone wrong.
        """
        ...


class BaseDeliveries:
    """All the deliveries of one guest, whichever async library it is of."""

    def __init__(self, run: BaseRun, loop: Delivered, budget: float, max_nesting: int) -> None:
        self._run = run
        self._loop = loop
        self._reactor = loop.reactor
        self._budget = budget
        self._max_depth = max_nesting + 1
        #: The run has ended, or is that of the parent process: no delivery comes any more.
        self.over = False
        #: The host watches the guest's fd.
        self.is_watched = False
        #: The host's nested loop was refused a delivery, and its fd is not watched until a delivery ends.
        self._refused = False
        #: In the child of a fork: what has come out of the callback that has forked.
        self._left: BaseException | None = None
        self._told_wrong_thread = False

    def deliver(self, token: int = 0) -> bool:
        """One delivery. Returns whether there is more to do than fitted into it.

        What guest code raises stays inside; what `done_callback` raises comes out.
        """
        if self.over:
            return False
        if self._loop.depth >= self._max_depth:
            self._refuse()
            return False
        more = self._loop.deliver(self, token, self._budget)
        if more is None:
            return False
        if self._run.forked or self._refused:
            self._after()
        if self._run.is_over and not self.in_progress:
            self._run.conclude()
        return more

    def failed(self, error: BaseException) -> None:
        """Something has come out of a delivery, which is still open. Called by the loop."""
        if self._run.forked:
            self._left = error
        elif isinstance(error, Exception):
            self._run.break_down(error)
        elif isinstance(error, (SystemExit, KeyboardInterrupt)):
            self._run.interrupted(error)
        else:
            raise error

    def _after(self) -> None:
        """The guest's state has been taken back."""
        if self._run.forked:
            left, self._left = self._left, None
            self._run.end_child(left)
        if self._refused:
            self._watch_again()

    @property
    def in_progress(self) -> bool:
        """Whether code of this guest is on the stack."""
        return self._loop.depth > 0

    def part(self) -> None:
        """Lets the run go, which is over: a frame of `deliver` in some traceback does not keep the run alive."""
        del self._run

    def not_begun(self, error: Exception) -> None:
        """The library has refused a delivery. Called by the loop."""
        if self.over:
            return  # meanwhile, on another thread
        if not isinstance(error, WrongThread):
            raise error
        self._wrong_thread()

    def _wrong_thread(self) -> None:
        """The host ran the guest's job where it was posted. The library posts it again."""
        if not self._told_wrong_thread:
            self._told_wrong_thread = True
            log.warning(
                "%r ran a posted job on another thread than the one that started the guest; it is posted again. "
                "post() has to queue the job for the host thread.",
                self._run.host,
            )

    def watch(self) -> None:
        """Has the host watch the guest's fd, if it is one that does."""
        host = self._run.host
        if host.watches_fds and not self.is_watched:
            host.watch(self._reactor.fd, self.deliver)
            self.is_watched = True

    def unwatch(self) -> None:
        if self.is_watched:
            self.is_watched = False
            self._run.host.unwatch(self._reactor.fd)

    def _watch_again(self) -> None:
        """A delivery has ended, so that there is room for one more."""
        self._refused = False
        if not self._run.is_over:
            try:
                self.watch()
            except Exception as error:
                self._run.report("the host does not watch the guest's fd again", error)

    def _refuse(self) -> None:
        """A nested host loop is deeper than allowed: the guest stands still until it returns."""
        if get_ident() != self._run.host_thread:
            self._wrong_thread()
            return
        if self._refused:
            return
        self._refused = True
        self.unwatch()
        limit = self._max_depth - 1
        self._run.report(
            "a nested host loop was refused its deliveries",
            NestingLimit(
                f"{limit} nested host loops are the limit of this guest; it stands still until one of them "
                "returns. Close dialogs before opening more, or give Guest a larger max_nesting."
                if limit
                else "a callback runs a nested host loop, and this guest was started with max_nesting=0. Open "
                "the dialog from the host's own code, or allow nesting."
            ),
        )


class Deliveries(BaseDeliveries):
    """Those of a run of asyncio."""

    _run: Run

    def __init__(self, run: Run, loop: EventLoop, budget: float, max_nesting: int) -> None:
        super().__init__(run, loop, budget, max_nesting)
        self.loop = loop

    def inside(self) -> AbstractContextManager[None, None]:
        """The guest's state for a block of the package's own, outside of any delivery."""
        return self.loop.inside(self)

    def interrupted(self, error: BaseException) -> None:
        """SystemExit or KeyboardInterrupt has come out of a task's first step. Called by the loop, too."""
        self._run.interrupted(error)

    def left(self, error: BaseException | None) -> None:
        """Such a block has ended, by `error` if not None. Called by the loop."""
        run = self._run
        if error is not None and run.forked:
            self._left = error
        if run.forked or self._refused:
            self._after()
        if not self.loop.depth and (self.loop.has_parked() or run.failure is not None or run.is_over):
            self.loop.rouse()  # a dialog in there has kept something waiting, or the run's end, and has ended

    def run_first_step(self, task: asyncio.Task[Any], coroutine: Coroutine[Any, Any, Any]) -> None:
        """Runs a task that was just made of `coroutine` up to its first suspension.

        The traceback of an exception leads to every frame that was on the stack when it was raised. So a frame of the
        package that calls user code holds no task, handle or exception when it ends: each would be in a cycle.
        """
        try:
            self.loop.run_first_step(task, coroutine)
        except (SystemExit, KeyboardInterrupt) as error:
            self.interrupted(error)
        finally:
            del task
