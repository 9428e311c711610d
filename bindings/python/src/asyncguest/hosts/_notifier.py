"""What wakes a guest in its toolkit, and can be switched off: a watched fd, and what any thread may notify.

Owns: nothing, or the fds of its pipe. Host thread only, except `notify`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Protocol


class Switch(Protocol):
    """What wakes a guest, while it is on."""

    @property
    def is_on(self) -> bool:
        """Whether it is."""
        ...

    def on(self) -> None:
        """What it was switched off for in between, and still holds, wakes the guest now."""

    def off(self) -> None:
        """At once; the toolkit may be gone already."""

    def close(self) -> None:
        """After `off`, for good: an fd is forgotten at once."""


class Notifier(Switch, Protocol):
    """What wakes the host for what is posted."""

    def notify(self) -> None:
        """Any thread: the host is to take a job soon, once this is on."""

    def taken(self) -> None:
        """Host thread: what it was notified of is being done."""


class PostedNotifier:
    """A notifier for a toolkit that has a thread-safe way of its own to have a function called, once, on its thread.

    `arrived()` is called on the host thread after a `notify()` on any, while it is on. A subclass overrides `send`.
    """

    def __init__(self, arrived: Callable[[], object]) -> None:
        self._arrived = arrived
        self._lock = threading.RLock()  # a signal handler may notify inside
        self._is_notified = self._is_sent = False
        self.is_on = False

    def send(self) -> None:
        """Has the toolkit call `came()` soon, once. Any thread."""
        raise NotImplementedError

    def notify(self) -> None:
        """Any thread, until `close`."""
        with self._lock:
            self._is_notified = True
            if self.is_on and not self._is_sent:
                self.send()
                self._is_sent = True

    def came(self) -> None:
        """What was sent has come. Host thread."""
        with self._lock:
            self._is_sent = False
            if not self.is_on or not self._is_notified:
                return
        self._arrived()

    def taken(self) -> None:
        """What it was notified of is being done."""
        with self._lock:
            self._is_notified = False

    def on(self) -> None:
        """What it was notified of in between arrives."""
        with self._lock:
            self.is_on = True
            if self._is_notified:
                self.notify()

    def off(self) -> None:
        """Nothing arrives until `on`."""
        with self._lock:
            self.is_on = False

    def close(self) -> None:
        """For good."""
        self.off()
        self._arrived = bool  # what was sent may come after the host's loop, or never, and is not to keep the host


class PipeNotifier:
    """A notifier for a toolkit that can watch an fd: a pipe, with `make_watch(fd, arrived)` for its reading end."""

    def __init__(
        self, make_watch: Callable[[int, Callable[[], object]], Switch], arrived: Callable[[], object]
    ) -> None:
        self._fds = os.pipe()
        try:
            for fd in self._fds:
                os.set_blocking(fd, False)
            self._watch = make_watch(self._fds[0], arrived)
        except BaseException:
            self._close_fds()
            raise

    @property
    def is_on(self) -> bool:
        """Whether the fd is watched."""
        return self._watch.is_on

    def on(self) -> None:
        """What it was notified of in between arrives."""
        self._watch.on()

    def off(self) -> None:
        """Nothing arrives until `on`."""
        self._watch.off()

    def notify(self) -> None:
        """Any thread, until `close`."""
        try:
            os.write(self._fds[1], b"\0")
        except BlockingIOError:
            pass  # it is full of them

    def taken(self) -> None:
        """What it was notified of is being done."""
        try:
            os.read(self._fds[0], 4096)
        except BlockingIOError:
            pass  # a nested loop has done it

    def close(self) -> None:
        """Gives the fds back. After `off`."""
        self._watch.close()
        self._close_fds()

    def _close_fds(self) -> None:
        for fd in self._fds:
            os.close(fd)
