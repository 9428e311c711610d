"""A run of Trio in its host: what is taken of the host thread at its start, and given back at its end.

Owns: Trio, from its first tick to its last. Host thread only, except where a method says otherwise.

    Trio's tick --sleeps--> its own thread waits --there is something--> Jobs.soon --> the host's delivery: the next tick
                --has more to do-------------------------------------> Jobs.soon_here --> this delivery, or the next one

Ctrl-C is Trio's: it raises KeyboardInterrupt in the main task. So that Python's handlers run while the host sleeps, the
process's wake-up fd is the package's, as it is for asyncio's runs.
"""

from __future__ import annotations

import inspect
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from time import monotonic
from types import FrameType
from typing import Any

import trio
from outcome import Error, Outcome

from .. import _exit
from .._base_run import BaseRun
from .._delivery import BaseDeliveries
from .._errors import GuestError, WrongThread
from .._host import Host
from .._native import Reactor
from .._reports import log
from .._signals import is_own, keep, on_sigint, whole
from .._wakeup_fd import WakeupFd, on_main_thread
from ._jobs import Jobs

# As of a `Guest` that is told nothing else: seconds that a delivery may take, and how deep nested loops are followed.
_BUDGET = 0.005
_MAX_NESTING = 64
# Seconds in which Trio's own thread has to give back what it holds of a run that is given up.
_LETS_GO = 1.0

#: Runs that were given up. With the last reference to them what their tasks have left would run, outside of Trio.
_given_up: list[TrioRun] = []


def is_here(current: Callable[[], object]) -> bool:
    """Whether Trio runs on this thread, or its code does, by what asks it for that."""
    try:
        current()
    except RuntimeError:
        return False
    return True


