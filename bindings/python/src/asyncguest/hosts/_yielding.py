"""Yielding: a guest with much to do leaves its host the time for painting, and the host's timers.

Owns: the host's watches that yield, and its queue of posted jobs. Host thread only, except `post` and
`Notifier.notify`.

A toolkit that serves what wakes its guests before it paints would freeze its window under a busy one. So after a
delivery that ran out of its time, or many short ones in a row, what wakes the guest is switched off until the toolkit
has come to an idle moment, or the longest yield is over: a toolkit that is never idle does not starve its guests either.
The idle moment only switches it on again: a delivery in it might run inside any call that waits for one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import TypeVar

from .._errors import GuestError
from ._loophost import LoopHost
from ._notifier import Notifier, PipeNotifier, Switch

#: Milliseconds that a guest yields at the most while its toolkit finds no idle moment.
LONGEST_YIELD = 10

# Seconds of deliveries so close to each other, with pauses below _PAUSE, that what a host does in its idle moments has no
# place in between: then it is given one.
_LONGEST_STREAK = 0.004
_PAUSE = 0.001

AnySwitch = TypeVar("AnySwitch", bound=Switch)


class YieldingHost(LoopHost):
    """Base of an adapter whose toolkit would serve a busy guest before it paints: its guests yield.

    An adapter overrides `make_watch`, or `make_notifier`, or both, and `wait_for_idle` and `forget_idle`. `watch`,
    `unwatch` and `post` are made of these.
    """

    looks_again = True

    def __init__(self, deadline: float = 5.0) -> None:
        super().__init__(deadline)
        self._watched: dict[int, Switch] = {}
        self._yielding: deque[Switch] = deque()
        self._streak_began = self._last_end = 0.0
        self._jobs: deque[Callable[[], object]] = deque()
        self._notifier: Notifier | None = None
        self._notifier_lock = threading.RLock()  # between a notify and the close; a signal handler may post in between

    # ---- what an adapter overrides

    def make_watch(self, fd: int, ready: Callable[[], object]) -> Switch:
        """What calls `ready()` on the host thread whenever `fd` is readable, while it is on; it is off at first.

        Also in a loop inside of that call: a dialog's, a menu's.
        """
        raise NotImplementedError

    def make_notifier(self, arrived: Callable[[], object]) -> Notifier:
        """What calls `arrived()` on the host thread when the host was notified on any. Here a pipe, by `make_watch`."""
        return PipeNotifier(self.make_watch, arrived)

    def wait_for_idle(self) -> None:
        """Has the toolkit call `resume` in its next idle moment, and after LONGEST_YIELD if none comes."""
        raise NotImplementedError

    def forget_idle(self) -> None:
        """Takes that back: `resume` is not called. Also when nothing waits."""
        raise NotImplementedError

    # ---- what a guest asks for

    def watch(self, fd: int, ready: Callable[[], bool]) -> None:
        switch = self._make_switch(partial(self.make_watch, fd), ready)
        switch.on()
        self._watched[fd] = switch

    def unwatch(self, fd: int) -> None:
        self._close(self._watched.pop(fd))

    def post(self, job: Callable[[], object]) -> None:
        """Runs `job()` on the host thread, soon, while a guest lives here. Any thread."""
        with self._notifier_lock:
            if self._notifier is None:
                raise GuestError(f"a {type(self).__name__} takes posts while a guest lives in it, and none does")
            self._jobs.append(job)
            self._notifier.notify()

    def _take_job(self) -> bool:
        """Runs one job that was posted. Returns whether its guest has more to do than fitted into its delivery."""
        if self._notifier is None:
            return False
        self._notifier.taken()
        try:
            job = self._jobs.popleft()
        except IndexError:
            return False  # it was notified more often than there were jobs
        if self._jobs:
            self._notifier.notify()  # the others come after this one, or in the nested loop that this one opens
        return job() is True

    # ---- deliveries and yields

    def _make_switch(self, make: Callable[[Callable[[], object]], AnySwitch], ready: Callable[[], object]) -> AnySwitch:
        """What wakes a guest, by `make(woken)`: its deliveries are `ready()`, after which it may have to yield."""

        def woken() -> None:
            # As few calls as can be: after a sleep each one is cold, and costs microseconds.
            began, more = monotonic(), False
            try:
                more = self.deliver(ready)
            finally:
                now = monotonic()
                if began - self._last_end > _PAUSE:
                    self._streak_began = began
                self._last_end = now
                if more or now - self._streak_began > _LONGEST_STREAK:
                    self._streak_began = now
                    if switch.is_on:
                        switch.off()
                        self._yielding.append(switch)
                        if len(self._yielding) == 1:
                            self.wait_for_idle()

        switch = make(woken)
        return switch

    def resume(self) -> None:
        """An idle moment, or the longest yield is over: one guest goes on, so that many do not make one long delivery."""
        if self._yielding:
            self.forget_idle()
            self._yielding.popleft().on()
        if self._yielding:
            self.wait_for_idle()

    def _close(self, switch: Switch) -> None:
        switch.off()
        if switch in self._yielding:
            self._yielding.remove(switch)
            if not self._yielding:
                self.forget_idle()
        switch.close()

    # ---- beginning and end

    def hook(self) -> None:
        """An adapter that overrides it calls this one too, when it can take posts."""
        notifier = self._make_switch(self.make_notifier, self._take_job)
        notifier.on()
        with self._notifier_lock:
            self._notifier = notifier

    def unhook(self) -> None:
        """An adapter that overrides it calls this one too, before it gives up what `forget_idle` needs."""
        with self._notifier_lock:
            notifier, self._notifier = self._notifier, None
        if notifier is not None:
            self._close(notifier)
        self._jobs.clear()
