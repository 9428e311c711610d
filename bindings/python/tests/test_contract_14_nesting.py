"""Contract 14: a callback or a task runs a nested host loop (a modal dialog); everything else goes on meanwhile.

The nested loop here is the queue host's own `run`, called from guest code. What Tk does is tested with Tk.
"""

from __future__ import annotations

import asyncio
import socket
import sys

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Dialog, Run, host_until, run_guest, settle


def test_other_tasks_timers_and_sockets_go_on(drive):
    run = Run(drive)
    dialog = Dialog(run.host)
    seen = []

    async def ticker():
        for i in range(25):
            await asyncio.sleep(0.002)
            seen.append(("tick", i, asyncio.current_task().get_name()))

    async def echo(a, b):
        for _ in range(10):
            await asyncio.get_running_loop().sock_sendall(a, b"x")
            assert await asyncio.get_running_loop().sock_recv(b, 1) == b"x"
        seen.append("echoed")

    async def main():
        a, b = socket.socketpair()
        a.setblocking(False)
        b.setblocking(False)
        loop = asyncio.get_running_loop()
        me = asyncio.current_task()
        tasks = [loop.create_task(ticker(), name="ticker"), loop.create_task(echo(a, b))]
        asyncio.gather(*tasks).add_done_callback(lambda _: dialog.close())
        dialog.show()
        assert asyncio.current_task() is me
        assert asyncio.get_running_loop() is loop
        assert all(task.done() for task in tasks)
        await asyncio.sleep(0)
        a.close()
        b.close()
        return len(seen)

    run.start(main)
    assert run.finish() == 26
    assert {entry[2] for entry in seen if entry != "echoed"} == {"ticker"}


@pytest.mark.parametrize("depth", [3, 50])
def test_dialogs_in_dialogs(drive, depth):
    run = Run(drive)
    # Each dialog is opened by a task that the dialog before lets run; they close from the inside out.
    opened, closed, dialogs = [], [], []

    async def open_one(level):
        me = asyncio.current_task()
        await asyncio.sleep(0)
        dialog = Dialog(run.host)
        dialogs.append(dialog)
        opened.append(level)
        loop = asyncio.get_running_loop()
        if level + 1 < depth:
            inner = loop.create_task(open_one(level + 1))
            inner.add_done_callback(lambda _: dialog.close())
        else:
            loop.call_later(0.001, dialog.close)
        dialog.show()
        assert asyncio.current_task() is me
        closed.append(level)

    run.start(open_one, 0)
    run.finish()
    assert opened == list(range(depth))
    assert closed == list(reversed(range(depth)))
    assert run.guest.stats().nested >= depth - 1


def test_the_one_that_opened_the_dialog_stays_where_it_is(drive):
    run = Run(drive)
    # Its own wake-ups (here a cancellation) wait until the dialog is closed.
    dialog = Dialog(run.host)
    order = []

    async def main():
        loop = asyncio.get_running_loop()
        loop.call_soon(asyncio.current_task().cancel)
        loop.call_later(0.005, dialog.close)
        dialog.show()
        order.append("dialog returned")
        try:
            await asyncio.sleep(60)
        finally:
            order.append("cancelled")

    run.start(main)
    with pytest.raises(asyncio.CancelledError):
        run.finish()
    assert order == ["dialog returned", "cancelled"]


def test_a_dialog_in_a_callback(drive):
    run = Run(drive)
    # Not in a task: call_soon, call_later and a reader.
    dialog, gate = Dialog(run.host), []

    async def main():
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def callback():
            assert asyncio.current_task() is None
            loop.call_later(0.002, dialog.close)
            dialog.show()
            gate.append(True)
            done.set_result(None)

        loop.call_soon(callback)
        await done

    run.start(main)
    run.finish()
    assert gate == [True]


def test_a_dialog_left_over_when_the_main_task_ends(drive):
    run = Run(drive)
    # The run ends around a callback that still stands in its dialog: it is concluded when that has returned.
    order = []

    async def main():
        loop = asyncio.get_running_loop()

        def open_dialog():
            loop.call_later(0.02, lambda: None)
            run.host.post(lambda: None)
            # No timer of the guest is left then, so the host closes it once the clean-up is over.
            while run.guest.state == "running" or not run.guest.record.clean_up_task.done():
                run.host.run_once(0.01)
            order.append("dialog returned")

        loop.call_soon(open_dialog)
        await asyncio.sleep(0.003)
        order.append("main is done")

    run.start(main)
    run.finish()
    assert order == ["main is done", "dialog returned"]


def test_a_dialog_in_done_callback(drive):
    host = QueueHost(drive)
    dialog = Dialog(host)
    closed = []

    def done(task):
        host.post(dialog.close)
        dialog.show()
        closed.append(True)
        host.stop()

    async def main():
        await asyncio.sleep(0)

    asyncguest.Guest(host, done_callback=done).start(main)
    host.run()
    host.close()
    assert closed == [True]


def test_a_dialog_in_the_first_step(drive):
    run = Run(drive)
    # start() has not returned: the run is usable in there all the same.
    dialog = Dialog(run.host)
    seen = []

    async def main():
        loop = asyncio.get_running_loop()
        loop.call_soon(seen.append, "callback")
        loop.call_later(0.002, dialog.close)
        dialog.show()
        return "first step"

    run.start(main)
    assert seen == ["callback"]
    assert run.finish() == "first step"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_a_dialog_in_an_eager_task_of_host_code(drive):
    # It is the current task although no delivery has begun it.
    run, end, seen = Run(drive), asyncio.Event(), []
    run.start(end.wait)
    settle(run)
    loop = run.guest.loop

    async def in_the_dialog(dialog):
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())
        dialog.close()

    async def opens():
        opener, dialog = asyncio.current_task(), Dialog(run.host)
        other = asyncio.Task(in_the_dialog(dialog), loop=loop)
        dialog.show()
        assert seen == [other] and asyncio.current_task() is opener

    loop.set_task_factory(asyncio.eager_task_factory)
    task = loop.create_task(opens())
    loop.set_task_factory(None)
    assert task.done() and task.result() is None
    assert asyncio.current_task(loop) is None
    end.set()
    run.finish()


def test_a_dialog_of_one_run_while_another_has_tasks(drive):
    # From 3.14 on a thread has one current task, whichever loop runs.
    host, seen = QueueHost(drive), []
    dialog = Dialog(host)

    async def opens():
        mine = asyncio.current_task()
        await asyncio.sleep(0)
        dialog.show()
        seen.append(asyncio.current_task() is mine)

    async def works():
        mine = asyncio.current_task()
        while not dialog.is_open:
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0.001)
            seen.append(asyncio.current_task() is mine)
        dialog.close()

    first, second = Run(host=host), Run(host=host)
    second.start(works)
    first.start(opens)
    for run in (second, first):
        host_until(run, lambda run=run: run.done)
    host.close()
    assert seen == [True] * 4
    assert first.done[0].result() is second.done[0].result() is None


def test_no_dialog_leaves_anything_parked(drive):
    async def main():
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        return loop.has_parked(), loop.depth

    assert run_guest(main, drive=drive) == (False, 1)
