"""The adapter as a guest sees it, with a look at everything that passes. Any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from .._host import Host, HostAround, Job

POSTS_SUCCEED = (
    "A post must succeed as long as the host lives, whatever it is doing, also before its loop runs and from any "
    "thread. Raise only when the host is gone for good."
)
WATCHES_WORK = (
    "A host with watches_fds = True watches fds at any time, also before its loop runs. If it cannot, leave "
    "watches_fds False and give it a post()."
)


class Spy(HostAround):
    """Tells the check, a `CheckRun`, what the adapter does wrong."""

    def __init__(self, inner: Host, drive: str, check: Any) -> None:
        super().__init__(inner)
        self._check = check
        self.watches_fds = drive == "fd"
        #: Posted jobs that have been run, and calls of watched fds.
        self.deliveries = 0
        self._guests = 0
        if inner.post_local is not None:
            self.post_local = partial(self._by, inner.post_local, "post_local()")

    def post(self, job: Job) -> None:
        self._by(self.inner.post, "post()", job)

    def _by(self, post: Callable[[Job], None], name: str, job: Job) -> None:
        posted = _Posted(self, name, job)
        try:
            post(posted)
        except BaseException as error:
            # A host without guests may refuse, and one that has been destroyed has to.
            if self._guests and not self._check.destroyed:
                self._check.failed(name, POSTS_SUCCEED, error)
            raise
        finally:
            posted.is_being_posted = False

    def watch(self, fd: int, ready: Callable[[], bool]) -> None:
        try:
            self.inner.watch(fd, partial(self._report, ready))
        except BaseException as error:
            self._check.failed("watch()", WATCHES_WORK, error)
            raise

    def _report(self, ready: Callable[[], bool]) -> bool:
        self.deliveries += 1
        if threading.get_ident() != self._check.thread:
            self._check.wrong(
                "ready() was called on another thread than the host's",
                "watch() must have the host's own loop poll the fd and call ready() there: a guest does nothing on "
                "another thread.",
            )
        return ready()

    def attached(self, guest: Any) -> None:
        self._guests += 1
        super().attached(guest)

    def detached(self, guest: Any) -> None:
        self._guests -= 1
        super().detached(guest)

    def ran(self, posted: _Posted) -> None:
        """A posted job is being run."""
        self.deliveries += 1
        check = self._check
        if posted.is_being_posted and threading.get_ident() == posted.poster:
            check.wrong(
                f"{posted.name} ran the job inside the call, on the thread that posted it",
                "Queue it instead and come back at once: with root.after, loop.call_soon_threadsafe, a queued signal, "
                "or a deque and whatever wakes the host's loop.",
            )
        elif threading.get_ident() != check.thread:
            check.wrong(
                f"{posted.name} ran the job on the thread {threading.current_thread().name!r}, which is not the host's",
                "The job belongs on the one thread that runs the host's main loop, where the guest was started: hand "
                "it over to that loop's queue.",
            )
        posted.count += 1
        if posted.count == 2:
            check.note(
                f"a job that was given to {posted.name} once was run twice",
                "Harmless to a guest, which knows its jobs by name, but each run costs a wake-up: take the job out of "
                "the queue before it is run.",
            )

    def __repr__(self) -> str:
        return repr(self.inner)


class _Posted:
    """A job on its way."""

    def __init__(self, spy: Spy, name: str, job: Job) -> None:
        self._spy = spy
        self._job = job
        self.name = name
        self.poster = threading.get_ident()
        self.is_being_posted = True
        self.count = 0

    def __call__(self) -> object:
        self._spy.ran(self)
        return self._job()