def _is_in_trio() -> bool:
    """Trio itself runs, in a delivery, and not a task of its, nor another guest in a task's dialog: it would take an exception for
    an error of its own."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code not in (Jobs._work.__code__, BaseDeliveries.deliver.__code__):
        frame = frame.f_back
    in_delivery_of_its = frame is not None and frame.f_code == Jobs._work.__code__
    return in_delivery_of_its and trio.lowlevel.currently_ki_protected()


whole.append(_is_in_trio)


@trio.lowlevel.enable_ki_protection
def _at_a_checkpoint(handler: Callable[[int, FrameType | None], object], signum: int) -> None:
    """Has Trio raise KeyboardInterrupt in the main task there, and not where it has come."""
    handler(signum, sys._getframe())


class GuestCancelled(GuestError):
    """The run was cancelled: by `cancel`, or because its host had ended."""


class _TrioDeliveries(BaseDeliveries):
    # Ctrl-C, which Trio raises in a task that stands in a dialog, and so in what the dialog calls, cuts no delivery in two.
    deliver = trio.lowlevel.enable_ki_protection(BaseDeliveries.deliver)


class TrioRun(BaseRun):
    jobs: Jobs
    deliveries: BaseDeliveries
    trios_handler: Callable[[int, FrameType | None], object]

    def __init__(self, host: Host, name: str, done_callback: Callable[[Outcome[Any]], object] | None) -> None:
        super().__init__(host, name)
        #: Trio's own, once it has ended.
        self.outcome: Outcome[Any] | None = None
        self._done_callback = done_callback
        self._scope = trio.CancelScope()
        self._root: trio.lowlevel.Task | None = None
        self._was_cancelled = False
        # What Trio has not ended by itself.
        self._failure: BaseException | None = None

    def __repr__(self) -> str:
        return f"<asyncguest.guests.trio.TrioGuest {self.name!r} {self.state} in {self.host!r}>"

    @property
    def is_cancelling(self) -> bool:
        return self._was_cancelled and self.outcome is None

    # ---- the start

    def start(self, guest: Any, coroutine: Coroutine[Any, Any, Any], options: dict[str, Any]) -> None:
        """Takes the host thread's state, as far as it is free, and begins. See `guests.trio.start`."""
        host = self.host
        with ExitStack() as undo:
            undo.callback(coroutine.close)
            reactor = Reactor(
                posts_to=None if host.watches_fds else host,
                post_failed=self.post_failed,
                repost_after=host.repost_after,
                hosted=True,
                looks_again=host.looks_again,
            )
            self.guest = guest
            self.jobs = jobs = Jobs(reactor)
            self.deliveries = deliveries = _TrioDeliveries(self, jobs, _BUDGET, _MAX_NESTING)
            self._wakeup = WakeupFd(jobs, reactor)
            self._main = coroutine
            self.live_here()
            undo.callback(self._detach)
            self.state = "running"
            reactor.post_deliveries(deliveries.deliver)
            host.attached(guest)
            deliveries.watch()
            if not host.uses_wakeup_fd:
                self._wakeup.__enter__()
            trio.lowlevel.start_guest_run(
                self._run_main,
                run_sync_soon_threadsafe=jobs.soon,
                run_sync_soon_not_threadsafe=jobs.soon_here,
                done_callback=self._trio_is_done,
                host_uses_signal_set_wakeup_fd=True,
                **options,
            )
            self._take_ctrl_c()
            self.token = trio.lowlevel.current_trio_token()
            self._root = trio.lowlevel.current_root_task()
            _exit.unended.add(self)
            jobs.asyncgen_hooks, outside = tuple(sys.get_asyncgen_hooks()), jobs.asyncgen_hooks
            sys.set_asyncgen_hooks(*outside)
            undo.pop_all()

    async def _run_main(self) -> Any:
        trio.lowlevel.current_task().name = str(self.name)
        with self._scope:
            return await self._main
        raise GuestCancelled("the run was cancelled: by cancel(), or because its host had ended")

    # ---- Ctrl-C

    def _take_ctrl_c(self) -> None:
        """SIGINT stays the run's until it has ended. Trio, if it has taken it, gives it back with its last tick."""
        handler = signal.getsignal(signal.SIGINT) if on_main_thread() else None
        if callable(handler) and handler.__module__.startswith("trio."):
            this = weakref.ref(self)

            def on_sigint_of_trio(signum: int, frame: FrameType | None) -> None:
                run = this()
                if run is None or run.has_ended:  # somebody who has saved the handler has put it back
                    on_sigint(signum, frame)
                elif run.outcome is None and is_here(trio.lowlevel.current_trio_token):
                    if frame is not None and is_own(frame):
                        _at_a_checkpoint(run.trios_handler, signum)
                    else:
                        run.trios_handler(signum, frame)
                else:
                    keep()  # in its last steps Trio hears nothing

            self.trios_handler = handler
            self.sigint_handler = on_sigint_of_trio
            signal.signal(signal.SIGINT, on_sigint_of_trio)

    # ---- the end

    def cancel(self) -> bool:
        if self.outcome is not None or self.has_ended:
            return False
        self._was_cancelled = True
        if threading.get_ident() == self.host_thread:
            self._scope.cancel()
        else:
            self.jobs.soon(self._scope.cancel)
        return True

    def interrupted(self, error: BaseException) -> None:
        """What Trio's tick itself has failed with: there is no next one."""
        if self.forked:
            raise error
        self.report("Trio itself has failed, which ends the run", error)
        self._end_by(error)

    break_down = interrupted

    def _end_by(self, error: BaseException) -> None:
        self._failure = error
        self.outcome, self.is_over = self.outcome or Error(error), True
        _given_up.append(self)

    def report(self, message: str, error: BaseException) -> None:
        log.error("%s", message, exc_info=error)

    def _trio_is_done(self, outcome: Outcome[Any]) -> None:
        """In Trio's last tick."""
        self.outcome, self.is_over = outcome, True

    def shutdown(self, deadline: float) -> bool:
        if self.has_ended:
            return True
        if self.is_orphaned:
            self.jobs.reactor.take_over()
            self._give_up()
            self.conclude()
            return False  # on another thread Trio cannot go on
        if threading.get_ident() != self.host_thread:
            raise WrongThread("shutdown() belongs on the host thread; from others use cancel()")
        self.check_may_end(self._root is not None, self.deliveries.in_progress)
        self.cancel()
        self.jobs.run_until(self.deliveries, lambda: self.outcome or self.forked, monotonic() + deadline)
        if self.forked:
            self.end_child(None)
        if self.outcome is None:
            self._give_up()
        finished = self._failure is None
        self.conclude()
        return finished

    def _give_up(self) -> None:
        self._end_by(self.given_up(list(self._unfinished()) or ["Trio's own tasks"]))

    def _let_trio_go(self) -> None:
        """Trio's next tick is dropped, with which it gives back what it has of this thread: its fds, and SIGINT."""
        with suppress(trio.RunFinishedError):
            self.token.run_sync_soon(bool)  # ends the waiting of its thread, which has the tick then
        self.jobs.drop_until(monotonic() + _LETS_GO)

    def _unfinished(self) -> Iterator[str]:
        """The names of the tasks that are left, but Trio's own."""
        tasks = [] if self._root is None else [self._root]
        while tasks:
            task = tasks.pop()
            tasks += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
            if not task.name.startswith("<"):
                yield task.name

    def wind_up(self) -> None:
        if inspect.getcoroutinestate(self._main) == inspect.CORO_CREATED:
            self._main.close()  # Trio has ended before it came to that
        if self._failure is not None and threading.get_ident() == self.host_thread:
            self._let_trio_go()
        try:
            self._detach()
        finally:
            self.deliveries.part()
            self.guest = self.sigint_handler = self._done_callback = None

    def teller(self) -> Callable[[], object]:
        outcome = self.outcome
        assert outcome is not None
        if self._done_callback is not None:
            return partial(self._done_callback, outcome)
        if isinstance(outcome, Error) and not isinstance(outcome.error, GuestCancelled):
            return partial(log.error, "a run of Trio has failed, and had no done_callback", exc_info=outcome.error)
        return int

    def _detach(self) -> None:
        """Gives it all back: each step, also if one before it fails because the host is gone."""
        self.state = "ended"
        reactor, deliveries = self.jobs.reactor, self.deliveries
        deliveries.over = True
        reactor.post_deliveries(None)
        with ExitStack() as steps:  # the last one is done first
            steps.callback(reactor.close)
            steps.callback(self.host.detached, self.guest)
            steps.callback(_exit.unended.discard, self)
            steps.callback(self._wakeup.__exit__)
            steps.callback(deliveries.unwatch)

    # ---- forks

    def forget_in_child(self) -> None:
        self.forked = True
        self.state = "ended"
        self.deliveries.over, self.deliveries.is_watched = True, False
        self.jobs.reactor.forget_in_child()
        # Trio would tell the parent of the child's Ctrl-C.
        if (
            on_main_thread()
            and self.sigint_handler is not None
            and signal.getsignal(signal.SIGINT) is self.sigint_handler
        ):
            signal.signal(signal.SIGINT, signal.default_int_handler)
