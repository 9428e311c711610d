"""A main loop of one's own, around select(), and the adapter that lets a guest live in it.

The loop watches the guest's fd beside its own fds; timers of the guest make that fd readable too.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable

import asyncguest


class MainLoop:
    """The program's own."""

    def __init__(self) -> None:
        self.readers: dict[int, Callable[[], object]] = {}
        self.running = True

    def run(self) -> None:
        while self.running:
            for fd in select.select(self.readers, (), ())[0]:
                if fd in self.readers:  # a handler may have removed it
                    self.readers[fd]()


class SelectHost(asyncguest.Host):
    """The adapter."""

    name = "select"
    watches_fds = True

    def __init__(self, loop: MainLoop) -> None:
        self.loop = loop

    def watch(self, fd: int, ready: Callable[[], bool]) -> None:
        self.loop.readers[fd] = ready

    def unwatch(self, fd: int) -> None:
        del self.loop.readers[fd]


async def main(end: int) -> None:
    for number in range(3):
        os.write(end, f"message {number}".encode())
        await asyncio.sleep(0.01)


loop = MainLoop()
ours, theirs = os.pipe()
loop.readers[ours] = lambda: print("the host has read:", os.read(ours, 100).decode())
guest = asyncguest.Guest(SelectHost(loop), done_callback=lambda task: setattr(loop, "running", False))
guest.start(main, theirs)
loop.run()
