"""The smallest main loop that there is: jobs from a queue, and fds (on Windows handles), on one thread.

Owns: the queue. For worker threads that have no loop of their own, for tests, and as the model of an adapter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NoReturn

from .._host import Host
from ._event import READABLE, Poll, clear_event, close_event, new_event, set_event

__all__ = ["QueueHost"]


class QueueHost(Host):
    """Runs posted jobs in order until `stop` is called.

    `drive`: "fd" (default) lets a guest wait in the host's own poll; "thread" offers it `post` alone, as a toolkit
    that cannot watch fds would. `post` and `stop` may be called on any thread, the rest on the host's.
    """

    name = "queue"
    looks_again = True

    def __init__(self, drive: str = "fd") -> None:
        if drive not in ("fd", "thread"):
            raise ValueError(f'drive must be "fd" or "thread", not {drive!r}')
        self.watches_fds = drive == "fd"
        self._jobs: deque[Callable[[], object]] = deque()
        self._ready: dict[int, Callable[[], bool]] = {}
        self._stopped = False
        self._waiting = False
        self._open()

    def _open(self) -> None:
        self._wake_fd = new_event()
        self._poll = Poll()
        self._poll.register(self._wake_fd, READABLE)

    def post(self, job: Callable[[], object]) -> None:
        self._jobs.append(job)
        if self._waiting:
            set_event(self._wake_fd, 1)

    def watch(self, fd: int, ready: Callable[[], bool]) -> None:
        self._ready[fd] = ready
        self._poll.register(fd, READABLE)

    def unwatch(self, fd: int) -> None:
        del self._ready[fd]
        if not self._poll.closed:
            self._poll.unregister(fd)

    def stop(self, *_: object) -> None:
        """Makes `run` return after the job that is running. Takes any arguments, to serve as a `done_callback`."""
        self._stopped = True
        set_event(self._wake_fd, 1)

    def run(self) -> None:
        """Runs jobs until `stop`. May be called inside a job: a nested loop. What a job raises comes out of here."""
        self._stopped = False
        while not self._stopped:
            self.run_once()
        self._stopped = False

    def run_once(self, timeout: float | None = None) -> None:
        """Waits for something to do, at most `timeout` seconds, and does what is there."""
        before = self._waiting  # a signal handler that runs a nested loop comes back into poll()
        self._waiting = True  # before the look at the queue: a job that this misses, also a signal handler's, wakes it
        try:
            # Room for what there is: by default epoll.poll() makes some for a thousand, each time.
            events = self._poll.poll(0 if self._jobs else timeout, len(self._ready) + 1)
        finally:
            self._waiting = before
        for fd, _ in events:
            if fd == self._wake_fd:
                try:
                    clear_event(self._wake_fd)
                except BlockingIOError:
                    pass  # a nested loop has done it
            elif fd in self._ready:
                self._ready[fd]()
        for _ in range(len(self._jobs)):
            if not self._jobs:
                break  # a nested loop has run them
            self._jobs.popleft()()

    def forked(self, guest: object) -> None:
        """The child goes on with fds of its own: by these it would take its parent's wake-ups, and change what it watches."""
        if not self._poll.closed:
            self._poll.close()
            close_event(self._wake_fd)
            self._open()
            for fd in list(self._ready):
                try:
                    self._poll.register(fd, READABLE)
                except OSError:
                    del self._ready[fd]  # a guest's, which is closed here; its number may be the new set's by now

    def end_child(self, error: BaseException) -> NoReturn:
        """Comes out of `run`, as what a job raises."""
        raise error

    def close(self) -> None:
        """Gives the host's own fds back. Posts fail from here on."""
        if not self._poll.closed:
            self._poll.close()
            self._waiting = True
            wake_fd, self._wake_fd = self._wake_fd, -1
            close_event(wake_fd)
