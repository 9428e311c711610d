"""What is said of `FramesHost.sleep(seconds, *fds)`: a loop that waits in it.

Owns: nothing. Each function is a scenario on the last stage of `stage_frames`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from time import monotonic
from typing import Any

from extra_frames import without_poll
from scenarios_end import stay
from stages import Run


async def wait() -> None:
    await asyncio.Event().wait()


async def spin() -> None:
    while True:
        await asyncio.sleep(0)


def hosts(stage: Any) -> list[Any]:
    """The stage's, and one as on a system without poll()."""
    return [stage.host, without_poll(stage)]


def an_fd_ends_the_pause(stage: Any) -> None:
    """Those that are readable are returned as they were given, in that order."""
    for host in hosts(stage):
        for guests in (0, 1):
            runs = [Run(stage, wait, host=host, then=stay) for _ in range(guests)]
            left, right = socket.socketpair()
            assert host.sleep(0, stage.read_end, left) == []
            began = monotonic()
            assert host.sleep(0.02, left) == [] and monotonic() - began >= 0.02
            right.send(b"x")
            assert host.sleep(None, stage.read_end, left) == [left]
            stage.ring()
            assert host.sleep(3600, left, stage.read_end) == [left, stage.read_end]
            assert host.sleep(10.0**12, left.fileno(), left) == [left.fileno(), left]
            stage.hear()
            left.recv(1)
            right.close()
            assert host.sleep(None, left) == [left], "its end is something to read"
            left.close()
            for run in runs:
                run.guest.shutdown()


def a_run_that_is_over_ends_the_pause(stage: Any) -> None:
    """Nothing else would, and the loop is to look whether it goes on."""
    for host in hosts(stage):
        short = Run(stage, asyncio.sleep, 0.01, host=host, then=stay)
        long = Run(stage, wait, host=host, then=stay)
        assert host.sleep(None, stage.read_end) == []
        assert len(short.done) == 1 and not long.done
        long.guest.cancel()
        assert host.sleep(None, stage.read_end) == []
        assert len(long.done) == 1
        assert host.sleep(0.01, stage.read_end) == []


def neither_side_keeps_the_other_one_out(stage: Any) -> None:
    """A guest that is never idle, and an fd that is readable all the time."""
    stage.ring()
    for host in hosts(stage):
        run = Run(stage, spin, host=host, then=stay, batch_budget=0.002)
        for _ in range(20):
            before = run.guest.stats().batches
            while run.guest.stats().batches == before:  # in drive THREAD it is to be posted first
                assert host.sleep(None, stage.read_end) == [stage.read_end]
        run.guest.shutdown()
    stage.hear()


def a_pause_inside_of_a_pause(stage: Any) -> None:
    """A callback of the guest waits for the same fd."""
    for host in hosts(stage):
        found = []

        async def main(host: Any = host, found: Any = found) -> None:
            await asyncio.sleep(0)
            stage.ring()
            found.append(host.sleep(None, stage.read_end))
            stage.hear()

        run = Run(stage, main, host=host, then=stay)
        while not run.done:
            host.sleep(1, stage.read_end)
        assert found == [[stage.read_end]] and run.result() is None


def what_cannot_be_waited_for(stage: Any) -> None:
    """Each with its own words."""
    ours = socket.socket()
    closed = ours.fileno()
    ours.close()
    gone = socket.socket()
    gone.close()

    def says(text: str, error: type[Exception], call: Callable[[], object]) -> None:
        try:
            call()
        except error as raised:
            assert text in str(raised), raised
        else:
            raise AssertionError(f"it did not say {text!r}")

    for host in hosts(stage):
        says("needs an fd that ends it", ValueError, lambda host=host: host.sleep(None))
        says("has the fd -1: it is closed", ValueError, lambda host=host: host.sleep(1, gone))
        says("is neither an fd nor an object with fileno()", ValueError, lambda host=host: host.sleep(1, None))
        says("", TypeError, lambda host=host: host.sleep("1"))
        says(f"fd {closed} is closed", OSError, lambda host=host: host.sleep(None, closed))


EXTRA = {
    function.__name__: function
    for function in (
        an_fd_ends_the_pause,
        a_run_that_is_over_ends_the_pause,
        neither_side_keeps_the_other_one_out,
        a_pause_inside_of_a_pause,
        what_cannot_be_waited_for,
    )
}
