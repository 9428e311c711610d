"""A program's own loop on stage, without toolkit and window: a game's, and one that waits for an fd."""

from __future__ import annotations

import heapq
import itertools
import os
import socket
import sys
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

import asyncguest
import stages
from extra_frames import EXTRA
from extra_select import EXTRA as EXTRA_OF_SELECT

#: What a loop on Windows can wait for is a socket.
PIPES = sys.platform != "win32"


class Frames(stages.Stage):
    """A delivery in each frame, and in the pause after it."""

    name = "game loop"
    idles = False
    is_found = False
    imports = ("asyncguest.hosts.frames",)
    extra = EXTRA

    def __init__(self, drive: str) -> None:
        super().__init__(drive)
        self.host = self.make_host()
        self.goes_on = True
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self.frame()

    def make_host(self) -> Any:
        from asyncguest.hosts.frames import FramesHost

        return FramesHost(self.drive)

    def version(self) -> str:
        return f"asyncguest {asyncguest.__version__}"

    def run(self, first: object = None) -> None:
        self.goes_on = True
        next_frame = monotonic()
        with self.host:
            while self.goes_on:
                self.host.step()
                for _ in range(len(self._due)):
                    if self._due and self._due[0][0] <= monotonic():
                        heapq.heappop(self._due)[2]()
                self.frame()
                next_frame = max(next_frame + 1 / 60, monotonic())
                if self.goes_on:
                    self.pause(next_frame - monotonic())

    def pause(self, seconds: float) -> None:
        self.host.sleep(seconds)

    def quit(self) -> None:
        self.goes_on = False

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        heapq.heappush(self._due, (monotonic() + seconds, next(self._numbers), function))

    def click(self, function: Callable[[], object]) -> None:
        self.later(0, function)


class Deliver(Frames):
    """`guest.deliver()` once per frame and a plain sleep: the host is there for the guest's options alone."""

    name = "game loop, deliver"
    variant = True
    extra: dict[str, Any] = {}

    def pause(self, seconds: float) -> None:
        from time import sleep

        sleep(max(0.0, seconds))


class Select(Frames):
    """A loop that waits for a pipe (on Windows a socket), as others do for a keyboard, or until something of its own is due."""

    name = "select loop"
    variant = True
    idles = True
    extra = EXTRA_OF_SELECT

    def __init__(self, drive: str) -> None:
        super().__init__(drive)
        self.read_end, self.write_end = os.pipe() if PIPES else (end.detach() for end in socket.socketpair())
        self._clicks: deque[Callable[[], object]] = deque()
        self._next_frame = 0.0

    def run(self, first: object = None) -> None:
        self.goes_on = True
        with self.host:
            while self.goes_on:
                if self.host.sleep(self.time_left(), self.read_end):
                    self.hear()
                    self._clicks.popleft()()
                for _ in range(len(self._due)):
                    if self._due and self._due[0][0] <= monotonic():
                        heapq.heappop(self._due)[2]()

    def time_left(self) -> float | None:
        """Until something of its own is due; paints if that is now."""
        now = monotonic()
        if self.moving and now >= self._next_frame:
            self.frame()
            self._next_frame = now + 1 / 60
        due = [when for when, *_ in self._due[:1]]
        if self.moving:
            due.append(self._next_frame)
        return max(0.0, min(due) - now) if due else None

    def quit(self) -> None:
        self.goes_on = False
        self.click(bool)

    def click(self, function: Callable[[], object]) -> None:
        self._clicks.append(function)
        self.ring()

    def ring(self) -> None:
        """Makes the reading end readable."""
        if PIPES:
            os.write(self.write_end, b"x")
        else:
            end = socket.socket(fileno=self.write_end)
            end.send(b"x")
            end.detach()

    def hear(self) -> None:
        """Takes what is there to be read."""
        if PIPES:
            os.read(self.read_end, 1)
        else:
            end = socket.socket(fileno=self.read_end)
            end.recv(1)
            end.detach()


class Queue(Select):
    """`QueueHost`: a thread without a loop. What its jobs raise, and its end, are the program's own affair."""

    name = "queue"
    extra: dict[str, Any] = {}

    def make_host(self) -> Any:
        from asyncguest.hosts.queue import QueueHost

        return QueueHost(self.drive)

    def run(self, first: object = None) -> None:
        self.goes_on = True
        try:
            while self.goes_on:
                try:
                    self.host.run_once(self.time_left())
                except asyncguest.GuestClosed:
                    raise  # in the child of a fork
                except Exception as error:  # a job's, or a done_callback's
                    sys.excepthook(type(error), error, error.__traceback__)
                for _ in range(len(self._due)):
                    if self._due and self._due[0][0] <= monotonic():
                        heapq.heappop(self._due)[2]()
        finally:
            for run in self.runs:
                run.guest.shutdown()

    def click(self, function: Callable[[], object]) -> None:
        self.host.post(function)

    def destroy(self) -> None:
        if self.host is not None:
            self.host.close()
