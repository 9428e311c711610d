"""A wake-up fd that its owner has closed, and left in place, costs a run nothing."""

from __future__ import annotations

import os
import signal
import socket

import asyncguest
import pytest
from helpers import run_guest

WAYS = {
    "alone": lambda main: asyncguest.run(main()),
    "fd": lambda main: run_guest(main, drive="fd"),
    "thread": lambda main: run_guest(main, drive="thread"),
}


def leave_stale(number_is_taken):
    """Sets a wake-up fd and closes it; `number_is_taken`: by something that blocks, which set_wakeup_fd refuses too."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    fd = os.dup(theirs.fileno())
    os.set_blocking(fd, False)
    signal.set_wakeup_fd(fd)
    ours.close(), theirs.close(), os.close(fd)
    if not number_is_taken:
        return
    ends = os.pipe()
    if fd not in ends:
        os.dup2(ends[0], fd)
        taken.append(fd)
    taken.extend(ends)


taken: list[int] = []


@pytest.fixture(autouse=True)
def as_before():
    before = signal.set_wakeup_fd(-1)
    yield
    signal.set_wakeup_fd(-1)
    while taken:
        os.close(taken.pop())
    if before != -1:
        signal.set_wakeup_fd(before)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number_is_taken", (False, True), ids=("closed", "reused"))
@pytest.mark.parametrize("when", ("before", "during"))
def test_a_stale_fd_of_somebody_elses_costs_nothing(when, number_is_taken, way):
    if when == "before":
        leave_stale(number_is_taken)

    async def main():
        if when == "during":
            leave_stale(number_is_taken)
        return "result"

    assert WAYS[way](main) == "result"


@pytest.mark.parametrize("way", WAYS)
def test_a_good_fd_of_somebody_elses_stays(way):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        signal.set_wakeup_fd(theirs.fileno())

        async def main():
            return "result"

        assert WAYS[way](main) == "result"
        assert signal.set_wakeup_fd(-1) == theirs.fileno()
