"""`in_thread`: progress on the host thread, conflated; a cancelled task stops the worker and waits for it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import asyncguest
import pytest
from asyncguest import in_thread
from helpers import run_anywhere, run_guest

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")


def test_result_arguments_and_context(where):
    def work(report, a, b):
        return a + b, variable.get(), threading.get_ident()

    async def main():
        variable.set("of the task")
        total, seen, thread = await in_thread(work, 1, 2)
        assert (total, seen) == (3, "of the task") and thread != threading.get_ident()

    run_anywhere(where, main)


def test_progress_is_conflated_shown_on_the_host_thread_and_the_last_is_shown(where):
    shown = []

    def work(report):
        for number in range(10_000):
            report(number, "of", 10_000)
        return "done"

    async def main():
        me = threading.get_ident()
        result = await in_thread(work, on_progress=lambda *told: shown.append((*told, threading.get_ident() == me)))
        before = len(shown)
        await asyncio.sleep(0.04)
        assert len(shown) == before  # nothing comes late
        return result

    assert run_anywhere(where, main) == "done"
    assert shown[-1] == (9_999, "of", 10_000, True)
    assert all(told[3] for told in shown)
    assert len(shown) < 1_000, "it is every so often, and not each"
    assert [told[0] for told in shown] == sorted({told[0] for told in shown})


def test_each_is_shown_that_the_worker_waits_for():
    """`every=0`: as soon as the host thread can."""
    seen = threading.Semaphore(0)
    shown = []

    def show(number):
        shown.append(number)
        seen.release()

    def work(report):
        for number in range(5):
            report(number)
            seen.acquire()

    async def main():
        await in_thread(work, on_progress=show, every=0)

    run_guest(main)
    assert shown == [0, 1, 2, 3, 4]


def test_without_on_progress_a_report_still_stops_it():
    begun = threading.Event()
    ends = []

    def work(report):
        begun.set()
        try:
            while True:
                report()
        except Exception:  # what a user's function catches is not this
            ends.append("caught")
        finally:
            ends.append("ended")

    async def main():
        task = asyncio.create_task(in_thread(work))
        await asyncio.to_thread(begun.wait)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await task
        assert ends == ["ended"]  # it was waited for

    run_guest(main)


def test_a_cancelled_task_waits_however_often_it_is_cancelled(where):
    begun, gate = threading.Event(), threading.Event()
    ends = []

    def work(report):
        begun.set()
        gate.wait()
        ends.append("ended")
        return "dropped"

    async def main():
        task = asyncio.create_task(in_thread(work))
        await asyncio.to_thread(begun.wait)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
            assert not task.done()
        gate.set()
        await asyncio.wait([task])
        assert task.cancelled() and ends == ["ended"]

    run_anywhere(where, main)


def test_what_has_not_begun_does_not_begin():
    gate, begun = threading.Event(), threading.Event()

    def block(report):
        begun.set()
        gate.wait()

    async def main():
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        first = asyncio.create_task(in_thread(block))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        second = asyncio.create_task(in_thread(lambda report: begun.clear()))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])  # although the first one still runs
        assert second.cancelled() and not first.done()
        gate.set()
        await first
        assert begun.is_set()

    run_guest(main)


@pytest.mark.parametrize("kind", [ZeroDivisionError, StopIteration, KeyError])
def test_what_the_function_raises_is_raised(kind):
    def work(report):
        raise kind("of the worker")

    async def main():
        with pytest.raises(RuntimeError if kind is StopIteration else kind):
            await in_thread(work)

    run_guest(main)


def test_what_its_clean_up_raises_is_raised():
    begun = threading.Event()

    def work(report):
        try:
            begun.set()
            while True:
                report()
        finally:
            raise ZeroDivisionError("of the clean-up")

    async def main():
        task = asyncio.create_task(in_thread(work))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(ZeroDivisionError):
            await task

    run_guest(main)


def test_what_on_progress_raises_stops_the_worker_and_is_raised():
    ends = []

    def work(report):
        try:
            while True:
                report(1)
        finally:
            ends.append("ended")

    def show(number):
        raise ZeroDivisionError("of the widget")

    async def main():
        with pytest.raises(ZeroDivisionError, match="of the widget"):
            await in_thread(work, on_progress=show)
        assert ends == ["ended"]

    run_guest(main)


def test_a_timeout_ends_it():
    def work(report):
        while True:
            report()

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await in_thread(work)

    run_guest(main)


def test_the_end_of_the_run_ends_the_worker():
    begun = threading.Event()
    ends = []

    def work(report):
        begun.set()
        try:
            while True:
                report(1)
        finally:
            ends.append("ended")

    async def main():
        asyncguest.current_guest().start_soon(in_thread, work)
        await asyncio.to_thread(begun.wait)

    run_guest(main)
    assert ends == ["ended"]


def test_a_report_after_the_end_goes_nowhere():
    reports, shown = [], []

    async def main():
        await in_thread(reports.append, on_progress=shown.append)

    run_guest(main)
    with pytest.raises(asyncio.CancelledError, match="the loop of the task is closed"):
        reports[0](1)
    assert not shown


@pytest.mark.parametrize(
    ("arguments", "options", "error", "says"),
    [
        ((asyncio.sleep,), {}, TypeError, "fn must be a plain function, and no async one"),
        ((None,), {}, TypeError, "fn must be a plain function"),
        ((print,), {"on_progress": asyncio.sleep}, TypeError, "on_progress must be a plain function"),
        ((print,), {"on_progress": 3}, TypeError, "on_progress must be a plain function"),
        ((print,), {"every": -1}, ValueError, "every is in seconds"),
    ],
)
def test_bad_arguments_say_what_to_do(arguments, options, error, says):
    async def main():
        with pytest.raises(error, match=says) as found:
            await in_thread(*arguments, **options)
        assert "in_thread(*arguments" in traceback.extract_tb(found.tb)[0].line

    run_guest(main)
