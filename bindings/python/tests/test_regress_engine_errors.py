"""What goes wrong in the loop itself, outside of any callback, ends the run once, with that as its outcome, and is told."""

from __future__ import annotations

import asyncio

import asyncguest
import pytest
from helpers import Dialog, Run, host_until


class Broken(Exception):
    """What the loop's own machinery meets."""


class Worse:
    """A deadline that cannot be compared any more, nor read."""

    def __lt__(self, other=None):
        raise Broken

    __gt__ = __le__ = __ge__ = __sub__ = __float__ = __lt__


def timers(loop):
    loop._scheduled.append(asyncio.TimerHandle(Worse(), int, (), loop))


def clock(loop):
    def time():
        raise Broken

    loop.call_later(60, int)
    loop.time = time


def ready(loop):
    class NoHandle:
        _cancelled = False
        _context = None

        def _run(self):
            raise Broken

    loop._ready.append(NoHandle())


WAYS_TO_BREAK = [timers, clock, ready]


async def breaks(break_, log):
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: log.append(context))
    side = asyncio.ensure_future(loop.create_future())
    side.add_done_callback(log.append)
    await asyncio.sleep(0.001)
    break_(loop)
    try:
        await loop.create_future()
    finally:
        log.append("finally")


def check(run, log):
    with pytest.raises(Broken):
        run.finish()
    assert len(run.done) == 1
    assert log.count("finally") == 1
    (told,) = [entry for entry in log if isinstance(entry, dict)]
    assert "the event loop itself has failed, which ends the run" in told["message"]
    assert isinstance(told["exception"], Broken)
    assert run.guest.state == "ended"


@pytest.mark.parametrize("break_", WAYS_TO_BREAK)
def test_it_ends_the_run_once(drive, break_):
    run, log = Run(drive), []
    run.start(breaks, break_, log)
    check(run, log)


@pytest.mark.parametrize("break_", WAYS_TO_BREAK)
def test_the_host_and_its_other_guests_live_on(drive, break_):
    run, log = Run(drive), []
    other = asyncguest.Guest(run.host)
    ticks = []

    async def goes_on():
        for _ in range(5):
            await asyncio.sleep(0.001)
            ticks.append(1)

    run.start(breaks, break_, log)
    other.start(goes_on)
    host_until(run, lambda: run.done and other.state == "ended")
    assert len(ticks) == 5
    check(run, log)


@pytest.mark.parametrize("break_", WAYS_TO_BREAK)
@pytest.mark.parametrize("first_step", (True, False))
def test_in_a_nested_loop(drive, break_, first_step):
    """In the first step no delivery is below the dialog that could end the run."""
    run, log = Run(drive), []

    async def main():
        loop, dialog = asyncio.get_running_loop(), Dialog(run.host)
        loop.set_exception_handler(lambda _, context: (log.append(context), dialog.close()))
        if not first_step:
            await asyncio.sleep(0.001)
        loop.call_soon(loop.call_soon, break_, loop)
        dialog.show()
        log.append("finally")
        await loop.create_future()

    run.start(main)
    check(run, log)


def test_during_a_shutdown(drive):
    run, log = Run(drive), []

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: log.append(context))
        try:
            await asyncio.sleep(3600)
        finally:
            log.append("finally")
            ready(loop)
            await asyncio.sleep(3600)

    run.start(main)
    assert not run.guest.shutdown(5.0)
    check(run, log)


@pytest.mark.parametrize("break_", WAYS_TO_BREAK)
def test_alone_it_leaves_run(break_):
    with pytest.raises(Broken):
        loop = asyncguest.EventLoop()
        try:
            loop.run_until_complete(breaks(break_, []))
        finally:
            for task in asyncio.all_tasks(loop):
                task._log_destroy_pending = False
                task.get_coro().close()
            loop.close()
