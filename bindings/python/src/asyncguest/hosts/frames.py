"""A loop of the program's own: a game's or a simulation's, with a delivery in each frame, or one that waits for fds.

Owns: the list of watched fds, and a pair of sockets that ends the pause between two frames. Host thread only, except `post`.

The program decides when the guests have their deliveries, so nothing has a priority over anything: a round of
deliveries ends after 5 ms at the latest, and who did not come in comes first in the next one.
"""

from __future__ import annotations

import errno
import select
import socket
import threading
from collections.abc import Callable
from math import inf
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .._native import LONGEST_WAIT
from .._resident import Resident
from .._selector import fileno
from .base import LONGEST_ROUND, JobHost, watches

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

__all__ = ["FramesHost"]

#: Windows has no `poll` there.
_select: Any = select

Fd = TypeVar("Fd", bound="FileDescriptorLike")


class FramesHost(JobHost):
    """A program that calls `step()` once per frame.

    `drive`: "fd" looks at the guests' fds in each step and needs no thread; "thread" has a thread of the library say
    that something is due; None takes the first, except on Windows. `deadline`: seconds that a run has for its
    clean-up when the `with` block ends.

    Examples: docs/hosts/game-loop.md, docs/hosts/curses.md

    At the end of the `with` block, also by an exception, runs that have not ended are shut down. What a
    `done_callback` raises goes to `sys.excepthook`; SystemExit and KeyboardInterrupt come out of `step`.
    """

    name = "frames"

    def __init__(self, drive: str | None = None, deadline: float = 5.0) -> None:
        super().__init__(deadline)
        self.watches_fds = watches(drive, hasattr(_select, "poll"), "this system cannot poll fds")
        self._watched: dict[int, Callable[[], bool]] = {}
        self._poll: Any = _select.poll() if hasattr(_select, "poll") else None
        # The reading and the writing end, while guests live here.
        self._wakers: tuple[socket.socket, socket.socket] | None = None
        self._wake_lock = threading.RLock()  # between a wake and the close; a signal handler may post in between
        self._ended = 0  # runs

    def step(self) -> bool:
        """One delivery for each guest that has something due, for about 5 ms in all. Returns whether there is more."""
        self._silence()
        more = self.deliver_jobs()
        end = monotonic() + LONGEST_ROUND
        for fd in self._readable():
            ready = self._watched.pop(fd, None)
            if ready is None:
                continue  # a delivery before has unwatched it
            self._watched[fd] = ready  # the last one in the next round
            more = self.deliver(ready) or more
            if monotonic() > end:
                break
        return more or bool(self.jobs)

    def sleep(self, seconds: float | None, *fds: Fd) -> list[Fd]:
        """The pause between two frames: guests that are due meanwhile have their deliveries in it.

        With `fds` it is what a loop waits in: it ends as soon as one of them is readable, and returns those that are; or
        when a guest's run is over. They are numbers, or objects with a `fileno()`; on Windows sockets alone. `seconds`: 0
        only looks at the fds, None is for as long as it takes. Without fds it returns an empty list, and is never shorter.
        """
        if seconds is None and not fds:
            raise ValueError("a pause without an end needs an fd that ends it: sleep(None, sys.stdin)")
        numbers = [fileno(fd) for fd in fds]
        end, ended = inf if seconds is None else monotonic() + seconds, self._ended
        while (left := end - monotonic()) > 0 or fds:
            is_due, readable = self._nap(max(0.0, left), numbers)
            if is_due:
                self.step()
            if readable or left <= 0 or (fds and self._ended != ended):
                return [fd for fd, number in zip(fds, numbers, strict=True) if number in readable]
        return []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.shut_down()

    # ---- what a guest asks for

    def watch(self, fd: int, ready: Callable[[], bool]) -> None:
        if self._poll is None:
            raise OSError('this system cannot poll fds: use drive="thread"')
        self._poll.register(fd, _select.POLLIN)
        self._watched[fd] = ready

    def unwatch(self, fd: int) -> None:
        del self._watched[fd]
        if self._poll is not None:
            self._poll.unregister(fd)

    def detached(self, guest: Resident) -> None:
        super().detached(guest)
        self._ended += 1

    def forked(self, guest: Resident) -> None:
        for fd in list(self._watched):  # closed here, where poll() would always find it
            self.unwatch(fd)

    def wake(self) -> None:
        with self._wake_lock:
            if self._wakers is not None:
                try:
                    self._wakers[1].send(b"\0")
                except BlockingIOError:
                    pass  # it is full of them

    # ---- waiting

    def _readable(self) -> list[int]:
        """The watched fds that are readable now, who waits longest first."""
        if self._poll is None or not self._watched:
            return []
        found = {fd for fd, _ in self._poll.poll(0)}
        return [fd for fd in self._watched if fd in found]

    def _nap(self, seconds: float, fds: list[int]) -> tuple[bool, set[int]]:
        """Waits at most so long; returns whether something is due for a guest before, and which of `fds` are readable."""
        seconds = 0.0 if self.jobs else min(seconds, LONGEST_WAIT)  # poll() takes no milliseconds beyond an int of C
        found = self._select(seconds, fds) if self._poll is None else self._polled(self._poll, seconds, fds)
        readable = found.intersection(fds)
        return bool(self.jobs) or found != readable, readable

    def _polled(self, poll: Any, seconds: float, fds: list[int]) -> set[int]:
        if fds:
            poll = _select.poll()
            for fd in (*fds, *self._watched, *self._wake_fds()):
                poll.register(fd, _select.POLLIN)
        milliseconds = int(seconds * 1000)
        found = poll.poll(milliseconds)
        for fd, what in found:
            if what & _select.POLLNVAL and fd in fds:
                raise OSError(errno.EBADF, f"fd {fd} is closed: leave it out of sleep()")
        if not found and milliseconds == 0:
            sleep(seconds)  # poll() knows no shorter time
        return {fd for fd, _ in found}

    def _select(self, seconds: float, fds: list[int]) -> set[int]:
        fds = [*fds, *self._wake_fds()]
        if not fds:
            sleep(seconds)
            return set()
        try:
            return set(select.select(fds, (), (), seconds)[0])
        except OSError:
            for fd in fds:
                try:
                    select.select([fd], (), (), 0)
                except OSError as error:
                    raise OSError(error.errno, f"fd {fd} is closed, or no socket: leave it out of sleep()") from error
            raise

    def _wake_fds(self) -> list[int]:
        return [] if self._wakers is None else [self._wakers[0].fileno()]

    def _silence(self) -> None:
        if self._wakers is not None:
            try:
                self._wakers[0].recv(4096)
            except BlockingIOError:
                pass

    def hook(self) -> None:
        wakers = socket.socketpair()
        for end in wakers:
            end.setblocking(False)
        if self._poll is not None:
            self._poll.register(wakers[0], _select.POLLIN)
        with self._wake_lock:
            self._wakers = wakers

    def unhook(self) -> None:
        super().unhook()
        with self._wake_lock:
            wakers, self._wakers = self._wakers, None
        assert wakers is not None
        if self._poll is not None:
            self._poll.unregister(wakers[0])
        for end in wakers:
            end.close()
