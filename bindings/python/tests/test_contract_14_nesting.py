"""Contract 14: a callback or a task runs a nested host loop (a modal dialog); everything else goes on meanwhile.

The nested loop here is the queue host's own `run`, called from guest code. What Tk does is tested with Tk.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket

import pytest
from helpers import Run, run_guest


class Dialog:
    """A nested loop of a run's host, until `close` is called."""

    def __init__(self, host):
        self.host = host
        self.is_open = False

    def show(self):
        self.is_open = True
        while self.is_open:
            self.host.run_once()

    def close(self):
        self.is_open = False
        self.host.post(lambda: None)  # run_once comes back to look


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


def test_two_tasks_that_share_a_context(drive):
    run = Run(drive)
    # A context cannot be entered twice: what belongs to it waits until the dialog is closed, and is not lost.
    context = contextvars.copy_context()
    var = contextvars.ContextVar("var")
    dialog = Dialog(run.host)
    order = []

    async def other():
        for i in range(3):
            await asyncio.sleep(0)
            order.append(i)
        return var.get()

    async def main():
        loop = asyncio.get_running_loop()
        var.set("shared")

        def start_other_and_open_a_dialog():
            loop.call_soon(order.append, "sharer of the context", context=context)
            loop.call_later(0.005, dialog.close)
            dialog.show()
            order.append("dialog returned")

        loop.call_soon(start_other_and_open_a_dialog, context=context)
        unrelated = loop.create_task(other())
        assert await unrelated == "shared"
        await asyncio.sleep(0.01)

    run.start(main)
    run.finish()
    assert order.index("dialog returned") < order.index("sharer of the context")
    assert order.index(2) < order.index("dialog returned")


def test_what_waited_comes_when_nothing_else_is_ready(drive):
    # The dialog lasts longer than the batch's budget, and the only thing left is what waits for its context.
    run, waited = Run(drive), []
    context = contextvars.copy_context()
    dialog = Dialog(run.host)

    async def main():
        loop = asyncio.get_running_loop()
        came = loop.create_future()

        def open_dialog():
            loop.call_soon(came.set_result, "not lost", context=context)
            loop.call_later(0.02, dialog.close)
            dialog.show()
            waited.append(not came.done())

        loop.call_soon(open_dialog, context=context)
        return await came

    run.start(main)
    assert run.finish() == "not lost" and waited == [True]


def test_what_waits_for_a_context_keeps_its_order(drive):
    run = Run(drive)
    context = contextvars.copy_context()
    dialog = Dialog(run.host)
    order = []

    async def main():
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def open_dialog():
            for i in range(20):
                loop.call_soon(order.append, i, context=context)
            loop.call_later(0.003, dialog.close)
            dialog.show()
            loop.call_soon(order.append, 20, context=context)
            loop.call_soon(done.set)

        loop.call_soon(open_dialog, context=context)
        await done.wait()

    run.start(main)
    run.finish()
    assert order == list(range(21))


def test_a_cancelled_handle_that_waited_is_not_run(drive):
    run = Run(drive)
    context = contextvars.copy_context()
    dialog = Dialog(run.host)
    ran = []

    async def main():
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def open_dialog():
            handle = loop.call_soon(ran.append, "cancelled", context=context)
            loop.call_later(0.003, lambda: (handle.cancel(), dialog.close()))
            dialog.show()
            loop.call_soon(done.set)

        loop.call_soon(open_dialog, context=context)
        await done.wait()
        await asyncio.sleep(0)

    run.start(main)
    run.finish()
    assert ran == []


def test_a_reader_that_stands_in_a_dialog_is_no_busy_loop(drive):
    run = Run(drive)
    # Its fd stays readable all the time: other work goes on, but nobody spins on that fd.
    dialog = Dialog(run.host)
    a, b = socket.socketpair()
    a.setblocking(False)
    b.setblocking(False)
    a.send(b"x")
    figures = []

    async def main():
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def on_readable():
            before = run.guest.stats().batches
            loop.call_later(0.1, dialog.close)
            dialog.show()
            figures.append(run.guest.stats().batches - before)
            b.recv(1)
            done.set()

        loop.add_reader(b, on_readable)
        await done.wait()
        # It is watched again afterwards, for reading.
        again = loop.create_future()
        loop.add_reader(b, lambda: again.done() or again.set_result(b.recv(1)))
        a.send(b"y")
        assert await again == b"y"
        loop.remove_reader(b)

    run.start(main)
    run.finish()
    a.close()
    b.close()
    assert figures[0] < 10


