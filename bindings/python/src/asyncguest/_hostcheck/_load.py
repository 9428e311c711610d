"""Checks under load and without any: wake-ups, idleness, a busy guest, and a host that is made to fail.

Host thread, but for the workers' functions.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import threading
from functools import partial
from time import monotonic, thread_time

from .._host import can_post
from ..hosts.chaos import ChaosHost
from ._check_run import QUEUE_IT, CheckRun

_THREADS = 4
_CALLS = 200
_BURST = 5000
# Deliveries that a timer of 10 ms may wait for: two pass until it is due, and the host's own jobs count too.
_PATIENCE = 20


def wake(check: CheckRun) -> None:
    """How long an idle guest takes to hear of something, and that a burst from the host's own code arrives."""
    took: list[float] = []
    burst: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        over = loop.create_future()

        came = threading.Event()

        def note(began: float) -> None:
            took.append(monotonic() - began)
            came.set()

        def work() -> None:
            pause = threading.Event()
            for _ in range(20):
                pause.wait(0.005)  # the host falls asleep meanwhile
                came.clear()
                loop.call_soon_threadsafe(note, monotonic())
                came.wait()
            pause.wait(0.005)
            check.expect("callbacks that the host's own code gave to an idle guest", QUEUE_IT)
            check.poke(handler)

        def handler() -> None:
            for number in range(_BURST):
                loop.call_soon(burst.append, number)
            loop.call_soon(over.set_result, None)

        check.expect("a callback of call_soon_threadsafe in an idle guest", "The host must wake up. " + QUEUE_IT)
        worker = check.worker(work)
        await over
        worker.join()

    check.run(lambda: check.start(main))
    median = statistics.median(took)
    if median > 0.1:
        check.wrong(
            f"an idle guest was woken after {median * 1000:.0f} ms",
            "Posts get lost, or nothing wakes the host's poll: the library then asks again after a quarter of a "
            "second.",
        )
    elif median > 0.01:
        check.note(
            f"an idle guest was woken after {median * 1000:.0f} ms",
            "The host looks by a timer, it seems. A queue that wakes it at once costs less, too.",
        )
    if burst != list(range(_BURST)):
        check.wrong(f"of {_BURST} callbacks from the host's own code {len(burst)} came, or not in order", QUEUE_IT)


def idle(check: CheckRun) -> None:
    """A guest that sleeps has no deliveries, and the host's loop takes no time for it."""
    deliveries = 0
    used = 0.0

    async def main() -> None:
        nonlocal deliveries, used
        await asyncio.sleep(0.05)
        before, began = check.host.deliveries, thread_time()
        await asyncio.sleep(0.5)
        deliveries, used = check.host.deliveries - before, thread_time() - began

    check.expect("a timer of an idle guest", QUEUE_IT)
    check.run(lambda: check.start(main))
    if deliveries > 5:
        check.wrong(
            f"a guest that slept for half a second was given {deliveries} deliveries",
            "Run a posted job once, and call ready() only when the fd is readable, not by a timer.",
        )
    if used > 0.05:
        check.note(
            f"the host took {used * 1000:.0f} ms of CPU in half a second, with nothing to do",
            "Its loop polls by a timer. A guest needs no polling: nothing is due until a post or the fd says so.",
        )


