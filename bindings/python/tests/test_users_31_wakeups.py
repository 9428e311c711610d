"""USERS 31: redundant wake-ups, and a stale timeout after a nested run."""

from __future__ import annotations

import asyncio
import socket
import sys

import asyncguest
import pytest
from asyncguest import GuestStats
from asyncguest.hosts.frames import FramesHost
from helpers import Run, host_until, rests, settle


def quiet(run: Run) -> None:
    """Lets the host go on until the guest sleeps."""
    rests(run.host, lambda: run.guest.stats().batches)  # type: ignore[arg-type]


def idle_run(drive: str) -> tuple[Run, asyncio.Event]:
    end = asyncio.Event()
    run = Run(drive, debug=False, batch_budget=60.0)
    run.start(end.wait)
    settle(run)
    quiet(run)
    return run, end


def test_idle_is_free(drive: str) -> None:
    run, end = idle_run(drive)
    run.guest.loop.call_later(3600, print)
    quiet(run)
    end.set()
    run.finish()


def test_a_burst_is_one_delivery(drive: str) -> None:
    run, end = idle_run(drive)
    before = run.guest.stats()
    during: list[GuestStats] = []
    for _ in range(200):
        run.guest.loop.call_soon(lambda: during.append(run.guest.stats()))
    host_until(run, lambda: len(during) == 200)
    assert {stats.batches for stats in during} == {during[0].batches}
    assert during[0].tokens - before.tokens <= 1
    end.set()
    run.finish()


def test_a_cancelled_timer_wakes_nobody(drive: str) -> None:
    run, end = idle_run(drive)
    timers = [run.guest.loop.call_later(0.02 + number / 1000, print) for number in range(10)]
    settle(run)
    for timer in timers:
        timer.cancel()
    settle(run)
    before, due = run.guest.stats().batches, asyncio.Event()
    run.guest.loop.call_later(0.06, due.set)
    host_until(run, due.is_set)
    assert run.guest.stats().batches - before <= 3, (
        "for the new timer, and one that a thread that stood still has earned"
    )
    end.set()
    run.finish()


def test_a_timer_moved_later_wakes_once(drive: str) -> None:
    """The common `handle.cancel(); handle = call_later(...)` of a debounced handler."""
    run, end = idle_run(drive)
    fired: list[float] = []
    timer = run.guest.loop.call_later(0.01, fired.append, 0)
    for _ in range(20):
        timer.cancel()
        timer = run.guest.loop.call_later(0.03, fired.append, 1)
    before = run.guest.stats().batches
    host_until(run, lambda: fired)
    assert fired == [1] and run.guest.stats().batches - before <= 3
    end.set()
    run.finish()


def test_no_stale_timeout_after_a_nested_run(drive: str) -> None:
    """A callback opens a dialog while a timer far away is set; the dialog sets a near one; after it, that one still counts."""
    end = asyncio.Event()
    fired: list[str] = []
    run = Run(drive, debug=False)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(3600, print)
        await asyncio.sleep(0.001)
        loop.call_soon(dialog)
        await end.wait()

    def dialog() -> None:
        loop = run.guest.loop
        inside = asyncio.Event()

        def act() -> None:
            loop.call_later(0.02, fired.append, "set inside, due after")
            inside.set()

        loop.call_later(0.005, act)
        host_until(run, inside.is_set)  # the nested loop's own timer fires in it
        fired.append("closed")

    run.start(main)
    host_until(run, lambda: len(fired) == 2)
    assert fired == ["closed", "set inside, due after"]
    quiet(run)
    end.set()
    run.finish()


@pytest.mark.skipif(sys.platform == "win32", reason="what a host waits for there is no fd")
def test_a_look_that_is_in_vain_each_time_is_left_to_the_host() -> None:
    run, end = idle_run("fd")
    near, far = socket.socketpair()
    got: list[bytes] = []
    until = 64

    def come() -> None:
        got.append(near.recv(1))
        if until > 64 and len(got) < until:
            far.send(b"x")  # there is more in the same delivery

    def counted() -> tuple[int, int]:
        stats = run.guest.stats()
        return stats.batches, stats.polls

    run.guest.loop.add_reader(near, come)
    before = counted()
    for number in range(until):
        far.send(b"x")
        host_until(run, lambda number=number: len(got) > number)  # type: ignore[misc]
    batches, polls = (now - then for now, then in zip(counted(), before))
    assert polls - batches < batches / 2, "one look for a delivery, most often"
    until, (before, _) = 64 + 1000, counted()
    far.send(b"x")
    host_until(run, lambda: len(got) == until)
    assert counted()[0] - before < 100, "and it is made where it finds something"
    run.guest.loop.remove_reader(near)
    near.close()
    far.close()
    end.set()
    run.finish()


def test_a_host_that_does_not_look_again_leaves_nothing_to_its_next_turn() -> None:
    """Such as a game with a delivery for each frame, in some of which there is much to do."""
    near, far = socket.socketpair()
    got: list[bytes] = []

    def come() -> None:
        got.append(near.recv(1))
        if len(got) % 10:
            far.send(b"x")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(near, come)
        await loop.create_future()

    with FramesHost("fd" if sys.platform != "win32" else None) as host:
        guest = asyncguest.start(main, host=host, batch_budget=60.0)
        host.step()
        for _ in range(40):
            guest.loop.call_soon(int)
            host.step()  # nothing comes meanwhile
        for frame in range(2):
            far.send(b"x")
            host.step()
            assert len(got) == 10 * (frame + 1)
    near.close()
    far.close()
