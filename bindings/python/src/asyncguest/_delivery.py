"""Deliveries: what a guest does on the host thread, whenever its host lets it.

Owns: what the thread's asyncio state is inside a delivery and outside of it, the nesting of deliveries, and what the
guest asks for when one ends. Host thread only.

    host's loop                         guest
    -----------                         -----
    token or readable fd  --------->    deliver: the running loop, hooks and task of this guest are put in place
                                        ticks go on inside while something is ready, up to the budget
                                        more to do?  asks for the next one  |  else sets the alarm
    the host's own turn   <---------    everything is as it was before
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from sys import (
    get_asyncgen_hooks,
    get_coroutine_origin_tracking_depth,
    modules,
    set_asyncgen_hooks,
    set_coroutine_origin_tracking_depth,
)
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any

from . import _running_loop
from ._compat import ORIGIN_DEPTH, running_loop, set_running_loop
from ._cpython_loop import LOOK_EVERY
from ._errors import GuestError, NestingLimit, WrongThread
from ._reports import log

if TYPE_CHECKING:
    import asyncio

    from ._loop import EventLoop
    from ._run import Run


class Deliveries:
    """All the deliveries of one guest."""

    def __init__(self, run: Run, loop: EventLoop, budget: float, max_nesting: int) -> None:
        self._run = run
        self.loop = loop
        self._reactor = loop.reactor
        self._budget = budget
        self._max_depth = max_nesting + 1
        self._hooks = loop.asyncgen_hooks()
        #: The run has ended, or is that of the parent process: no delivery comes any more.
        self.over = False
        #: Deliveries on the stack: more than one while callbacks stand in nested host loops.
        self.depth = 0
        #: The host watches the guest's fd.
        self.is_watched = False
        #: The host's nested loop was refused a delivery, and its fd is not watched until a delivery ends.
        self._refused = False
        #: Deliveries whose time was over before their work.
        self.budget_spent = 0
        self._told_wrong_thread = False

    def deliver(self, token: int = 0) -> bool:
        """One delivery. Returns whether there is more to do than fitted into it.

        What guest code raises stays inside; what `done_callback` raises comes out.
        """
        if self.over:
            return False
        if self.depth >= self._max_depth:
            self._refuse()
            return False
        reactor, loop, depth = self._reactor, self.loop, self.depth
        try:
            pairs: Sequence[int] | None = reactor.begin(token)
        except Exception as error:
            self._not_begun(error)
            return False
        if pairs is None:  # an old or doubled token, or one that the host ran inside its own post: it comes again
            return False
        outside, more = None, True
        left: BaseException | None = None
        try:
            outside = self.enter()
            if depth and loop.has_ready():
                # The library has begun this nested delivery because the outer one lasts, and knows nothing of asyncio's
                # queue, whose callbacks may begin a nested loop again: that one needs its deliveries too.
                reactor.wake()
            now = monotonic()
            until, look_at = now + self._budget, now + LOOK_EVERY
            while (now := loop.iterate(pairs, until)) < until:
                pairs = ()
                if not now or now >= look_at:
                    pairs, now = reactor.poll(), monotonic()
                    look_at = now + LOOK_EVERY
                    if not pairs and (now >= until or not loop.has_work()):
                        break
            more = now >= until and loop.has_work()
            if more:
                self.budget_spent += 1
        except BaseException as error:
            if self._run.forked:
                left = error
            elif outside is None:
                raise  # a signal handler's, before the delivery
            elif isinstance(error, Exception):
                self._run.break_down(error)
            elif isinstance(error, (SystemExit, KeyboardInterrupt)):
                self._run.interrupted(error)
            else:
                raise
        finally:
            # Each step also if a signal handler raises in the one before it: the delivery may not stay open.
            try:
                if outside is not None:
                    self.leave(outside)
            finally:
                outside = None
                self.depth = depth
                if not self._run.forked:
                    self.rest(more)
        if self._run.forked:
            self._run.end_child(left)
        if self._refused:
            self._watch_again()
        if self._run.is_over and self.depth == 0:
            self._run.conclude()
        return more

    @property
    def in_progress(self) -> bool:
        """Whether code of this guest is on the stack.

        `depth` alone may lie: a signal handler that raises in the few lines that begin or end one leaves it behind.
        """
        if self.depth and not self.loop.is_on_stack():
            self.depth = 0
        return self.depth > 0

    def part(self) -> None:
        """Lets the run go, which is over: a frame of `deliver` in some traceback does not keep the run alive."""
        del self._run

    @contextmanager
    def inside(self) -> Iterator[None]:
        """The guest's state for a block of the package's own, outside of any delivery."""
        outside = self.enter()
        left: BaseException | None = None
        try:
            yield
        except BaseException as error:
            left = error
            raise
        finally:
            self.leave(outside)
            if self._run.forked:
                self._run.end_child(left)
            left = None
            if self._refused:
                self._watch_again()
            if self.depth == 0 and (self.loop.has_parked() or self._run.failure is not None):
                self.loop.rouse()  # a dialog in there has kept something waiting, or the run's end, and has ended

    def enter(self) -> tuple[Any, ...]:
        """Puts the guest's state in place; returns the host's."""
        loop = self.loop
        before = running_loop()
        if before is not loop:
            set_running_loop(loop)
        hooks = get_asyncgen_hooks()
        set_asyncgen_hooks(*self._hooks)
        origins = get_coroutine_origin_tracking_depth()
        if loop._debug:  # get_debug(), without a call: after a sleep each one is cold, and costs microseconds
            set_coroutine_origin_tracking_depth(ORIGIN_DEPTH)
        sniffio = library = None
        if "sniffio" in modules:
            # Another thread may be in the middle of importing it.
            sniffio = getattr(modules.get("sniffio"), "thread_local", None)
        if sniffio is not None:
            library, sniffio.name = sniffio.name, "asyncio"
        nested = loop.enter_nested() if self.depth else None
        self.depth += 1
        return before, hooks, origins, sniffio, library, nested

    def leave(self, outside: tuple[Any, ...]) -> None:
        """Puts the host's state back."""
        before, hooks, origins, sniffio, library, nested = outside
        self.depth -= 1
        loop = self.loop
        loop.running_handle = None
        if nested is not None:
            loop.leave_nested(nested)
        if sniffio is not None:
            sniffio.name = library
        set_coroutine_origin_tracking_depth(origins)
        set_asyncgen_hooks(*hooks)
        if before is not loop:
            # That one may have ended meanwhile.
            set_running_loop(_running_loop.first() if before is not None and before.is_closed() else before)

    def rest(self, more: bool) -> None:
        """Ends the delivery, and the host's turn comes: asks for the next one, or says when the guest is to be woken."""
        loop, reactor = self.loop, self._reactor
        try:
            # From here on what a signal handler or a destructor asks of the loop wakes it; what one has asked before is seen.
            loop.idle = True
            when = loop.next_deadline()
            more = more or loop.has_ready() or (when is not None and when <= loop.time())
            if more:
                loop.idle = False
            reactor.end(None if when is None else loop.in_monotonic(when), more)
            if not more and loop.earliest() != when:
                # Such a handler has called call_at just before the end.
                reactor.set_alarm(loop.in_monotonic(loop.next_deadline()))
        except Exception as error:
            if self._run.forked:
                raise
            self._run.break_down(error)
            with suppress(GuestError):  # it was a signal handler's, and the delivery has ended
                reactor.end(None, False)

    def run_first_step(self, task: asyncio.Task[Any], coroutine: Coroutine[Any, Any, Any]) -> None:
        """Runs a task that was just made of `coroutine` up to its first suspension."""
        handle = self.loop.take_first_step(task, coroutine)
        if handle is None:
            return  # an eager task factory has done it
        try:
            self.loop.run_inside(handle)
        except (SystemExit, KeyboardInterrupt) as error:
            self._run.interrupted(error)
        finally:
            del task, handle  # see iterate

    def _not_begun(self, error: Exception) -> None:
        """The library has refused the delivery."""
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
        """The opposite."""
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
