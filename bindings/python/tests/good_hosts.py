"""Hosts that hostcheck finds nothing wrong with, for test_hostcheck.py, whose child processes import them from here."""

from __future__ import annotations

import asyncio
import heapq
from time import monotonic

import asyncguest
from asyncguest import Harness
from asyncguest.hosts.asyncio import AsyncioHost
from asyncguest.hosts.queue import QueueHost


class Full(QueueHost):
    """A queue host with all that a harness can have: nested loops and timers."""

    def __init__(self, drive="fd"):
        super().__init__(drive)
        self.timers = []

    def later(self, seconds, function):
        heapq.heappush(self.timers, (monotonic() + seconds, id(function), function))

    def run_once(self, timeout=None):
        if self.timers:
            wait = max(0.0, self.timers[0][0] - monotonic())
            timeout = wait if timeout is None else min(wait, timeout)
        super().run_once(timeout)
        while self.timers and self.timers[0][0] <= monotonic():
            heapq.heappop(self.timers)[2]()

    def nested(self, seconds):
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            self.run_once(left)

    def harness(self):
        return Harness(self, self.run, self.stop, self.nested, self.later, self.close)


def full(drive="fd"):
    return Full(drive).harness()


class Functions:
    """No adapter at all, but a function that takes a function."""

    def __init__(self):
        self.queue = QueueHost("thread")

    def harness(self):
        queue = self.queue
        return Harness(lambda job: queue.post(job), run=queue.run, quit=queue.stop, close=queue.close)


def functions():
    return Functions().harness()


class FdOnly(Full):
    """Has nothing but a poll for fds."""

    post = asyncguest.Host.post


def fd_only():
    return FdOnly().harness()


# ---- the package's other hosts


def asyncio_host(drive):
    loop = asyncio.new_event_loop()
    return Harness(
        AsyncioHost(loop, drive), run=loop.run_forever, quit=loop.stop, later=loop.call_later, close=loop.close
    )


def trio_host(drive):
    import trio
    from asyncguest.hosts.trio import TrioHost

    over = trio.Event()

    async def program(first):
        nonlocal over
        over = trio.Event()
        first()
        await over.wait()

    return Harness(
        lambda: TrioHost(drive), run=lambda first: trio.run(program, first), quit=lambda: over.set(), inside=True
    )


def tk_host(drive):
    import tkinter

    from asyncguest.hosts.tk import TkHost

    root = tkinter.Tk()

    def nested(seconds):
        over = tkinter.BooleanVar(root)
        root.after(int(seconds * 1000), over.set, True)
        root.wait_variable(over)

    return Harness(
        TkHost(root, drive),
        run=root.mainloop,
        quit=root.quit,
        nested=nested,
        later=lambda seconds, function: root.after(int(seconds * 1000), function),
        close=root.destroy,
    )
