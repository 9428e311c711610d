"""`event`, `events` and `dialog` in tasks of Trio: the promises that are the same for each source.

Those of the toolkits are played on their stages: hosts/scenarios_trio.py.
"""

from __future__ import annotations

import asyncio
import itertools
import signal as python_signal
import sys
import threading
from typing import Any

import asyncguest
import pytest
from asyncguest import SourceGone, event, events
from asyncguest.hosts.queue import QueueHost
from helpers import Dialog, SourceInPython
from test_comfort_events import Signal
from triohelp import Run, start, trio


@pytest.fixture
def queue(drive):
    queue = QueueHost(drive)
    yield queue
    queue.close()


@pytest.fixture
def signal():
    return Signal()


@pytest.mark.parametrize(("args", "value"), [((), None), ((1,), 1), ((1, "a"), (1, "a"))])
def test_the_values_are_the_same(queue, signal, args, value):
    async def main():
        queue.post(lambda: signal.emit(*args))
        one = await event(signal)
        with events(signal) as stream:
            signal.emit(*args)
            return one, await stream.next()

    assert Run(queue, main).finish() == (value, value)
    assert not signal.slots


def test_the_waiter_goes_on_later(queue, signal):
    order = []

    def click():
        order.append("emits")
        signal.emit(1)
        order.append("has emitted")

    async def main():
        queue.post(click)
        await event(signal, filter=lambda number: order.append("filter") or True)
        order.append("waiter")

    Run(queue, main).finish()
    assert order == ["emits", "filter", "has emitted", "waiter"]


def test_what_the_filter_raises_is_raised_by_the_await(queue, signal):
    def refuse(*_):
        raise ValueError("of the filter")

    async def main():
        queue.post(signal.emit)
        with pytest.raises(ValueError, match="of the filter"):
            await event(signal, filter=refuse)

    Run(queue, main).finish()
    assert not signal.slots


def test_a_cancelled_wait_disconnects_and_loses_nothing(queue, signal):
    async def main():
        with trio.move_on_after(0.001) as scope:
            await event(signal)
        assert scope.cancelled_caught and not signal.slots
        with events(signal) as stream:
            with trio.CancelScope() as scope:
                queue.post(lambda: (scope.cancel(), signal.emit(1)))
                await stream.next()
            assert scope.cancelled_caught
            with trio.CancelScope() as scope:
                scope.cancel()
                await stream.next()  # each await is a checkpoint
            assert scope.cancelled_caught
            return await stream.next()

    assert Run(queue, main).finish() == 1


def test_a_second_waiter_on_one_stream_is_refused(queue, signal):
    async def main():
        with events(signal) as stream:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.next)
                await trio.testing.wait_all_tasks_blocked()
                with pytest.raises(asyncguest.GuestError, match="another task waits"):
                    await stream.next()
                signal.emit(1)

    import trio.testing

    Run(queue, main).finish()


def test_a_sender_that_goes(queue, signal):
    async def main():
        queue.post(signal.slots.clear)
        with pytest.raises(SourceGone):
            await event(signal)
        with events(signal) as stream:
            signal.emit(1)
            signal.slots.clear()
            return [value async for value in stream]

    assert Run(queue, main).finish() == [1]


def test_an_emission_on_another_thread(queue, signal):
    async def main():
        thread = threading.Thread(target=signal.emit, args=(1,))
        with events(signal) as stream:
            thread.start()
            value = await stream.next()
        thread.join()
        slots.extend(signal.slots)
        return value

    slots: list[Any] = []
    with_slot = []

    async def keep():
        with events(signal):
            with_slot.extend(signal.slots)

    assert Run(queue, main).finish() == 1
    late = QueueHost()
    Run(late, keep).finish()
    thread = threading.Thread(target=with_slot[0], args=(1,))  # after the end it does nothing
    thread.start()
    thread.join()


def test_each_library_waits_in_its_own_way_also_behind_each_others_dialogs(queue):
    """Code of asyncio in a nested loop that a task of Trio's has opened, and the other way round."""
    signals = {"asyncio": Signal(), "trio": Signal()}
    log = []

    async def waits(name, other, dialog):
        log.append((name, await event(signals[name])))
        if other is not None:
            queue.post(lambda: signals[other].emit(2))  # comes in the nested loop
            dialog.show()
            log.append((name, "returned"))
        else:
            dialog.close()

    def play(first, second):
        dialog = Dialog(queue)
        runs = []

        def begin(name, other):
            if name == "asyncio":
                guest = asyncguest.Guest(queue)
                guest.start(waits, name, other, dialog)
            else:
                guest = start(waits, name, other, dialog, host=queue)
            runs.append(guest)

        begin(first, second)
        begin(second, None)
        while not all(signals[name].slots for name in (first, second)):
            queue.run_once(10)
        queue.post(lambda: signals[first].emit(1))
        while not all(guest.state == "ended" for guest in runs):
            queue.run_once(10)

    play("asyncio", "trio")
    play("trio", "asyncio")
    assert log == [
        ("asyncio", 1), ("trio", 2), ("asyncio", "returned"),
        ("trio", 1), ("asyncio", 2), ("trio", "returned"),
    ]  # fmt: skip


def test_trio_stands_still_in_a_nested_loop_and_goes_on_after_it(queue):
    """The limit that the page names."""
    dialog = Dialog(queue)
    ticks = []

    async def tick():
        while True:
            ticks.append(1)
            await trio.sleep(0)

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tick)
            await trio.sleep(0.001)
            before = len(ticks)
            asyncio_guest = asyncguest.Guest(queue)
            asyncio_guest.start(close_later)
            dialog.show()
            assert len(ticks) == before
            while len(ticks) < before + 3:
                await trio.sleep(0)
            nursery.cancel_scope.cancel()
        return "went on"

    async def close_later():
        await asyncio.sleep(0.005)
        dialog.close()

    assert Run(queue, main).finish() == "went on"


def test_in_a_plain_trio_program_it_says_that_no_guest_runs(signal):
    async def program():
        with pytest.raises(asyncguest.GuestError, match="no guest runs here"):
            await event(signal)

    trio.run(program)
    assert not signal.slots


def test_ctrl_c_leaves_nothing_connected(drive):
    """Wherever it comes, of the package's own code or the sender's."""
    number = 0

    def ctrl_c(frame, event, arg):
        nonlocal number
        connects = frame.f_globals.get("__name__") in ("asyncguest._events", "asyncguest.sources._connectable")
        if (connects or isinstance(frame.f_locals.get("self"), SourceInPython)) and event in (
            "call",
            "return",
            "c_return",
        ):
            number -= 1
            if not number:
                sys.setprofile(None)
                python_signal.getsignal(python_signal.SIGINT)(python_signal.SIGINT, frame)

    async def main(source, moment):
        nonlocal number
        with trio.move_on_after(0.001):
            number = moment
            sys.setprofile(ctrl_c)
            try:
                await event(source)
            finally:
                sys.setprofile(None)
        await trio.lowlevel.checkpoint()

    def at(moment):
        source = SourceInPython()
        try:
            Run(QueueHost(drive), main, source, moment).finish()
        except KeyboardInterrupt:
            return True
        finally:
            assert not source.slots
        return False

    assert len(list(itertools.takewhile(at, itertools.count(1)))) > 6
