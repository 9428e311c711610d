"""A run in its host: what is taken of the host thread at its start, and given back at its end.

Owns: the loop of the run, its deliveries, and all that they are attached to. Host thread only.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, ExitStack, nullcontext
from contextvars import Context
from functools import partial
from typing import Any, TypeAlias

from . import _exit, _running_loop
from ._cleanup import cancel_all, clean_up
from ._compat import set_running_loop, swap_current_task, task_of
from ._delivery import Deliveries
from ._errors import GuestClosed, GuestError, WrongThread
from ._factory import make_loop, make_task
from ._host import Host
from ._loop import EventLoop
from ._native import LONGEST_WAIT
from ._resident import check_not_forked
from ._run import Run
from ._shutdown import drive_to_end, settle_all
from ._signals import CtrlC, hold, let_go
from ._stats import GuestStats
from ._wakeup_fd import WakeupFd

DoneCallback: TypeAlias = Callable[[asyncio.Task[Any]], object]


class HostedRun(Run):
    """A run that `Guest` has begun. `on_stall(kind, seconds)`: see `Reactor`. The rest: see `Guest`."""

    def __init__(
        self,
        host: Host,
        name: str | None,
        *,
        done_callback: DoneCallback | None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None,
        debug: bool | None,
        batch_budget: float,
        max_nesting: int,
        stall_after: float | None,
        leave_wakeup_fd: bool,
    ) -> None:
        super().__init__(host, name)
        self._done_callback = done_callback
        self._factory = loop_factory or EventLoop
        self._debug = debug
        self._budget = float(min(batch_budget, LONGEST_WAIT))  # any number
        self._max_nesting = max_nesting
        self._stall_after = stall_after
        #: Called by the library, on its thread, after that.
        self.on_stall: Callable[[int, float], None] | None = None
        self._leave_wakeup_fd = leave_wakeup_fd
        self.deliveries: Deliveries | None = None
        self._ctrl_c = CtrlC(weakref.proxy(self))
        self._has_running_loop = False
        self._last_stats: GuestStats | None = None

    @property
    def event_loop(self) -> EventLoop:
        if self.deliveries is None:
            raise GuestClosed("the guest has no loop yet: call start(async_fn) first")
        return self.deliveries.loop

    def in_charge(self, what: str) -> Deliveries:
        """The deliveries, for a call that needs a live run on its own thread."""
        if self.forked:
            check_not_forked(self.guest, what)
        if self.deliveries is None or self.state in ("new", "ended"):
            raise GuestClosed(f"{what}() needs a run in progress; this guest is {self.state}")
        if threading.get_ident() != self.host_thread:
            raise WrongThread(f"{what}() belongs on the host thread; from others use guest.loop.call_soon_threadsafe()")
        return self.deliveries

    def deliver(self, token: int = 0) -> bool:
        """One delivery, also if the run is not attached yet, or no more. See `Deliveries.deliver`."""
        return self.deliveries is not None and self.deliveries.deliver(token)

    def begin(
        self, coroutine: Coroutine[Any, Any, Any], name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        """Its task, which has reached its first await when this returns. For who is in charge. See `Guest.start_soon`."""
        assert self.deliveries is not None
        try:
            task = self.deliveries.loop.begin(self.deliveries, coroutine, name, context)
            if not task.done():
                self.keep(task)
            return task
        finally:
            task = None  # type: ignore[assignment]  # its first step may have failed: see run_first_step

    def in_place(self) -> AbstractContextManager[object]:
        deliveries = self.deliveries
        if deliveries is None or threading.get_ident() != self.host_thread:
            return nullcontext()  # asyncio's debug mode tells of the wrong thread
        return deliveries.inside()

    def stats(self) -> GuestStats:
        if self._last_stats is not None:
            return self._last_stats
        try:
            return GuestStats.of(self.event_loop.reactor, self.event_loop.budget_spent)
        except GuestClosed:
            if self._last_stats is None:
                raise
            return self._last_stats  # it has ended while another thread asked

    # ---- the start

    def start(self, guest: Any, coroutine: Coroutine[Any, Any, Any], context: Context | None) -> asyncio.Task[Any]:
        """Begins the run with its main task, which has reached its first await when this returns. See `Guest.start`."""
        try:
            if self.state != "new":
                raise GuestError(f"this guest is {self.state}: one Guest is one run, so make another for the next")
            self.guest = guest
            self.live_here()
            deliveries = self._attach(self._make_loop())
        except BaseException:
            coroutine.close()
            raise
        loop = deliveries.loop
        try:
            with deliveries.inside():
                loop.idle = True  # the host is in charge from here on, also if the first step opens a dialog
                self.task = task = make_task(loop, coroutine, self.name, context)
                task.add_done_callback(self._main_is_done)
                deliveries.run_first_step(task, coroutine)
        except BaseException:
            if self.task is None:  # a task factory of the loop has failed, or what comes before it
                coroutine.close()
                self.state = "ended"
                self._detach(deliveries)
                loop.close()
            raise
        try:
            return task
        finally:
            del task  # its first step may have failed: see run_first_step

    def _make_loop(self) -> EventLoop:
        loop = make_loop(
            self._factory,
            self.host,
            posts_to=None if self.host.watches_fds else self.host,
            deliver=self.deliver,
            post_failed=self.post_failed,
            hosted=True,
            looks_again=self.host.looks_again,
            stall_after=self._stall_after,
            on_stall=self.on_stall,
        )
        if self._debug is not None:
            loop.set_debug(self._debug)
        return loop

    def _attach(self, loop: EventLoop) -> Deliveries:
        """Takes the host thread's asyncio and signal state, as far as it is free."""
        self.loop = loop
        self.deliveries = deliveries = Deliveries(self, loop, self._budget, self._max_nesting)
        self._wakeup = WakeupFd(loop, loop.reactor)
        self.state = "running"
        loop.reactor.post_deliveries(deliveries.deliver)
        loop.hosted_run = self
        try:
            self.host.attached(self.guest)
            deliveries.watch()
            loop.claim(self.host_thread)
            self._has_running_loop = _running_loop.enter(loop, self.host)
            if not self._leave_wakeup_fd:
                self._wakeup.__enter__()
            self._ctrl_c.enter(loop.reactor)
            _exit.unended.add(self)
        except BaseException:
            self._detach(deliveries)
            loop.close()
            self.state = "ended"
            raise
        return deliveries

    def _detach(self, deliveries: Deliveries) -> None:
        """Gives it all back: each step, also if one before it fails because the host is gone."""
        loop = deliveries.loop
        deliveries.over = True
        loop.reactor.post_deliveries(None)
        with ExitStack() as steps:  # the last one is done first
            steps.callback(self.host.detached, self.guest)
            steps.callback(setattr, loop, "hosted_run", None)
            steps.callback(loop.release)
            if self._has_running_loop:
                self._has_running_loop = False
                steps.callback(_running_loop.leave, loop)
            steps.callback(_exit.unended.discard, self)
            steps.callback(self._wakeup.__exit__)
            steps.callback(self._ctrl_c.leave, loop.reactor)
            steps.callback(deliveries.unwatch)

    # ---- the end

    def _main_is_done(self, task: asyncio.Task[Any]) -> None:
        if self.state == "running":
            self.state = "ending"
            assert self.deliveries is not None
            loop = self.deliveries.loop
            loop.after_iteration = self._begin_clean_up
            if loop.idle:
                loop.rouse()  # somebody iterates it by hand, and need not go on

    def _begin_clean_up(self) -> None:
        assert self.deliveries is not None
        loop = self.deliveries.loop
        # Some code may have changed it, and from CPython 3.14 on a task then neither goes on nor is left.
        set_running_loop(loop)
        swap_current_task(loop, None)
        hold()
        try:
            cleaning_up = self._clean_up(loop, cancel_all(loop))
            # Not by the loop's task factory, which is the user's and may fail.
            self.clean_up_task = asyncio.Task(cleaning_up, loop=loop, name="asyncguest clean-up")
            # At once, or one of those that end could cancel it before.
            self.deliveries.run_first_step(self.clean_up_task, cleaning_up)
        finally:
            let_go()

    async def _clean_up(self, loop: EventLoop, cancelled: set[asyncio.Task[Any]]) -> None:
        try:
            await clean_up(loop, cancelled)
        finally:
            self.is_over = True

    def shutdown(self, deadline: float) -> bool:
        if self.state in ("new", "ended") or self.forked:
            return True
        if self.is_orphaned:
            self._take_over()
        deliveries = self.in_charge("shutdown")
        self.check_may_end(self.task is not None, deliveries.in_progress)
        return drive_to_end(self, deliveries, deadline)

    def _take_over(self) -> None:
        """This thread is the host thread from here on: the one that started the run has ended."""
        assert self.deliveries is not None
        self.deliveries.loop.reactor.take_over()
        self.live_here()
        self.deliveries.loop.claim(self.host_thread)

    def wind_up(self) -> None:
        assert self.deliveries is not None and self.task is not None
        deliveries, loop, ending = self.deliveries, self.deliveries.loop, self.clean_up_task
        if self.failure is not None:
            settle_all(self, loop, self.failure)
        error = None if ending is None or not ending.done() or ending.cancelled() else ending.exception()
        # A GuestError is that of an abandoned run, which has been told.
        if error is not None and error is not self.failure and not isinstance(error, GuestError):
            self.report("the clean-up of the run failed", error)
        self._last_stats = self.stats()
        self.state = "ended"
        try:
            self._detach(deliveries)
        finally:
            try:
                loop.close()
            finally:
                self._kept.clear()
                self._part(deliveries)

    def teller(self) -> Callable[[], object]:
        assert self.task is not None
        return int if self._done_callback is None else partial(self._done_callback, self.task)

    def _part(self, deliveries: Deliveries) -> None:
        """Unties the run from its parts: what it has kept alive is freed with the last reference to it."""
        deliveries.part()
        self.guest = self.on_stall = self._done_callback = None

    def forget_in_child(self) -> None:
        self.forked = True
        self.state = "ended"
        if self.deliveries is not None:
            self.deliveries.over, self.deliveries.is_watched = True, False
            loop = self.deliveries.loop
            self._ctrl_c.forget()
            loop.reactor.forget_in_child()
            if self.host_thread == threading.get_ident():
                self._forked_in = asyncio.current_task(loop) or task_of(loop.running_handle)
                loop.leave_to_parent()