def busy(check: CheckRun) -> None:
    """A guest that always has something to do, and the host's own jobs and timers beside it."""
    step, shortest, longest = 0.01, 0.6, max(0.6, min(3.0, check.timeout / 3))
    later = check.harness.later
    # How many deliveries came first: how long a delivery takes on a machine that has other things to do says nothing of
    # the host.
    waited: dict[str, list[int]] = {"jobs": []} if later is None else {"jobs": [], "timers": []}
    ran, over = threading.Event(), threading.Event()

    async def main() -> None:
        began = monotonic()
        worker = check.worker(work)
        if later is not None:
            timer()
        # A slow machine gets more time, not a bad mark.
        while (took := monotonic() - began) < shortest or (took < longest and min(map(len, waited.values())) < 10):
            await asyncio.sleep(0)
        over.set()
        await asyncio.get_running_loop().run_in_executor(None, worker.join)

    def work() -> None:
        while not over.wait(step):
            ran.clear()
            check.poke(partial(job, check.host.deliveries))
            while not ran.wait(step):
                if over.is_set():
                    return

    def job(asked: int) -> None:
        waited["jobs"].append(check.host.deliveries - asked)
        ran.set()

    def timer(asked: int | None = None) -> None:
        now = check.host.deliveries
        if asked is not None:
            waited["timers"].append(now - asked)
        if not over.is_set() and later is not None:
            later(step, lambda: timer(now))

    check.expect("a busy guest to end", QUEUE_IT)
    check.run(lambda: check.start(main))
    for what, deliveries in waited.items():
        usual = statistics.median(deliveries) if deliveries else check.host.deliveries
        if len(deliveries) < 5 or usual > _PATIENCE:
            check.wrong(
                f"beside a busy guest the host's own {what} waited for {usual:.0f} deliveries of it, "
                f"and {len(deliveries)} ran",
                "A delivery lasts 5 ms and then the host must have its own time: put a posted job at the end of the queue, "
                "and run what is in the queue now, not what is added meanwhile. If fds come before everything else in the "
                "host's poll, leave the fd out for one round when ready() has returned True.",
            )


def chaos(check: CheckRun) -> None:
    """Posts and reports that are lost, doubled, refused, late and on wrong threads: the guest must not notice."""
    numbers: dict[int, list[int]] = {name: [] for name in range(_THREADS)}
    early: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        all_sent = asyncio.Event()

        def send(name: int) -> None:
            pause = threading.Event()
            for number in range(_CALLS):
                loop.call_soon_threadsafe(numbers[name].append, number)
                if number % 20 == 0:
                    pause.wait(0.002)

        async def sleep(length: float) -> None:
            due = loop.time() + length
            await asyncio.sleep(length)
            early.append(due - loop.time())

        async def echo(end: socket.socket) -> None:
            for _ in range(20):
                await loop.sock_sendall(end, await loop.sock_recv(end, 100))

        async def talk() -> None:
            ours, theirs = socket.socketpair()
            with ours, theirs:
                ours.setblocking(False)
                theirs.setblocking(False)
                echoing = asyncio.create_task(echo(theirs))
                for number in range(20):
                    await loop.sock_sendall(ours, b"%d" % number)
                    answer = await loop.sock_recv(ours, 100)
                    assert int(answer) == number
                await echoing

        threads = [check.worker(lambda name=name: send(name)) for name in numbers]  # type: ignore[misc]
        jobs = [loop.run_in_executor(None, pow, 2, power) for power in range(5)]
        await asyncio.gather(talk(), *(sleep(0.003 * number) for number in range(20)))
        powers = await asyncio.gather(*jobs)
        assert powers == [2**power for power in range(5)]
        for thread in threads:
            await loop.run_in_executor(None, thread.join)
        loop.call_soon(all_sent.set)
        await all_sent.wait()

    check.expect(
        "a guest to end in a host whose posts and reports go wrong on purpose",
        "The adapter does well without that, but stumbles over a doubled, late or missing job: keep no count of jobs, "
        "and no flag that only a job resets.",
    )

    def begin() -> None:
        fail = 0.05 if can_post(check.adapter) else 0.0
        host = ChaosHost(check.host, drive=check.drive, seed=14, fail=fail, repost_after=0.005)
        check.start(main, host=host)

    check.run(begin)
    for name, seen in numbers.items():
        if seen != list(range(_CALLS)):
            check.wrong(
                f"of {_CALLS} callbacks of one thread {len(set(seen))} came, {len(seen) - len(set(seen))} of them "
                f"twice, {'in order' if seen == sorted(seen) else 'not in order'} (thread {name})",
                "This should not be possible, whatever the adapter does: please report it with the adapter.",
            )
    if max(early) > 0.0001:
        check.wrong("a timer of the guest was early", "Nothing of the adapter may replace the monotonic clock.")
