"""Which loop is the running one when guests start and end inside each other's code."""

from __future__ import annotations

import asyncio

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run, host_until


async def forever():
    await asyncio.Event().wait()


@pytest.fixture
def host(drive):
    queue = QueueHost(drive)
    yield queue
    for guest in asyncguest.stats().guests:  # of a failed test, which still need their host
        guest.shutdown(0.1)
    queue.close()


def running():
    return asyncio._get_running_loop()


def test_a_guest_started_in_another_guests_code_leaves_that_ones_loop_running(host):
    """Not the first guest's: the second one's task would wait for futures of a foreign loop, and its clean-up, being
    no current task, would cancel itself for ever."""
    first, second, third = (Run(host=host) for _ in range(3))
    seen = []

    async def main():
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        await asyncio.sleep(0)
        third.start(forever)
        seen.append((asyncio.get_running_loop() is loop, asyncio.current_task() is task))
        await asyncio.sleep(0)
        return "fine"

    first.start(forever)
    second.start(main)
    host_until(second, lambda: second.done, 2)
    assert seen == [(True, True)]
    assert second.done[0].result() == "fine"
    # Between deliveries the oldest one that lives is the running loop.
    assert running() is first.guest.loop
    assert first.guest.shutdown(5)
    assert running() is third.guest.loop
    assert third.guest.shutdown(5)
    assert running() is None


def test_a_guest_started_in_another_guests_first_step_leaves_that_ones_loop_running(host):
    first, second, third = (Run(host=host) for _ in range(3))
    seen = []

    async def main():
        third.start(forever)
        seen.append(asyncio.get_running_loop() is second.guest.loop)

    first.start(forever)
    second.start(main)
    assert seen == [True]
    assert running() is first.guest.loop
    host_until(second, lambda: second.done, 2)
    for run in (first, third):
        assert run.guest.shutdown(5)


def test_the_clean_up_never_cancels_itself(host):
    """Also if some code has changed the running loop under it."""
    first, second = Run(host=host), Run(host=host)

    async def main():
        await asyncio.sleep(0)
        asyncio._set_running_loop(first.guest.loop)
        return "fine"

    first.start(forever)
    second.start(main)
    host_until(second, lambda: second.done, 2)
    assert second.done[0].result() == "fine"
    assert first.guest.shutdown(5)


def test_no_closed_loop_stays_when_a_younger_guests_code_ends_the_older_guest(host):
    old, young = Run(host=host), Run(host=host)

    async def main():
        await asyncio.sleep(0)
        assert old.guest.shutdown(5)
        assert asyncio.get_running_loop() is young.guest.loop
        await asyncio.Event().wait()

    old.start(forever)
    young.start(main)
    host_until(young, lambda: old.done and young.guest.loop.idle)
    assert running() is young.guest.loop
    assert young.guest.shutdown(5)
    assert running() is None
    assert asyncio.run(asyncio.sleep(0, "works")) == "works"


def test_no_closed_loop_stays_when_the_older_guest_ends_during_a_younger_ones_dialog(host):
    old, young = Run(host=host), Run(host=host)

    async def main():
        await asyncio.sleep(0)
        old.guest.cancel()
        while not old.done:
            host.run_once(1)
        assert asyncio.get_running_loop() is young.guest.loop
        return "fine"

    old.start(forever)
    young.start(main)
    host_until(young, lambda: young.done)
    assert young.done[0].result() == "fine"
    assert running() is None
    assert asyncio.run(asyncio.sleep(0, "works")) == "works"


def test_no_closed_loop_stays_when_start_soon_ends_the_older_guest(host):
    """The block of `start_soon` puts the state back as a delivery does."""
    old, young = Run(host=host), Run(host=host)

    async def ender():
        assert old.guest.shutdown(5)

    old.start(forever)
    young.start(forever)
    young.guest.start_soon(ender)
    assert running() is young.guest.loop
    assert young.guest.shutdown(5)
    assert running() is None
    assert asyncguest.stats().guests == ()
