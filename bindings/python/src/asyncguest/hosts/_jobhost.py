"""What the adapters share that keep their own list of what was posted, because the toolkit can only be woken.

Owns: the posted jobs. Host thread only, except `post`.

The job is in the list before the toolkit is told, and whoever looks finds all of them. So a wake that the toolkit
loses, doubles or has no room for costs nothing but time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic

from ._loophost import LoopHost

#: Seconds after which no further guest has its delivery before the toolkit has its own time.
LONGEST_ROUND = 0.005


class JobHost(LoopHost):
    """Base of an adapter whose toolkit can only be woken, or whose program says itself when the guests are served.

    An adapter says with `wake` how its toolkit is woken, and calls `deliver_jobs` when it has been.
    """

    def __init__(self, deadline: float = 5.0) -> None:
        super().__init__(deadline)
        #: What was posted and has not run.
        self.jobs: deque[Callable[[], object]] = deque()

    def post(self, job: Callable[[], object]) -> None:
        """Runs `job()` on the host thread, soon. Any thread."""
        self.jobs.append(job)
        self.wake()

    def wake(self) -> None:
        """Wakes the toolkit, so that it calls `deliver_jobs`. Any thread, also when no guest lives here."""

    def deliver_jobs(self) -> bool:
        """Runs what was posted until now, or as much of it as is fit for one round.

        Returns whether a guest has more to do: then input and paint come first. Jobs may be left in any case.
        """
        end = monotonic() + LONGEST_ROUND
        more = False
        for _ in range(len(self.jobs)):
            if not self.jobs:
                break  # a nested loop has run them
            more = self.deliver(self.jobs.popleft()) or more
            if monotonic() > end:
                break
        return more

    def unhook(self) -> None:
        """An adapter that overrides it calls this one too."""
        self.jobs.clear()
