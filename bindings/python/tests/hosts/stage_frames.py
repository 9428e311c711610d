"""A program's own loop on stage, without toolkit and window: a game's, and one that waits for an fd."""

from __future__ import annotations

import heapq
import itertools
import os
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

import asyncguest
import stages
from extra_frames import EXTRA
from extra_select import EXTRA as EXTRA_OF_SELECT


class Frames(stages.Stage):
    """A delivery in each frame, and in the pause after it."""

    name = "game loop"
    idles = False
    is_found = False
    imports = ("asyncguest.hosts.frames",)
    extra = EXTRA

    def __init__(self, drive: str) -> None:
        from asyncguest.hosts.frames import FramesHost

        super().__init__(drive)
        self.host = FramesHost(drive)
        self.goes_on = True
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self.frame()

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
    """A loop that waits for a pipe, as others do for a keyboard or a socket, or until something of its own is due."""

    name = "select loop"
    variant = True
    idles = True
    extra = EXTRA_OF_SELECT

    def __init__(self, drive: str) -> None:
        super().__init__(drive)
        self.read_end, self.write_end = os.pipe()
        self._clicks: deque[Callable[[], object]] = deque()
        self._next_frame = 0.0

    def run(self, first: object = None) -> None:
        self.goes_on = True
        with self.host:
            while self.goes_on:
                if self.host.sleep(self.time_left(), self.read_end):
                    os.read(self.read_end, 1)
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
        os.write(self.write_end, b"x")
