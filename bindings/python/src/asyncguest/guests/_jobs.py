"""A library that asks its host for one thing, "call this function soon": those functions, in the deliveries of any host.

Owns: the functions that wait for a delivery. Host thread only, except `soon`.

A function is in the list before the host is told, and the host is only told to look. So what it does with that (loses it,
doubles it, is late) costs nothing but time; the reactor tells it again.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from .._host import Job
from .._native import Reactor, seconds

if TYPE_CHECKING:
    from .._delivery import BaseDeliveries

# As EVENT_READ of selectors.
_READABLE = 1


class Jobs:
    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        #: How many deliveries are on the stack.
        self.depth = 0
        #: The library's hooks for async generators, which are in place while its functions run. In a tuple, for the garbage
        #: collector does not look into what `sys` gives.
        self.asyncgen_hooks = tuple(sys.get_asyncgen_hooks())
        self._jobs: deque[Job] = deque()
        # The reactor's watch, and what is to be called, of each fd.
        self._readers: dict[int, tuple[int, Job]] = {}

    # ---- what the library asks for

    def soon(self, job: Job) -> None:
        """Has `job()` called in a delivery. Any thread."""
        self._jobs.append(job)
        self.reactor.wake()

    def soon_here(self, job: Job) -> None:
        """The same on the host thread: a delivery that is on the stack comes to it by itself."""
        self._jobs.append(job)
        if not self.depth:
            self.reactor.wake()

    # ---- what the wake-up fd asks for

    def add_reader(self, fd: int, callback: Callable[..., object], *args: Any) -> None:
        """Calls `callback(*args)` while `fd` is readable."""
        self._readers[fd] = (self.reactor.watch(fd, _READABLE), partial(callback, *args))

    def remove_reader(self, fd: int) -> None:
        watch, _ = self._readers.pop(fd)
        self.reactor.unwatch(watch)

    # ---- deliveries

    def deliver(self, judge: BaseDeliveries, token: int, budget: float, /) -> bool | None:
        """See `Delivered`. After `budget` seconds the host has its turn."""
        try:
            found = self.reactor.begin(token)
        except Exception as error:
            judge.not_begun(error)
            return None
        if found is None:
            return None
        try:
            self._work(judge, found, monotonic() + budget)
        finally:
            more = bool(self._jobs)
            if not self.reactor.closed:  # a fork inside has closed the child's copy
                self.reactor.end(None, more)
        return more

    def run_until(self, judge: BaseDeliveries, is_over: Callable[[], object], until: float) -> None:
        """The same right here, without the host: until `is_over()`, at the longest until that time."""
        with self.reactor.delivery():
            while not is_over() and (left := until - monotonic()) > 0:
                self._work(judge, self.reactor.poll(0 if self._jobs else seconds(left)), until)

    def drop_until(self, until: float) -> None:
        """Forgets what is there, or the first that comes until then."""
        with self.reactor.delivery():
            while not self._jobs and (left := until - monotonic()) > 0:
                self.reactor.poll(seconds(left))
        with self._in_place():
            self._jobs.clear()

    def _work(self, judge: BaseDeliveries, found: list[int], until: float) -> None:
        self.depth += 1
        try:
            with self._in_place():
                for fd in found[::2]:
                    if fd in self._readers:
                        self._readers[fd][1]()
                while self._jobs:
                    self._jobs.popleft()()
                    if monotonic() >= until:
                        break
        except BaseException as error:
            judge.failed(error)
        finally:
            self.depth -= 1

    @contextmanager
    def _in_place(self) -> Iterator[None]:
        outside = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(*self.asyncgen_hooks)
        try:
            yield
        finally:
            sys.set_asyncgen_hooks(*outside)
