"""Contract 14: the callback of an fd stands in a dialog while its fd stays readable: no busy loop, no lost readiness."""

from __future__ import annotations

import asyncio
import socket

import pytest
from helpers import Dialog, Run


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


@pytest.mark.parametrize("side", ["reader", "writer"])
def test_an_fd_whose_turn_comes_in_a_later_delivery_is_called_once(drive, side):
    """Its iteration is cut: each delivery looks again, and finds it ready still."""
    run = Run(drive, batch_budget=1e-9)  # one callback each
    called = []

    async def main():
        loop = asyncio.get_running_loop()
        pairs = [socket.socketpair() for _ in range(5)]
        all_called = asyncio.Event()
        add, remove = getattr(loop, f"add_{side}"), getattr(loop, f"remove_{side}")

        def ready(number):
            called.append(number)
            if side == "reader":
                pairs[number][0].recv(1)  # would wait
            else:
                remove(pairs[number][0])
            if len(called) == len(pairs):
                all_called.set()

        for number, (ours, theirs) in enumerate(pairs):
            theirs.send(b"x")
            add(ours, ready, number)
        await all_called.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        for ours, theirs in pairs:
            remove(ours)
            ours.close()
            theirs.close()

    run.start(main)
    run.finish()
    assert sorted(called) == [0, 1, 2, 3, 4]


def test_a_loop_that_an_iteration_opens_in_its_middle_hears_of_fds(drive):
    """The rest of the iteration runs there, and the fds are looked at after it."""
    run = Run(drive)
    dialog = Dialog(run.host)
    a, b = socket.socketpair()
    order = []

    async def main():
        loop = asyncio.get_running_loop()

        def on_readable():
            order.append(b.recv(1))
            loop.remove_reader(b)
            dialog.close()

        loop.add_reader(b, on_readable)
        loop.call_soon(lambda: (a.send(b"x"), dialog.show(), order.append("closed")))
        loop.call_soon(order.append, "the rest")
        while "closed" not in order:
            await asyncio.sleep(0)

    run.start(main)
    run.finish()
    a.close()
    b.close()
    assert order == ["the rest", b"x", "closed"]
