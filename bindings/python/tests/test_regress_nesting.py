"""Nested host loops: short ones, those of a first step, and what they must not leave behind."""

from __future__ import annotations

import asyncio
import contextvars
import os

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run, host_until, settle

# A delivery ends when its time is over; here it never is, so that the nested loop returns into the middle of one.
LONG = 60.0


def dialog(run, ran):
    """A nested loop that lasts until all that was ready behind it has run."""
    while len(ran) < 3:
        run.host.run_once(1)


@pytest.mark.parametrize("debug", (False, True))
def test_a_nested_loop_that_is_shorter_than_the_budget(drive, debug):
    """The outer delivery finds its queue run empty by the inner one: that is no IndexError in the host's frames."""
    run = Run(drive, batch_budget=LONG, debug=debug)
    ran = []

    async def main():
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = LONG
        for _ in range(3):
            ran.clear()
            loop.call_soon(dialog, run, ran)
            for _ in range(3):
                loop.call_soon(ran.append, 1)
            await asyncio.sleep(0)
        return len(ran)

    run.start(main)
    assert run.finish() == 3


def test_a_nested_loop_in_a_nested_loop_that_is_shorter_than_the_budget(drive):
    """The inner delivery is the careful one, since callbacks stand; it empties the queues of both outer ones."""
    run = Run(drive, batch_budget=LONG)
    ran = []

    async def main():
        loop = asyncio.get_running_loop()

        def outer():
            loop.call_soon(dialog, run, ran)
            for _ in range(3):
                loop.call_soon(ran.append, 1)
            dialog(run, ran)

        loop.call_soon(outer)
        loop.call_soon(int)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return len(ran)

    run.start(main)
    assert run.finish() == 3


def test_a_short_nested_loop_during_shutdown(drive):
    run = Run(drive)
    ran = []

    async def main():
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(1000)
        finally:
            loop.call_soon(dialog, run, ran)
            for _ in range(3):
                loop.call_soon(ran.append, 1)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    run.start(main)
    settle(run)
    assert run.guest.shutdown(10)
    assert len(ran) == 3
    run.host.close()


@pytest.mark.parametrize("by", ("start", "start_soon"))
def test_a_task_that_waits_for_a_context_of_the_first_step(drive, by):
    """It is parked while the first step's dialog is open. When that has returned somebody has to wake the guest."""
    run = Run(drive)
    context = contextvars.copy_context()

    async def side():
        return "side ran"

    async def opener():
        loop = asyncio.get_running_loop()
        task = loop.create_task(side(), context=context)
        seen = []
        loop.call_soon(seen.append, 1)
        while not (seen and loop.idle):  # it is behind the task's first step in the queue
            run.host.run_once(1)
        assert not task.done()
        return await task

    if by == "start":
        run.start(opener, context=context)
    else:

        async def main():
            await asyncio.Event().wait()

        run.start(main)
        settle(run)
        run.guest.start_soon(opener, context=context).add_done_callback(run.guest.task.cancel)
    try:
        host_until(run, lambda: run.done, 2)
    finally:
        run.host.close()
    assert run.done[0].cancelled() if by == "start_soon" else run.done[0].result() == "side ran"


def test_an_fd_that_is_closed_while_its_callback_stands_in_a_dialog(drive):
    """It is muted then, and has to be watched again afterwards, which fails. asyncio says nothing of closed fds; the
    others that are muted are watched again all the same, and the number can be registered anew."""
    run = Run(drive, batch_budget=LONG)

    async def main():
        loop = asyncio.get_running_loop()
        (a, to_a), (b, to_b) = os.pipe(), os.pipe()
        seen, both = [], loop.create_future()

        def some_deliveries():
            """A nested loop in which the fds that are ready are looked at again."""
            ran = []
            for _ in range(3):
                loop.call_soon_threadsafe(ran.append, 1)
                while not ran:
                    run.host.run_once(1)
                ran.clear()

        def on_a():
            seen.append("a")
            if seen == ["a"]:
                loop.add_reader(b, on_b)
                some_deliveries()

        def on_b():
            seen.append("b")
            os.read(b, 1)
            if seen == ["a", "b"]:
                some_deliveries()
                os.close(a)
            else:
                both.set_result(None)

        os.write(to_a, b"x")
        os.write(to_b, b"xx")
        loop.add_reader(a, on_a)
        await both
        assert seen == ["a", "b", "b"]
        loop.remove_reader(b)
        for fd in (to_a, b, to_b):
            os.close(fd)

        again, other = os.pipe()
        assert again == a
        ready = loop.create_future()
        loop.add_reader(again, ready.set_result, "new")
        os.write(other, b"x")
        try:
            return await ready
        finally:
            loop.remove_reader(again)
            os.close(again)
            os.close(other)

    run.start(main)
    try:
        host_until(run, lambda: run.done, 3)
    finally:
        run.guest.shutdown(0.1)
        run.host.close()
    assert run.done[0].result() == "new"


class Refusing(QueueHost):
    """Watches the guest's fd once, not twice."""

    refuses = False

    def watch(self, fd, ready):
        if self.refuses:
            raise OSError("no room")
        super().watch(fd, ready)


def test_a_host_that_refuses_to_watch_again_after_the_nesting_limit():
    """The delivery has to end all the same: an open one is never closed, and the run could not be shut down."""
    host = Refusing()
    run = Run(host=host, max_nesting=0)
    reported = []

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: reported.append(context["exception"]))
        await asyncio.sleep(0)
        loop.call_soon_threadsafe(int)
        host.run_once(1)  # refused, and not watched until this delivery ends
        host.refuses = True
        await asyncio.sleep(1000)

    run.start(main)
    host_until(run, lambda: reported)
    host.run_once(0)
    assert [type(error) for error in reported] == [asyncguest.NestingLimit, OSError]
    assert run.guest.shutdown(5)
    assert run.done
    host.close()
