"""Contract 11: several runs live on one thread, started and ended in any order; each keeps its own state."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import random
import sys

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run


class Several:
    """Runs that share one queue host, which stops when the last of them is over."""

    def __init__(self, drives):
        self.host = QueueHost("fd" if "fd" in drives else "thread")
        self.drives = drives
        self.runs = []
        self.done = []  # indices, in the order in which the runs ended
        self.when_done = lambda index: None

    def start(self, async_fn, *args):
        index = len(self.runs)
        host = self.host if self.drives[index % len(self.drives)] == "fd" else asyncguest.CallbackHost(self.host.post)

        def done(task):
            assert index not in self.done, "done_callback twice"
            self.done.append(index)
            self.when_done(index)
            if len(self.done) == len(self.runs):
                self.host.stop()

        guest = asyncguest.Guest(host, done_callback=done, name=f"run {index}")
        self.runs.append(guest)
        guest.start(async_fn, *args)
        return guest

    def finish(self):
        self.host.run()
        self.host.close()
        return [guest.task for guest in self.runs]


DRIVES = pytest.mark.parametrize("drives", [("fd",), ("thread",), ("fd", "thread")], ids="-".join)


@DRIVES
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_runs_end_in_any_order(drives, order):
    several = Several(drives)
    gates = []

    async def main(index):
        gates.append(asyncio.Event())
        await gates[index].wait()
        return index

    def open_the_next(index):
        place = order.index(index)
        if place < 2:
            gates[order[place + 1]].set()

    several.when_done = open_the_next

    for index in range(3):
        several.start(main, index)
    # From the host's own code, which stands between the deliveries of all three.
    several.host.post(lambda: gates[order[0]].set())
    tasks = several.finish()
    assert several.done == list(order)
    assert [task.result() for task in tasks] == [0, 1, 2]


@DRIVES
def test_a_run_starts_another_from_its_own_code(drives):
    # The inner start happens inside a delivery of the outer run, whose loop is the running loop then.
    several = Several(drives)

    async def inner(outer_loop):
        assert asyncio.get_running_loop() is not outer_loop
        await asyncio.sleep(0.001)
        return "inner"

    async def outer():
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        guest = several.start(inner, loop)
        assert asyncio.get_running_loop() is loop
        assert asyncio.current_task() is task
        assert asyncguest.current_guest() is loop.guest
        while not guest.task.done():
            await asyncio.sleep(0.001)
            assert asyncio.get_running_loop() is loop
        return "outer"

    several.start(outer)
    assert {task.result() for task in several.finish()} == {"inner", "outer"}


@DRIVES
def test_a_run_starts_the_next_from_its_done_callback(drive, drives):
    host = QueueHost(drive)
    ended = []

    async def main(n):
        await asyncio.sleep(0)
        return n

    def start(n):
        def done(task):
            ended.append(task.result())
            start(n + 1) if n < 20 else host.stop()

        asyncguest.Guest(host, done_callback=done).start(main, n)

    start(0)
    host.run()
    host.close()
    assert ended == list(range(21))


@DRIVES
def test_each_run_keeps_its_own_running_loop_task_and_context(drives):
    several = Several(drives)
    var = contextvars.ContextVar("var", default="nobody's")

    async def main(index):
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        var.set(index)
        hooks = sys.get_asyncgen_hooks()
        for _ in range(50):
            await asyncio.sleep(random.choice((0, 0.0003)))
            assert asyncio.get_running_loop() is loop
            assert asyncio.current_task() is task
            assert asyncguest.current_guest() is loop.guest is several.runs[index]
            assert var.get() == index
            assert sys.get_asyncgen_hooks() == hooks
            assert asyncio.all_tasks() == {task}

    for index in range(4):
        several.start(main, index)
    assert var.get() == "nobody's"
    for task in several.finish():
        task.result()


@DRIVES
def test_the_running_loop_between_deliveries_moves_on_when_its_run_ends(drives):
    # The oldest run that is alive is what the host's handlers see.
    several = Several(drives)
    gates = [asyncio.Event(), asyncio.Event()]
    seen = []

    async def main(index):
        await gates[index].wait()

    first = several.start(main, 0)
    second = several.start(main, 1)
    loops = first.loop, second.loop

    def look(then=None):
        seen.append(asyncio._get_running_loop())
        if then is not None:
            gates[then].set()

    several.host.post(lambda: look(0))
    while several.done != [0]:
        several.host.run_once()
    look(1)
    several.finish()
    assert seen == list(loops)
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


@DRIVES
def test_runs_talk_to_each_other(drives):
    # Futures belong to one loop each; call_soon on the other's loop needs no thread-safe variant on one thread.
    several = Several(drives)

    async def player(loop_of_other, inbox, count):
        for _ in range(count):
            ball = await inbox.get()
            other = loop_of_other()
            if not other.is_closed():
                other.call_soon(other.inbox.put_nowait, ball + 1)
        return ball

    async def main(index):
        loop = asyncio.get_running_loop()
        loop.inbox = asyncio.Queue()
        return await player(lambda: several.runs[1 - index].loop, loop.inbox, 200)

    several.start(main, 0)
    several.start(main, 1)
    several.host.post(lambda: several.runs[0].loop.call_soon(several.runs[0].loop.inbox.put_nowait, 0))
    assert [task.result() for task in several.finish()] == [398, 399]


@DRIVES
def test_cancelling_some_leaves_the_others(drives):
    several = Several(drives)
    gates = []

    async def main(index):
        gates.append(asyncio.Event())
        await gates[index].wait()
        return index

    for index in range(4):
        several.start(main, index)
    several.when_done = lambda index: [gates[i].set() for i in (1, 3)] if {0, 2} <= set(several.done) else None
    several.host.post(several.runs[2].cancel)
    several.host.post(several.runs[0].cancel)
    tasks = several.finish()
    assert tasks[0].cancelled() and tasks[2].cancelled()
    assert (tasks[1].result(), tasks[3].result()) == (1, 3)


def test_shutting_one_down_leaves_the_others_alone(drive):
    # The first is driven to its end while the second has work: the second must not run meanwhile, nor lose anything.
    host = QueueHost(drive)
    order = []

    async def first():
        try:
            await asyncio.sleep(60)
        finally:
            order.append("finally begins")
            await asyncio.sleep(0.01)
            order.append("finally ends")

    async def second():
        await asyncio.sleep(0.001)
        order.append("second")

    done = []
    one = asyncguest.Guest(host, done_callback=done.append)
    two = asyncguest.Guest(host, done_callback=host.stop)
    one.start(first)
    # In one job of the host's: the second's timer is due while the first is driven, and not before.
    host.post(lambda: (two.start(second), one.shutdown(5)))
    host.run()
    host.close()
    assert order == ["finally begins", "finally ends", "second"]
    assert [task.cancelled() for task in done] == [True]


def test_a_random_storm_of_starts_and_ends(drive):
    rng = random.Random(11)
    host = QueueHost(drive)
    live, ended = [], []

    async def main(delay, cancelled):
        if cancelled:
            await asyncio.sleep(60)
        await asyncio.sleep(delay)

    def start():
        cancelled = rng.random() < 0.5

        def done(task):
            live.remove(guest)
            ended.append(task.cancelled() == cancelled)
            if len(ended) == 60:
                host.stop()

        guest = asyncguest.Guest(host, done_callback=done)
        live.append(guest)
        guest.start(main, rng.choice((0, 0.0005, 0.002)), cancelled)
        if cancelled:
            guest.loop.call_later(rng.choice((0, 0.001)), guest.cancel)

    for _ in range(60):
        host.post(start)
    host.run()
    host.close()
    assert ended == [True] * 60 and not live


def test_a_guest_is_one_run(drive):
    run = Run(drive)

    async def main():
        await asyncio.sleep(0)

    run.start(main)
    with pytest.raises(asyncguest.GuestError, match="make another"):
        run.start(main)
    run.finish()
    with pytest.raises(asyncguest.GuestError, match="make another"):
        run.start(main)
