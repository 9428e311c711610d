"""`event` and `events`: emissions on another thread than the waiter's, and of one source for two guests."""

from __future__ import annotations

import asyncio
import threading

import asyncguest
import pytest
from asyncguest import SourceGone, event, events
from helpers import Run, host_until, run_guest, settle
from signalhelp import Signal, soon


def test_a_sender_that_goes_on_another_thread():
    signal = Signal()

    async def main():
        thread = threading.Thread(target=signal.slots.clear)
        soon(thread.start)
        with pytest.raises(SourceGone):
            await event(signal)
        thread.join()

    run_guest(main)


def test_an_emission_on_another_thread_arrives_on_the_hosts():
    signal = Signal()
    threads = []

    async def main():
        thread = threading.Thread(target=signal.emit, args=(1,))
        with events(signal, filter=lambda _: threads.append(threading.get_ident()) or True) as stream:
            thread.start()
            assert await stream.next() == 1
        thread.join()
        assert threads == [thread.ident]

    run_guest(main)


def test_the_first_of_two_emissions_on_another_thread():
    """Both arrive before the waiter goes on."""
    signal = Signal()

    def emit():
        signal.emit("first")
        signal.emit("second")
        signal.slots.clear()

    async def main():
        thread = threading.Thread(target=emit)
        soon(lambda: (thread.start(), thread.join()))
        assert await event(signal) == "first"

    run_guest(main)


def test_an_emission_on_another_thread_after_the_end():
    signal = Signal()
    slots = []

    async def main():
        with events(signal):
            slots.extend(signal.slots)

    run_guest(main)
    thread = threading.Thread(target=slots[0], args=(1,))
    thread.start()
    thread.join()


def test_an_emission_on_another_thread_just_before_the_end_of_the_block():
    """It is under way when the block ends."""
    signal = Signal()

    async def main():
        with events(signal) as stream:
            thread = threading.Thread(target=signal.emit, args=(1,))
            thread.start()
            thread.join()
        await asyncio.sleep(0.001)
        with pytest.raises(asyncguest.GuestError, match="as long as its block"):
            await stream.next()

    run_guest(main)


def test_two_guests_wait_for_one_source(drive):
    signal = Signal()
    one, other = (Run(drive) for _ in range(2))

    async def main():
        loop = asyncio.get_running_loop()
        value = await event(signal)
        return value, asyncio.get_running_loop() is loop

    for run in (one, other):
        run.start(main)
    settle(one)
    settle(other)
    signal.emit(7)
    for run in (one, other):
        host_until(run, lambda run=run: run.done)
        assert run.finish() == (7, True)
