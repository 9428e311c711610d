"""How well host and guest share the thread: samples of latency, some each second.

Owns: the samples. Host thread; `tick` runs as a task of the guest.

Three things are measured, which mean the same in both drives: how late asyncio's timers are, how late Tk's are (the
animation's), and how long the guest's deliveries last, which is what Tk has to wait for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from time import monotonic
from typing import NamedTuple

import asyncguest
from asyncguest import GuestStats, Histogram

# Seconds between two timers of the guest that are looked at.
TICK = 0.02

# What the plot can show, and how many timers the figures at the end are taken from: the last ones.
MOST_SAMPLES = 600
MOST_TIMERS = 100_000


class Sample(NamedTuple):
    """A short time: the worst of it in seconds, and what was done per second."""

    time: float
    guest_late: float | None
    host_late: float | None
    delivery: float | None
    events: float
    deliveries: float


class Meter:
    def __init__(self, guest: asyncguest.Guest) -> None:
        self._guest = guest
        self.samples: deque[Sample] = deque(maxlen=MOST_SAMPLES)
        self._all_guest_late: deque[float] = deque(maxlen=MOST_TIMERS)
        self._all_host_late: deque[float] = deque(maxlen=MOST_TIMERS)
        self._guest_late: list[float] = []
        self._host_late: list[float] = []
        self._last: GuestStats | None = None
        self._last_time = self.began = monotonic()

    def start(self) -> None:
        """The window stands: what was before does not count."""
        self._last_time = self.began = monotonic()

    async def tick(self) -> None:
        """A task of the guest: how late its timers are."""
        while True:
            due = monotonic() + TICK
            await asyncio.sleep(TICK)
            self._guest_late.append(monotonic() - due)

    def host_timer(self, late: float) -> None:
        """One of Tk's timers came so many seconds late."""
        self._host_late.append(late)

    def sample(self) -> None:
        if self._guest.state == "new":
            return
        now, stats = monotonic(), self._guest.stats()
        if self._last is not None:
            last, passed = self._last, max(now - self._last_time, 0.001)
            old, new = last.delivery_duration.counts, stats.delivery_duration.counts
            deliveries = Histogram(tuple(after - before for before, after in zip(old, new)))
            self.samples.append(
                Sample(
                    now,
                    max(self._guest_late, default=None),
                    max(self._host_late, default=None),
                    deliveries.percentile(99) if deliveries.total else None,
                    (stats.events - last.events) / passed,
                    (stats.batches - last.batches) / passed,
                )
            )
        self._last, self._last_time = stats, now
        for few, many in ((self._guest_late, self._all_guest_late), (self._host_late, self._all_host_late)):
            many += few
            few.clear()

    def guest_late(self, percent: float) -> float:
        """Seconds by which so many percent of the guest's timers were late at the most."""
        return percentile(self._all_guest_late, percent)

    def host_late(self, percent: float) -> float:
        """The same for Tk's timers."""
        return percentile(self._all_host_late, percent)


def percentile(values: Iterable[float], percent: float) -> float:
    """0.0 if there are no values."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
