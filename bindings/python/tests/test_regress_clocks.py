"""Timers follow `loop.time()`, as with the standard loop: overridden in a subclass, patched on the loop, jumping."""

from __future__ import annotations

import asyncio
import time
from fractions import Fraction

import asyncguest
import pytest
from helpers import Run, host_until, run_guest, settle

HOUR = 3600.0


class Clock:
    """A clock that is ahead of the real one, by as much as it is told."""

    def __init__(self, ahead=0.0):
        self.ahead = ahead

    def __call__(self):
        return time.monotonic() + self.ahead


def loop_with(clock, base=asyncguest.EventLoop):
    """A loop class whose `time` is `clock`."""

    class Loop(base):
        def time(self):
            return clock()

    return Loop


def play(where, main, factory):
    """`main` in a loop of `factory`, which the standard loop takes too."""
    if where in ("fd", "thread"):
        return run_guest(main, drive=where, loop_factory=factory)
    loop = factory()
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


@pytest.fixture(params=("standard", "alone", "fd", "thread"))
def place(request):
    """The standard loop is the measure."""
    return request.param


def factory_for(place, clock):
    return loop_with(clock, asyncio.SelectorEventLoop if place == "standard" else asyncguest.EventLoop)


@pytest.mark.parametrize("ahead", (1000.0, -1000.0, Fraction(1000), 10**9))
def test_a_clock_that_is_elsewhere(place, ahead):
    async def main():
        loop = asyncio.get_running_loop()
        order = []
        loop.call_later(0.01, order.append, "first")
        loop.call_at(loop.time() + 0.02, order.append, "second")  # later, however long that took
        await asyncio.sleep(0.03)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.001)
        return order

    assert play(place, main, factory_for(place, Clock(ahead))) == ["first", "second"]


def test_a_clock_that_jumps_over_a_timer(place):
    clock = Clock()

    async def main():
        sleeper = asyncio.ensure_future(asyncio.sleep(HOUR, "slept"))
        await asyncio.sleep(0.001)
        clock.ahead += HOUR
        return await sleeper  # the loop looks at its clock before it waits

    assert play(place, main, factory_for(place, clock)) == "slept"


def test_a_clock_that_advances_only_when_asked(place):
    class Stepped:
        now = 0.0

        def __call__(self):
            self.now += 0.25
            return self.now

    async def main():
        await asyncio.sleep(HOUR / 10)
        return "slept"

    clock = Stepped()

    async def busy():
        sleeper = asyncio.ensure_future(main())
        while not sleeper.done():
            await asyncio.sleep(0)
        return await sleeper

    assert play(place, busy, factory_for(place, clock)) == "slept"


def test_a_clock_that_stands_still_until_it_is_moved(place):
    class Still:
        now = 50.0

        def __call__(self):
            return self.now

    clock = Still()

    async def main():
        order = []
        loop = asyncio.get_running_loop()
        loop.call_later(1, order.append, "one")
        loop.call_later(2, order.append, "two")
        for _ in range(3):
            await asyncio.sleep(0)
        assert order == []
        clock.now += 1.5
        for _ in range(3):
            await asyncio.sleep(0)
        assert order == ["one"]
        clock.now += HOUR
        for _ in range(3):
            await asyncio.sleep(0)
        return order

    assert play(place, main, factory_for(place, clock)) == ["one", "two"]


def test_a_clock_that_is_patched_on_the_loop_while_it_runs(place):
    base = asyncio.SelectorEventLoop if place == "standard" else asyncguest.EventLoop
    clock = Clock()

    async def main():
        loop = asyncio.get_running_loop()
        sleeper = asyncio.ensure_future(asyncio.sleep(HOUR, "slept"))
        await asyncio.sleep(0)
        loop.time = clock
        clock.ahead = HOUR
        assert await sleeper == "slept"
        await asyncio.sleep(0.001)
        del loop.time
        await asyncio.sleep(0.001)
        return "went on"

    assert play(place, main, base) == "went on"


@pytest.mark.parametrize("ahead", (HOUR, -HOUR))
@pytest.mark.parametrize("what", ("loop", "module"))
def test_no_timer_is_early_by_a_clock_that_is_patched_in_the_same_step(place, what, ahead, monkeypatch):
    """On the loop, or where asyncio's own clock comes from."""
    base = asyncio.SelectorEventLoop if place == "standard" else asyncguest.EventLoop
    real = time.monotonic

    async def main():
        loop, waits = asyncio.get_running_loop(), asyncio.Event()
        timer = loop.call_later(0.001, waits.set)
        await waits.wait()
        assert real() >= timer.when()
        owner, name = (loop, "time") if what == "loop" else (time, "monotonic")
        monkeypatch.setattr(owner, name, lambda: real() + ahead)
        waits.clear()
        timer = loop.call_later(0.001, waits.set)
        await waits.wait()
        assert real() + ahead + loop._clock_resolution >= timer.when()
        monkeypatch.undo()

    play(place, main, base)


def test_timers_of_host_code_while_the_guest_sleeps(drive):
    run, called = Run(drive, loop_factory=loop_with(Clock(-5000.0))), []

    async def main():
        await asyncio.Event().wait()

    run.start(main)
    loop = run.guest.loop
    settle(run)
    gone = loop.call_later(0.001, called.append, "cancelled")
    loop.call_later(0.02, called.append, "later")
    loop.call_later(0.01, called.append, "sooner")
    gone.cancel()
    host_until(run, lambda: len(called) == 2)
    assert called == ["sooner", "later"]
    run.guest.cancel()
    with pytest.raises(asyncio.CancelledError):
        run.finish()


def test_the_clock_jumps_while_the_guest_sleeps_and_a_call_wakes_it(drive):
    clock, called = Clock(), []
    run = Run(drive, loop_factory=loop_with(clock))

    async def main():
        await asyncio.sleep(HOUR)
        called.append("slept")

    run.start(main)
    settle(run)
    clock.ahead += HOUR
    run.guest.loop.call_soon(int)
    run.finish()
    assert called == ["slept"]


def test_a_shutdown_by_another_clock(drive):
    run, closed = Run(drive, loop_factory=loop_with(Clock(10_000.0))), []

    async def main():
        try:
            await asyncio.sleep(HOUR)
        finally:
            await asyncio.sleep(0.01)
            closed.append(True)

    run.start(main)
    assert run.guest.shutdown(30)
    assert closed == [True]
    run.host.close()


def test_the_steps_follow_another_clock():
    clock, called = Clock(300.0), []
    loop = loop_with(clock)()
    try:
        loop.call_later(0.01, called.append, True)
        while not called:
            loop.process_events(loop.poll_events())
            loop.process_ready()
    finally:
        loop.close()
