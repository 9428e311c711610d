"""A host whose callbacks go wrong on purpose, around any other host.

Owns: a thread that hands jobs over late, while a guest is attached. What a guest must survive it gets here: a run in
this host loses nothing, doubles nothing and ends cleanly, only later. For tests; `asyncguest.hostcheck` uses it too.
"""

from __future__ import annotations

import heapq
import random
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from time import monotonic

from .._host import Host, HostAround, Job, can_post
from .._resident import Resident
from .queue import QueueHost

__all__ = ["ChaosHost", "ChaosError"]


class ChaosError(RuntimeError):
    """A post failed, because it was this one's turn to fail."""


class ChaosHost(HostAround):
    """Passes posts, or calls of a watched fd, on to `inner` badly.

    `inner`: the host that does the work, default a new `QueueHost`; it is reached as `host.inner`, to run and to stop
    it. `drive`: "thread" spoils posts, "fd" spoils what `watch` reports; default what `inner` can do. `seed`: the same
    seed makes the same choices, though threads still race. The rest are shares, the longest delay in seconds, and what
    `Host.repost_after` is to be: a short one gets more chaos into a short test.

    Drive THREAD: a post is dropped, handed over twice, run at once on the posting thread, refused with `ChaosError`,
    or else handed over late, so that posts overtake each other.
    Drive FD: a report is left out (the fd stays readable, so it comes again), made twice, or made on a wrong thread
    instead; after any of them another one may come late, when nothing is ready or the run is over.
    """

    def __init__(
        self,
        inner: Host | None = None,
        *,
        seed: int | None = None,
        drive: str | None = None,
        drop: float = 0.10,
        double: float = 0.10,
        inline: float = 0.10,
        fail: float = 0.05,
        longest_delay: float = 0.003,
        repost_after: float | None = None,
    ) -> None:
        if drive not in (None, "fd", "thread"):
            raise ValueError(f'drive must be "fd" or "thread", or None for what the inner host can do, not {drive!r}')
        if min(drop, double, inline, fail) < 0 or drop + double + inline + fail > 1:
            raise ValueError("drop, double, inline and fail are shares of all callbacks: from 0, and at most 1 in all")
        super().__init__(inner if inner is not None else QueueHost(drive or "thread"))
        if drive == "fd" and not self.watches_fds:
            raise ValueError(f'{self.inner!r} cannot watch an fd: use drive="thread"')
        self.name = f"chaos around {self.name}"
        if drive is not None:
            self.watches_fds = drive == "fd"
        if repost_after is not None:
            self.repost_after = repost_after
        if self.post_local is not None:
            self.post_local = partial(self._post_by, self.post_local)
        #: How often what was done: "dropped", "doubled", "inlined", "failed", "late".
        self.faults: Counter[str] = Counter()
        self._shares = (("dropped", drop), ("doubled", double), ("inlined", inline), ("failed", fail))
        self._longest_delay = longest_delay
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._guests = 0
        self._later: _Later | None = None

    # ---- drive THREAD

    def post(self, job: Job) -> None:
        self._post_by(self.inner.post, job)

    def _post_by(self, post: Callable[[Job], None], job: Job) -> None:
        fault = self._choose()
        if fault == "failed":
            raise ChaosError("this post fails on purpose")
        if fault == "inlined":
            job()
        elif fault == "doubled":
            post(job)
            self._soon(job)
        elif fault == "late":
            self._soon(job)

    def _soon(self, job: Job) -> None:
        """Posts the job to the inner host after a while. At the end of the run there is no "after a while" left."""
        later = self._later
        delay = self._random.random() * self._longest_delay
        if later is None or not later.call(delay, partial(self._post_late, job)):
            self.inner.post(job)

    def _post_late(self, job: Job) -> None:
        try:
            self.inner.post(job)
        except Exception:  # there is nobody to tell any more: to the guest it is a dropped post
            self._count("dropped")

    # ---- drive FD

    def watch(self, fd: int, ready: Callable[[], bool]) -> None:
        self.inner.watch(fd, partial(self._report, ready))

    def _report(self, ready: Callable[[], bool]) -> bool:
        fault = self._choose()
        later = self._later
        if fault == "dropped":
            return False
        if fault == "inlined":
            if later is not None:
                later.call(0.0, ready)  # the wrong thread; the fd stays readable
            return False
        if fault == "doubled":
            ready()
        elif fault == "failed" and can_post(self.inner):
            self._soon(ready)  # a report when nothing may be ready: an fd cannot refuse
        return ready()

    # ---- both

    def attached(self, guest: Resident) -> None:
        if not self._guests:
            self._later = _Later()
        self._guests += 1
        super().attached(guest)

    def detached(self, guest: Resident) -> None:
        self._guests -= 1
        later = self._later
        if not self._guests and later is not None:
            self._later = None
            later.close()  # what it still had comes now, after the end
        super().detached(guest)

    def _choose(self) -> str:
        dice = self._random.random()
        for fault, share in self._shares:
            dice -= share
            if dice < 0:
                break
        else:
            fault = "late"
        self._count(fault)
        return fault

    def _count(self, fault: str) -> None:
        with self._lock:
            self.faults[fault] += 1


class _Later:
    """A thread that calls functions after a while."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        self._count = 0
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="asyncguest chaos", daemon=True)
        self._thread.start()

    def call(self, delay: float, function: Callable[[], object]) -> bool:
        """Calls `function` on the thread, `delay` seconds from now. False: it is over. Any thread."""
        with self._changed:
            if self._closed:
                return False
            self._count += 1
            heapq.heappush(self._heap, (monotonic() + delay, self._count, function))
            self._changed.notify()
        return True

    def close(self) -> None:
        """Ends the thread; what it still had is called before this returns."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and not (self._heap and self._heap[0][0] <= monotonic()):
                    self._changed.wait(self._heap[0][0] - monotonic() if self._heap else None)
                if not self._heap:
                    return
                _, _, function = heapq.heappop(self._heap)
            function()
