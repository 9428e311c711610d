"""Checks of `post`, `watch` and `unwatch` themselves. A guest lives in the host meanwhile, but sleeps.

Host thread, but for the workers' functions.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable

from ._check_run import QUEUE_IT, CheckRun, Run


async def sleep() -> None:
    """Until it is cancelled."""
    await asyncio.get_running_loop().create_future()


def post(check: CheckRun) -> None:
    """Jobs from another thread, from the host thread and before the loop runs."""
    order: list[int] = []
    early = threading.Event()

    def work() -> None:
        in_time = early.wait(check.timeout / 3)
        check.expect(
            "a job that another thread posted while the host was idle",
            "post() must also wake a host that sleeps in its poll. " + QUEUE_IT,
        )
        for _ in range(10):
            ran = threading.Event()
            check.host.post(ran.set)
            ran.wait()
        if not in_time:
            check.wrong(
                "a job that was posted before the main loop ran was lost",
                "Keep what is posted before the loop runs, and run it when it does: a program starts its guest first.",
            )
            runs[0].guest.loop.call_soon_threadsafe(runs[0].guest.cancel)
            return
        if check.found:
            check.abort()  # all that follows would only say it again
        blocks(check)
        check.expect(
            "the last of 100 jobs that were posted in a row", "Run every job that was posted, not just the newest."
        )
        for number in range(100):
            check.host.post(lambda number=number: order.append(number))  # type: ignore[misc]
        last = threading.Event()
        while len(order) < 100:
            # Not the host's order decides, but that all have come.
            last.clear()
            check.host.post(last.set)
            last.wait()
        check.expect("a job that the host thread posted", "post() is called on the host thread too. " + QUEUE_IT)
        check.host.post(from_host)

    def from_host() -> None:
        inside = True

        def second() -> None:
            if inside:
                check.wrong("a job ran while the one that posted it was still running", QUEUE_IT)
            if check.host.post_local is not None:
                check.expect("a job that was given to post_local() on the host thread", "Queue it as post() does.")
                check.host.post_local(runs[0].guest.cancel)
            else:
                check.expect("the guest to end", QUEUE_IT)
                runs[0].guest.cancel()

        check.host.post(second)
        inside = False

    def begin() -> None:
        runs.append(check.start(sleep))
        check.host.post(early.set)
        workers.append(check.worker(work))

    runs: list[Run] = []
    workers: list[threading.Thread] = []
    check.run(begin)
    workers[0].join()
    if check.found:
        return
    if sorted(set(order)) != list(range(100)):
        check.wrong("of 100 jobs that were posted in a row some never ran", "Run every job that was posted.")
    elif [*dict.fromkeys(order)] != list(range(100)):
        check.note(
            "jobs ran in another order than they were posted in",
            "Harmless to a guest, but whoever else posts to this host may be surprised.",
        )


def blocks(check: CheckRun) -> None:
    """Whether `post` waits for the host thread: the host is kept busy until a second post has returned."""
    entered, posted = threading.Event(), threading.Event()
    patience = min(1.0, check.timeout / 4)

    def occupy() -> None:
        entered.set()
        if not posted.wait(patience):
            check.wrong(
                "post() came back only after the host thread was free",
                "It must not wait for the host thread, nor for the job: the guest's thread would stand still with it, "
                "and two that wait for each other never end.",
            )

    check.expect("a post to come back while the host was busy", "post() must not wait for the host thread.")
    check.host.post(occupy)
    entered.wait()
    check.host.post(posted.set)
    posted.set()


def watch(check: CheckRun) -> None:
    """Reports of a pipe: while it is readable, not when it is not, and none after `unwatch`."""
    inner, outer = os.pipe()
    again, again_outer = os.pipe()
    late = 0
    step: Callable[[], bool]

    def ready() -> bool:
        return step()

    def first() -> bool:
        # Not read: an fd that stays readable is reported again, as poll does.
        nonlocal step
        if check.found:
            check.abort()
        step = second
        check.expect(
            "a second report of an fd that stayed readable",
            "Watch it level-triggered: report it for as long as it is readable, not only when something has come.",
        )
        return False

    def second() -> bool:
        nonlocal step
        os.read(inner, 10)
        step = empty
        beside(after_pause)
        return False

    def empty() -> bool:
        check.wrong(
            "ready() was called although the fd was not readable",
            "Report the fd only when a poll has found it readable: each report is a delivery of the guest.",
        )
        return False

    def after_pause() -> None:
        nonlocal step
        step = last
        check.expect("a report of an fd that was empty for a while", "A watch lasts until unwatch, not for one report.")
        os.write(outer, b"x")

    def last() -> bool:
        # Unwatched inside its own report, still readable: nothing may come any more.
        nonlocal step
        check.host.unwatch(inner)
        step = too_late
        check.expect("reports of another fd after unwatch", "unwatch() must end that one watch and no other.")
        beside(the_end)
        return False

    def too_late() -> bool:
        nonlocal late
        late += 1
        if late == 1:
            check.wrong(
                "ready() was called after unwatch()",
                "unwatch() must take the fd out of the host's poll at once. It is closed soon after, and its number is "
                "used again by something else.",
            )
        return False

    def the_end() -> None:
        check.host.unwatch(again)
        runs[0].guest.cancel()

    # Things that are to happen a little later in the host's loop, by a second fd.
    due: list[Callable[[], None]] = []

    def beside(function: Callable[[], None]) -> None:
        due.append(function)
        threading.Timer(0.1, os.write, (again_outer, b"x")).start()

    def happen() -> bool:
        os.read(again, 1)
        due.pop(0)()
        return False

    def begin() -> None:
        runs.append(check.start(sleep))
        check.host.watch(inner, ready)
        check.host.watch(again, happen)

    step = first
    runs: list[Run] = []
    check.expect("the first report of a readable fd", "watch() must have the host's loop poll the fd and call ready().")
    os.write(outer, b"x")
    check.run(begin)
    for fd in (inner, outer, again, again_outer):
        os.close(fd)
