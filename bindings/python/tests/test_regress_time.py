"""Times that are no times, and timers by the thousand."""

from __future__ import annotations

import asyncio
import sys
import threading

import asyncguest
import pytest
from asyncguest import _native
from asyncguest.hosts.queue import QueueHost
from helpers import Run, host_until, run_anywhere, settle
from scripts import run_script

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "nanoseconds"),
    ((NAN, _native.NO_TIME), (INF, _native.NO_TIME), (-INF, 0), (-1e308, 0), (0.0, 0), (1e-9, 1)),
)
def test_each_float_is_a_duration(value, nanoseconds):
    assert _native.seconds(value) == nanoseconds


def test_a_timer_at_nan_does_not_end_the_deliveries(where):
    """It has no place among the others: it is refused, and what follows works. asyncio.sleep refuses it since 3.13."""

    async def main():
        loop = asyncio.get_running_loop()
        for call in (loop.call_at, loop.call_later):
            with pytest.raises(ValueError, match="NaN"):
                call(NAN, int)
        with pytest.raises(ValueError, match="NaN"):
            await asyncio.sleep(NAN)
        await asyncio.sleep(0.001)
        return "fine"

    assert run_anywhere(where, main) == "fine"


def test_a_timer_of_host_code_at_nan_is_refused_while_the_guest_sleeps(drive):
    run = Run(drive)

    async def main():
        await asyncio.Event().wait()

    run.start(main)
    settle(run)
    with pytest.raises(ValueError, match="NaN"):
        run.guest.loop.call_later(NAN, int)
    run.guest.cancel()
    with pytest.raises(asyncio.CancelledError):
        run.finish()


@pytest.mark.parametrize("delay", (-INF, -1e308, -1.0))
def test_a_timer_in_the_far_past_is_due_at_once(where, delay):
    async def main():
        loop, called = asyncio.get_running_loop(), asyncio.Event()
        loop.call_later(delay, called.set)
        await asyncio.wait_for(called.wait(), 2)
        return "called"

    assert run_anywhere(where, main) == "called"


@pytest.mark.parametrize("delay", (-INF, -1e308, -1.0))
def test_a_timer_of_host_code_in_the_far_past_is_due_at_once(drive, delay):
    run = Run(drive)

    async def main():
        await asyncio.Event().wait()

    run.start(main)
    settle(run)
    called = []
    run.guest.loop.call_later(delay, called.append, 1)
    host_until(run, lambda: called, 2)
    assert run.guest.shutdown(5)
    run.host.close()


def test_shutdown_may_take_for_ever(drive):
    """Also for a run that is being cancelled already."""
    run, saved = Run(drive), []

    async def main():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.001)  # so that it waits: a deadline without end is none for the poll either
            saved.append(1)

    run.start(main)
    run.guest.cancel()
    assert run.guest.shutdown(INF)
    assert saved
    run.host.close()


def test_a_debounce_of_host_code_leaves_no_timers_behind(drive):
    """Cancelled timers of a sleeping guest, behind an older one: nobody else would clear them away."""
    run = Run(drive)

    async def main():
        await asyncio.sleep(1000)

    run.start(main)
    settle(run)
    loop = run.guest.loop
    for _ in range(3000):
        loop.call_later(2000, int).cancel()
    assert len(loop._scheduled) < 300
    assert loop.next_deadline() is not None
    assert run.guest.shutdown(5)
    run.host.close()


def test_polling_may_take_for_ever():
    loop = asyncguest.EventLoop()
    waker = threading.Timer(0.01, loop.call_soon_threadsafe, (int,))
    waker.start()
    try:
        assert loop.poll_events(INF)
    finally:
        waker.join()
        loop.close()
    with pytest.raises(RuntimeError):
        loop.poll_events(0)


@pytest.mark.parametrize("drive_of", ("fd", "thread"))
def test_a_loop_factory_that_starts_another_run_first(drive_of):
    """A lazy singleton. What the outer loop is to be driven by is not forgotten meanwhile."""
    host = QueueHost(drive_of)
    inner, outer = Run(host=host), None

    async def main():
        await asyncio.sleep(0)
        return "fine"

    def factory():
        inner.start(main)
        return asyncguest.EventLoop()

    outer = Run(host=host, loop_factory=factory)
    try:
        outer.start(main)
        host_until(outer, lambda: outer.done and inner.done)
    finally:
        for run in (inner, outer):
            run.guest.shutdown(1)
        host.close()
    assert [run.done[0].result() for run in (inner, outer)] == ["fine", "fine"]


def test_a_run_that_another_thread_starts_while_the_exit_hook_looks_at_them():
    """The hook looks at a copy: the set of runs may change under it."""
    ended = run_script(
        """
        exiting = threading.Event()
        go, started = threading.Event(), threading.Event()

        async def main():
            try:
                await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(0)
                say("saved")

        async def other():
            await asyncio.sleep(1000)

        def program():
            go.wait()
            host = QueueHost()
            asyncguest.Guest(host, name="late").start(other)
            started.set()
            threading.Event().wait()

        class Sly(asyncguest.Guest):
            @property
            def host_thread(self):
                if exiting.is_set() and not go.is_set():
                    go.set()
                    started.wait(10)
                return super().host_thread

        threading.Thread(target=program, daemon=True).start()
        guests = [Sly(QueueHost(), name="early") for _ in range(3)]
        for guest in guests:
            guest.start(main)
        exiting.set()
        """
    ).check()
    assert ended.lines == ["saved"] * 3
    assert "changed size" not in ended.stderr


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="asyncio.sleep refuses NaN by itself")
def test_a_sleep_of_nan_ends_its_task_alone(drive):
    run = Run(drive)

    async def main():
        results = await asyncio.gather(asyncio.sleep(NAN), asyncio.sleep(0, "other"), return_exceptions=True)
        return type(results[0]), results[1]

    run.start(main)
    assert run.finish() == (ValueError, "other")
