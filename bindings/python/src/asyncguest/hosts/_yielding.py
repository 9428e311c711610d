"""Yielding: a guest with much to do rests, and leaves its host the time for painting, and the host's timers.

Owns: the host's watches that rest, and its queue of posted jobs. Host thread only, except `post` and `Bell.ring`.

A toolkit that serves what wakes its guests before it paints would freeze its window under a busy one. So after a turn
that ran out of its time, or many short ones in a row, what wakes the guest is switched off until the toolkit has come
to an idle moment, or the longest rest is over: a toolkit that is never idle does not starve its guests either.
The idle moment only switches it on again: a turn in it might run inside any call that waits for one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from .._errors import GuestError
from ._loophost import BusyStreak, LoopHost

__all__ = ["LONGEST_REST", "Bell", "YieldingHost", "Switch"]

#: Milliseconds that a guest rests at the most while its toolkit finds no idle moment.
LONGEST_REST = 10


class Switch(Protocol):
    """What wakes a guest, while it is on."""

    is_on: bool

    def on(self) -> None: ...

    def off(self) -> None: ...


class JobBell(Switch, Protocol):
    """What wakes the host for its posted jobs."""

    def ring(self) -> None:
        """Any thread: the host is to run a job soon, once it is on."""

    def silence(self) -> None:
        """Host thread: what was rung for is being done."""

    def close(self) -> None: ...


class Bell:
    """Calls `served()` on the host thread after a `ring()` on any, while it is on.

    A subclass overrides `_send`: the toolkit's own thread-safe way to have `arrived()` called, once.
    """

    def __init__(self, served: Callable[[], object]) -> None:
        self._served = served
        self._lock = threading.RLock()  # a signal handler may ring inside
        self._is_rung = self._is_sent = False
        self.is_on = False

    def _send(self) -> None:
        raise NotImplementedError

    def ring(self) -> None:
        with self._lock:
            self._is_rung = True
            if self.is_on and not self._is_sent:
                self._send()
                self._is_sent = True

    def arrived(self) -> None:
        with self._lock:
            self._is_sent = False
            if not self.is_on or not self._is_rung:
                return
        self._served()

    def silence(self) -> None:
        with self._lock:
            self._is_rung = False

    def on(self) -> None:
        with self._lock:
            self.is_on = True
            if self._is_rung:
                self.ring()

    def off(self) -> None:
        with self._lock:
            self.is_on = False

    def close(self) -> None:
        self.off()
        self._served = bool  # what was sent may come after the host's loop, or never, and is not to keep the host


class YieldingHost(LoopHost):
    """Base of an adapter whose guests rest.

    Overrides `_make_bell`, and `_wait_for_idle` and `_forget_alarms`; wakes its guests by `_served`.
    """

    def __init__(self, deadline: float = 5.0) -> None:
        super().__init__(deadline)
        self._resting: deque[Switch] = deque()
        self._streak = BusyStreak()
        self._jobs: deque[Callable[[], object]] = deque()
        self._bell: JobBell | None = None
        self._bell_lock = threading.RLock()  # between a ring and the close; a signal handler may ring in between

    def post(self, job: Callable[[], object]) -> None:
        """Runs `job()` on the host thread, soon, while a guest lives here. Any thread."""
        with self._bell_lock:
            if self._bell is None:
                raise GuestError(f"a {type(self).__name__} takes posts while a guest lives in it, and none does")
            self._jobs.append(job)
            self._bell.ring()

    def _answer(self) -> None:
        if self._bell is not None:
            self._served(self._bell, self._run_job)

    def _run_job(self) -> bool:
        """Runs one job that was posted. Returns whether its guest has more to do than fitted into its turn."""
        assert self._bell is not None
        self._bell.silence()
        try:
            job = self._jobs.popleft()
        except IndexError:
            return False  # it has been rung for more often than there were jobs
        if self._jobs:
            self._bell.ring()  # the others come after this one, or in the nested loop that this one opens
        return job() is True

    # ---- turns and rests

    def _served(self, switch: Switch, ready: Callable[[], object]) -> None:
        """The toolkit has found that the guest is to be woken."""
        self._streak.begin()
        more = False
        try:
            more = self._turn(ready)
        finally:
            if self._streak.end(more):
                self._rest(switch)

    def _rest(self, switch: Switch) -> None:
        """The toolkit's own turn: `switch` is off until `_resume`."""
        if switch.is_on:
            switch.off()
            self._resting.append(switch)
            if len(self._resting) == 1:
                self._wait_for_idle()

    def _resume(self) -> None:
        """An idle moment, or the longest rest is over: one guest goes on, so that many do not make one long turn."""
        self._forget_alarms()
        if self._resting:
            self._resting.popleft().on()
        if self._resting:
            self._wait_for_idle()

    def _stop(self, switch: Switch) -> None:
        """`switch` is off for good."""
        switch.off()
        if switch in self._resting:
            self._resting.remove(switch)
            if not self._resting:
                self._forget_alarms()

    def _wait_for_idle(self) -> None:
        """Has the toolkit call `_resume` in its next idle moment, and after LONGEST_REST if none comes."""
        raise NotImplementedError

    def _forget_alarms(self) -> None:
        """Takes that back."""
        raise NotImplementedError

    # ---- the end

    def _make_bell(self, served: Callable[[], None]) -> JobBell:
        """What wakes the host from any thread."""
        raise NotImplementedError

    def _hook(self) -> None:
        bell = self._make_bell(self._answer)
        bell.on()
        with self._bell_lock:
            self._bell = bell

    def _unhook(self) -> None:
        with self._bell_lock:
            bell, self._bell = self._bell, None
        if bell is not None:
            self._stop(bell)
            bell.close()
        self._jobs.clear()
