"""Contract 17 and USERS 30: a stuck host is reported while it is stuck, once, with the place it is stuck at."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run, host_until, run_guest

STALL_AFTER = 0.1


class Reports:
    """Collects what `on_stall` is told; `wait` waits for one while the host is stuck."""

    def __init__(self):
        self.all = []
        self._came = threading.Event()

    def __call__(self, report):
        assert threading.get_ident() != report.guest.host_thread
        self.all.append(report)
        self._came.set()

    def wait(self):
        """Blocks the thread, which is the very stall; fails if no report comes while it lasts."""
        came = self._came.wait(10)
        self._came.clear()
        assert came, "no report while the host was stuck"
        return self.all[-1]


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
        assert len(reports.all) == 1
        await asyncio.sleep(0.01)
        return asyncio.get_running_loop().guest.stats().stalls

    assert run_guest(main, drive=drive, stall_after=STALL_AFTER, on_stall=reports) == 1


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
    assert len(reports.all) == 2


@pytest.mark.parametrize("blocked", [0.3])
def test_a_block_of_300_ms_gives_one_report(drive, blocked, caplog):
    # USERS 30, with the logger as the default receiver.
    async def main():
        await asyncio.sleep(0.01)
        time.sleep(blocked)
        await asyncio.sleep(0.01)

    with caplog.at_level(logging.WARNING, "asyncguest"):
        run_guest(main, drive=drive, stall_after=STALL_AFTER)
    records = [record for record in caplog.records if record.name == "asyncguest"]
    assert len(records) == 1
    assert f'{__file__}", line ' in records[0].getMessage()
    assert "time.sleep(blocked)" in records[0].getMessage()
    caplog.clear()


def test_an_idle_guest_is_no_stall(drive):
    # Neither a guest that sleeps in a host that is idle, nor a host that is busy without anything due for the guest.
    reports, of_others = Reports(), Reports()
    asleep = []
    run = Run(drive, stall_after=STALL_AFTER, on_stall=reports)

    async def main():
        await asyncio.sleep(0.001)
        asleep.append(True)
        await asyncio.Event().wait()

    async def blocked():
        await asyncio.sleep(0)
        of_others.wait()

    def other():
        """A thread with a guest that is stuck: when that is reported, this one would have been."""
        options = {"stall_after": STALL_AFTER, "on_stall": of_others}
        thread = threading.Thread(target=run_guest, args=(blocked,), kwargs=options)
        thread.start()
        return thread

    run.start(main)
    host_until(run, lambda: asleep)
    before = len(reports.all)  # a busy machine may have stalled it until here
    idle = other()
    while idle.is_alive():
        run.host.run_once(0.01)
    other().join()  # busy
    assert len(of_others.all) >= 2 and len(reports.all) == before
    run.guest.cancel()
    with pytest.raises(asyncio.CancelledError):
        run.finish()


def test_a_saturated_guest_in_a_host_that_has_its_turns_is_no_stall(drive):
    reports = Reports()

    async def main():
        began = last = time.monotonic()
        longest = 0.0
        while last < began + 0.3:
            await asyncio.sleep(0)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
        return longest

    longest = run_guest(main, drive=drive, stall_after=0.1, on_stall=reports)
    # A machine that gives this process no time for so long stalls it.
    assert reports.all == [] or longest > 0.1


def test_a_dialog_is_no_stall(drive):
    # A nested loop that gives the guest its deliveries.
    reports = Reports()
    run = Run(drive, stall_after=0.1, on_stall=reports)

    async def main():
        is_open = [True]
        loop = asyncio.get_running_loop()
        loop.call_later(0.4, is_open.clear)
        while is_open:
            run.host.run_once()

    run.start(main)
    run.finish()
    assert reports.all == []


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
        assert reports.wait().guest is run.guest
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
