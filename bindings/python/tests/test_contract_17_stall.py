"""Contract 17 and USERS 30: a stuck host is reported while it is stuck, once, with the place it is stuck at."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run, run_guest, settle

STALL_AFTER = 0.1


class Reports:
    """Collects what `on_stall` is told; `wait` waits for one while the host is stuck.

    A machine that gives this process no time stalls it anywhere: only those that found `wait` are of a test's own.
    """

    def __init__(self):
        self.all = []
        self.of_waits = []
        self._came = threading.Semaphore(0)

    def __call__(self, report):
        assert threading.get_ident() != report.guest.host_thread
        self.all.append(report)
        if any(frame.name == "wait" and frame.filename == __file__ for frame in report.stack):
            self.of_waits.append(report)
            self._came.release()

    def wait(self):
        """Blocks the thread, which is the very stall; fails if no report comes while it lasts."""
        assert self._came.acquire(timeout=10), "no report while the host was stuck"
        return self.of_waits[-1]


def function_that_blocks(reports):
    return reports.wait()  # the line that the report has to name


def test_guest_code_that_blocks_is_reported_while_it_does(drive):
    reports = Reports()

    async def main():
        await asyncio.sleep(0)
        report = function_that_blocks(reports)
        assert report.in_guest and report.guest is asyncio.get_running_loop().guest
        assert report.seconds >= STALL_AFTER
        frame = next(frame for frame in report.stack if frame.name == "function_that_blocks")
        assert frame.filename == __file__ and "has to name" in frame.line
        assert "function_that_blocks" in str(report) and __file__ in str(report)
        # One report for one stall, however long it lasts.
        time.sleep(2 * STALL_AFTER)
        assert len(reports.of_waits) == 1
        await asyncio.sleep(0.01)
        return asyncio.get_running_loop().guest.stats().stalls

    assert run_guest(main, drive=drive, stall_after=STALL_AFTER, on_stall=reports) >= 1


def test_host_code_that_blocks_is_reported_while_it_does(drive):
    # The guest has something to do and does not get its delivery.
    reports = Reports()
    run = Run(drive, stall_after=STALL_AFTER, on_stall=reports)
    seen = []

    async def main():
        await asyncio.sleep(0.01)
        run.host.post(block)
        await asyncio.sleep(0.01)

    def block():
        asyncio.get_running_loop().call_soon(lambda: None)
        seen.append(function_that_blocks(reports))

    run.start(main)
    run.finish()
    assert not seen[0].in_guest
    assert any(frame.name == "function_that_blocks" for frame in seen[0].stack)


def test_a_second_stall_is_a_second_report(drive):
    reports = Reports()

    async def main():
        for _ in range(2):
            await asyncio.sleep(0.01)
            function_that_blocks(reports)

    run_guest(main, drive=drive, stall_after=STALL_AFTER, on_stall=reports)
    assert len(reports.of_waits) == 2


def test_a_block_gives_one_report_to_the_logger(drive, caplog):
    # USERS 30, with the default receiver.
    def told():
        return [
            text for text in caplog.messages if f'{__file__}", line ' in text and "time.sleep(0.01)  # here" in text
        ]

    async def main():
        await asyncio.sleep(0.01)
        until = None
        while until is None or time.monotonic() < until:
            time.sleep(0.01)  # here
            if until is None and told():
                until = time.monotonic() + 2 * STALL_AFTER
        await asyncio.sleep(0.01)

    with caplog.at_level(logging.WARNING, "asyncguest"):
        run_guest(main, drive=drive, stall_after=STALL_AFTER)
    assert len(told()) == 1
    caplog.clear()


def test_an_idle_guest_is_no_stall(drive):
    # Neither a guest that sleeps in a host that is idle, nor a host that is busy without anything due for the guest.
    reports, of_others = Reports(), Reports()
    run = Run(drive, stall_after=STALL_AFTER, on_stall=reports)
    end = asyncio.Event()

    async def blocked():
        await asyncio.sleep(0)
        of_others.wait()

    def other():
        """A thread with a guest that is stuck: when that is reported, this one would have been."""
        options = {"stall_after": STALL_AFTER, "on_stall": of_others}
        thread = threading.Thread(target=run_guest, args=(blocked,), kwargs=options)
        thread.start()
        return thread

    def is_quiet():
        run.guest.loop.call_soon(int)
        settle(run)
        before = len(reports.all)
        idle = other()
        while idle.is_alive():
            run.host.run_once(0.01)
        other().join()  # busy
        return len(reports.all) == before

    run.start(end.wait)
    # A machine that stood still has stalled the delivery before that, and may tell of it late. But not each time.
    assert any(is_quiet() for _ in range(10))
    end.set()
    run.finish()


class Pauses:
    """The longest time between two looks at the clock. A machine that gives this process no time for so long stalls it."""

    def __init__(self):
        self.began = self.last = time.monotonic()
        self.longest = 0.0

    def look(self):
        """Returns the seconds since the first one."""
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last), now
        return now - self.began


def test_a_saturated_guest_in_a_host_that_has_its_turns_is_no_stall(drive):
    reports = Reports()

    async def main():
        pauses = Pauses()
        while pauses.look() < 0.3:
            await asyncio.sleep(0)
        return list(reports.all), pauses.longest

    reported, longest = run_guest(main, drive=drive, stall_after=STALL_AFTER, on_stall=reports)
    assert reported == [] or longest > STALL_AFTER


def test_a_dialog_is_no_stall(drive):
    # A nested loop that gives the guest its deliveries.
    reports = Reports()
    run = Run(drive, stall_after=STALL_AFTER, on_stall=reports)

    async def ticks():
        while True:
            await asyncio.sleep(0.01)

    async def main():
        ticking, pauses = asyncio.create_task(ticks()), Pauses()
        while pauses.look() < 0.4:
            run.host.run_once()
        ticking.cancel()
        return list(reports.all), pauses.longest

    run.start(main)
    reported, longest = run.finish()
    assert reported == [] or longest > STALL_AFTER


def test_an_on_stall_that_raises_is_told_and_harms_nothing(drive, caplog):
    raised = threading.Event()

    def on_stall(report):
        raised.set()
        raise LookupError("in on_stall")

    async def main():
        await asyncio.sleep(0)
        assert raised.wait(10)
        await asyncio.sleep(0.01)
        return "fine"

    assert run_guest(main, drive=drive, stall_after=STALL_AFTER, on_stall=on_stall) == "fine"
    assert "LookupError: in on_stall" in caplog.text
    caplog.clear()


def test_a_loop_factory_that_blocks_is_reported(drive):
    # The loop is there and has something to do; the run is not attached to it yet.
    reports = Reports()

    def factory():
        loop = asyncguest.EventLoop()
        loop.call_soon_threadsafe(int)
        report = reports.wait()
        assert report.guest is run.guest
        assert any(frame.name == "factory" for frame in report.stack)
        return loop

    async def main():
        return "fine"

    run = Run(drive, stall_after=STALL_AFTER, on_stall=reports, loop_factory=factory)
    run.start(main)
    assert run.finish() == "fine"


def test_on_stall_may_cancel_the_run(drive):
    # From its own thread, as a watchdog would.
    cancelled = threading.Event()

    def on_stall(report):
        report.guest.cancel("stuck")
        cancelled.set()

    async def main():
        await asyncio.sleep(0)
        assert cancelled.wait(10)
        await asyncio.sleep(60)

    with pytest.raises(asyncio.CancelledError):
        run_guest(main, drive=drive, stall_after=STALL_AFTER, on_stall=on_stall)


def test_a_host_on_another_thread_is_reported_with_its_own_stack(drive):
    reports = Reports()

    async def main():
        await asyncio.sleep(0)
        function_that_blocks(reports)

    def thread():
        run_guest(main, drive=drive, stall_after=STALL_AFTER, on_stall=reports)

    other = threading.Thread(target=thread)
    other.start()
    other.join()
    assert any(frame.name == "function_that_blocks" for frame in reports.all[0].stack)


def test_no_watch_by_default(drive):
    async def main():
        await asyncio.sleep(0)
        return asyncio.get_running_loop().guest.stats().stalls

    assert run_guest(main, drive=drive) == 0
    assert QueueHost(drive).close() is None