def test_the_other_side_of_a_connection_goes_on(drive):
    # Its reader stands in a dialog; its writer on the same fd does not.
    run = Run(drive)
    dialog = Dialog(run.host)
    a, b = socket.socketpair()
    a.setblocking(False)
    b.setblocking(False)
    a.send(b"x")
    heard = []

    async def main():
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def on_writable():
            heard.append("writable")
            loop.remove_writer(b)
            dialog.close()

        def on_readable():
            loop.call_later(0.03, loop.add_writer, b, on_writable)
            dialog.show()
            heard.append(b.recv(10))
            done.set()

        loop.add_reader(b, on_readable)
        await done.wait()
        await asyncio.sleep(0.002)
        loop.remove_reader(b)

    run.start(main)
    run.finish()
    a.close()
    b.close()
    assert heard == ["writable", b"x"]


def test_a_hang_up_during_a_dialog_is_no_busy_loop(drive):
    run, figures = Run(drive), []
    dialog = Dialog(run.host)
    a, b = socket.socketpair()
    a.setblocking(False)
    b.setblocking(False)
    a.send(b"x")

    async def main():
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def on_readable():
            before = run.guest.stats().batches
            loop.call_later(0.1, dialog.close)
            loop.call_later(0.01, a.close)
            dialog.show()
            figures.append(run.guest.stats().batches - before)
            done.set()

        # A pair of buffers that is full: the writer is not called before the hang-up.
        try:
            while True:
                b.send(b"x" * 4096)
        except BlockingIOError:
            pass
        loop.add_writer(b, lambda: loop.remove_writer(b))
        loop.add_reader(b, on_readable)
        await done.wait()
        loop.remove_reader(b)
        loop.remove_writer(b)

    run.start(main)
    run.finish()
    b.close()
    assert figures[0] < 15


@pytest.mark.parametrize("change", ["remove", "replace", "close"])
def test_a_reader_changed_while_it_stands_in_a_dialog(drive, change):
    run = Run(drive)
    dialog = Dialog(run.host)
    a, b = socket.socketpair()
    a.setblocking(False)
    b.setblocking(False)
    a.send(b"x")
    heard = []

    async def main():
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def act():
            if change == "replace":
                loop.add_reader(b, lambda: (heard.append(b.recv(1)), loop.remove_reader(b), dialog.close()))
            else:
                loop.remove_reader(b)
                if change == "close":
                    b.close()
                loop.call_later(0.002, dialog.close)

        def on_readable():
            loop.call_later(0.002, act)
            dialog.show()
            done.set()

        loop.add_reader(b, on_readable)
        await done.wait()

    run.start(main)
    run.finish()
    a.close()
    b.close()
    assert heard == ([b"x"] if change == "replace" else [])


def test_a_dialog_left_over_when_the_main_task_ends(drive):
    run = Run(drive)
    # The run ends around a callback that still stands in its dialog: it is concluded when that has returned.
    dialog = Dialog(run.host)
    order = []

    async def main():
        loop = asyncio.get_running_loop()

        def open_dialog():
            loop.call_later(0.02, lambda: None)
            run.host.post(lambda: None)
            # No timer of the guest is left then, so the host closes it once the clean-up is over.
            while run.guest.state == "running" or not run.guest.clean_up_task.done():
                run.host.run_once(0.01)
            order.append("dialog returned")

        loop.call_soon(open_dialog)
        await asyncio.sleep(0.003)
        order.append("main is done")

    run.start(main)
    run.finish()
    assert order == ["main is done", "dialog returned"]


def test_a_dialog_in_done_callback(drive):
    from asyncguest.hosts.queue import QueueHost
    import asyncguest

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


def test_no_dialog_leaves_anything_parked(drive):
    async def main():
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        return loop._entered, loop._parked

    assert run_guest(main, drive=drive) == ([], [])
