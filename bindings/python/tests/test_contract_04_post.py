"""Contract point 4: run_sync_soon_threadsafe may be called from any thread, may reorder, and may fail: nothing is lost silently."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run


async def work(seconds: float = 0.0) -> list[int]:
    """Timers, threads and callbacks: everything that posts."""
    loop = asyncio.get_running_loop()
    seen = [1]
    await asyncio.sleep(0.001)
    seen.append(await loop.run_in_executor(None, lambda: 2))
    loop.call_soon_threadsafe(seen.append, 3)
    for _ in range(4):
        await asyncio.sleep(seconds)
    return seen


def test_everything_runs_on_the_host_thread_though_posts_come_from_another() -> None:
    host = QueueHost("thread")
    posted_on: set[int] = set()
    post = host.post

    def soon(fn: Callable[[], object]) -> None:
        posted_on.add(threading.get_ident())
        post(fn)

    ran_on: set[int] = set()

    async def main() -> list[int]:
        asyncio.get_running_loop().call_soon(lambda: ran_on.add(threading.get_ident()))
        result = await work()
        ran_on.add(threading.get_ident())
        return result

    task = asyncguest.start_guest_run(main, run_sync_soon_threadsafe=soon, done_callback=host.stop)
    host.run()
    host.close()
    assert task.result() == [1, 2, 3]
    assert ran_on == {threading.get_ident()}
    assert posted_on - ran_on, "the waiting was done on the host thread"


@pytest.mark.parametrize("way", ["post", "post_local"])
def test_a_callback_host_may_be_derived_from(way: str) -> None:
    """What its class overrides is what is called."""
    queue = QueueHost("thread")
    posted: list[object] = []

    class Counting(asyncguest.CallbackHost):
        def post(self, job: Callable[[], object]) -> None:
            if way == "post":
                posted.append(job)
            super().post(job)

        def post_local(self, job: Callable[[], object]) -> None:
            if way == "post_local":
                posted.append(job)
            super().post(job)

    async def main() -> list[int]:
        await asyncio.sleep(0.001)
        return await work()

    # Spent at once: the next delivery is asked for on the host thread.
    run = Run(host=Counting(queue.post), batch_budget=1e-9)
    task = run.guest.start(main)
    while not run.done:
        queue.run_once()
    queue.close()
    assert task.result() == [1, 2, 3] and posted


class LastFirst(QueueHost):
    """A host that runs the job that was queued last before the others."""

    def __init__(self) -> None:
        super().__init__("thread")
        self._jobs: deque[Callable[[], object]] = Reversed()


class Reversed(deque):  # type: ignore[type-arg]
    def popleft(self) -> Callable[[], object]:
        return self.pop()  # type: ignore[no-any-return]


def test_callables_may_run_in_any_order() -> None:
    run = Run(host=LastFirst(), batch_budget=1e-9)
    order: list[int] = []

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        for number in range(20):
            loop.call_soon(order.append, number)
        return await work()

    run.start(main)
    for _ in range(5):
        run.host.post(lambda: None)
    assert run.finish() == [1, 2, 3]
    assert order == list(range(20)), "the guest's own order has nothing to do with the host's"


def test_a_post_that_fails_now_and_then_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    host = QueueHost("thread")
    counts = {"posts": 0}

    def soon(fn: Callable[[], object]) -> None:
        counts["posts"] += 1
        if counts["posts"] % 3 == 0:
            raise OSError("queue full")
        host.post(fn)

    with caplog.at_level(logging.ERROR, "asyncguest"):
        task = asyncguest.start_guest_run(work, 0.001, run_sync_soon_threadsafe=soon, done_callback=host.stop)
        host.run()
        host.close()
    assert task.result() == [1, 2, 3]
    assert counts["posts"] >= 3
    assert "could not be posted to" in caplog.text
    caplog.clear()  # the records hold tracebacks, and those the run


@pytest.mark.filterwarnings("error::RuntimeWarning")  # nobody could catch it: it becomes a log record then
def test_a_post_that_keeps_failing_abandons_the_run_aloud(caplog: pytest.LogCaptureFixture) -> None:
    """A RuntimeWarning and a log record; the run can still be ended, with its finally blocks, and does not hang."""
    done: list[object] = []
    ended: list[str] = []

    def gone(fn: Callable[[], object]) -> None:
        raise RuntimeError("main thread is not in main loop")

    async def main() -> None:
        try:
            await asyncio.sleep(0.001)
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            ended.append("finally")

    caplog.set_level(logging.ERROR, "asyncguest")
    task = asyncguest.start_guest_run(main, run_sync_soon_threadsafe=gone, done_callback=done.append)
    guest = task.get_loop().guest  # type: ignore[attr-defined]
    until = time.monotonic() + 20
    while not guest.abandoned:
        assert time.monotonic() < until, "nobody noticed that the host is gone"
        time.sleep(0.005)  # the I/O thread is the one that notices; there is nothing of the host's to wait for
    assert guest.shutdown(5.0) is True
    assert ended == ["finally"] and done == [task] and task.cancelled()
    text = " ".join(record.getMessage() for record in caplog.records)
    assert "abandoned" in text and "main thread is not in main loop" in caplog.text
    caplog.clear()  # the records hold tracebacks, and those the run


def test_the_warning_is_a_runtime_warning() -> None:
    """What the I/O thread warned of, seen by the main thread's filter: in a process of its own."""
    import subprocess
    import sys
    import textwrap

    program = textwrap.dedent(
        """
        import asyncio, logging, time, asyncguest
        logging.disable()

        def gone(fn):
            raise OSError("gone")

        async def main():
            await asyncio.sleep(0.001)
            await asyncio.sleep(3600)

        task = asyncguest.start_guest_run(
            main, run_sync_soon_threadsafe=gone, done_callback=lambda task: print("done", task.cancelled()), name="mine"
        )
        guest = task.get_loop().guest
        while not guest.abandoned:
            time.sleep(0.005)
        guest.shutdown()
        """
    )
    found = subprocess.run(
        [sys.executable, "-W", "always", "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert found.stdout == "done True\n"
    assert found.stderr.count("RuntimeWarning") == 1, found.stderr
    assert "mine" in found.stderr and "gone" in found.stderr and "shutdown" in found.stderr


class NotedPosts(QueueHost):
    """Tells of each post; a delivery that is lost comes again too late for the test."""

    repost_after = 3600

    def __init__(self) -> None:
        super().__init__("thread")
        self.posted = threading.Event()

    def post(self, job: Callable[[], object]) -> None:
        super().post(job)
        self.posted.set()


def test_a_post_before_the_run_is_attached_is_its_first_delivery() -> None:
    host = NotedPosts()

    def factory() -> asyncguest.EventLoop:
        loop = asyncguest.EventLoop()
        loop.call_soon_threadsafe(int)
        assert host.posted.wait(10), "the loop has something to do"
        return loop

    run = Run(host=host, loop_factory=factory)
    run.start(asyncio.sleep, 0, "ran")
    assert run.finish() == "ran"
