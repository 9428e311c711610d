"""Ctrl-C: shared by two runs, and at every step of a delivery."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run, SourceInPython, host_until, settle

PACKAGE = os.path.dirname(asyncguest.__file__)

# Every bytecode of a delivery, or every third line.
FULL = os.environ.get("ASYNCGUEST_FULL") == "1"


async def forever():
    await asyncio.Event().wait()


def press():
    """Ctrl-C, in the host's code."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        pytest.fail("Ctrl-C ended no run and came through to the host")


@pytest.mark.parametrize("how", ("removes it", "ends"))
def test_a_run_with_a_sigint_handler_of_its_own_gives_ctrl_c_back_to_the_others(drive, how):
    host = QueueHost(drive)
    a, b = Run(host=host), Run(host=host)

    async def with_handler():
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, int)
        if how == "removes it":
            loop.remove_signal_handler(signal.SIGINT)
            await forever()

    a.start(with_handler)
    b.start(forever)
    if how == "ends":
        host_until(a, lambda: a.done)
    try:
        press()
        host_until(b, lambda: b.done and a.done, 2)
    finally:
        for run in (a, b):
            run.guest.shutdown(0.1)
        host.close()
    assert b.done[0].cancelled()
    assert b.guest.interrupted_count == 1
    assert a.done[0].cancelled() == (how == "removes it")


def test_a_run_that_starts_while_another_listens_for_sigint_gets_ctrl_c_afterwards(drive):
    host = QueueHost(drive)
    a, b = Run(host=host), Run(host=host)

    async def with_handler():
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, int)

    a.start(with_handler)
    b.start(forever)
    host_until(a, lambda: a.done)
    try:
        press()
        host_until(b, lambda: b.done, 2)
    finally:
        b.guest.shutdown(0.1)
        host.close()
    assert b.done[0].cancelled()


def test_a_run_watches_for_ctrl_c_again_when_its_own_handler_is_gone(drive):
    """Only so is it woken in a main loop that runs no Python of its own."""
    run = Run(drive)
    run.start(forever)
    settle(run)
    before = asyncguest.stats().sources
    run.guest.loop.add_signal_handler(signal.SIGINT, int)
    run.guest.loop.remove_signal_handler(signal.SIGINT)
    assert asyncguest.stats().sources == before
    assert run.guest.shutdown(5)
    run.host.close()


def frame_of_the_package():
    """The frame that runs the caller, as a handler finds it when the signal comes while the library waits."""
    frame = sys._getframe()
    while not str(frame.f_globals.get("__name__")).startswith("asyncguest._"):
        frame = frame.f_back
    return frame


def test_the_second_ctrl_c_during_a_shutdown_ends_it(drive):
    """The waiting is in the package's own frames, which are not cut in two: the shutdown itself has to notice."""
    run, pressed = Run(drive), []

    async def stubborn():
        while True:
            try:
                await forever()
            except asyncio.CancelledError:
                if len(pressed) < 2:
                    pressed.append(1)
                    signal.getsignal(signal.SIGINT)(signal.SIGINT, frame_of_the_package())

    run.start(stubborn)
    try:
        with pytest.warns(RuntimeWarning, match="abandoned"), pytest.raises(KeyboardInterrupt):
            run.guest.shutdown(2)
    finally:
        run.host.close()
    assert run.guest.interrupted_count == 2
    assert run.done


@contextmanager
def at_step(number, act):
    """Calls `act(frame)` at the given line of all that the package runs; yields a list of where that was."""
    count, where = 0, []

    def in_frame(frame, event, arg):
        nonlocal count
        if event in ("line", "opcode"):
            count += 1
            if count == number:
                where.append((frame.f_code.co_name, frame.f_lineno))
                act(frame)
        return in_frame

    def tracer(frame, event, arg):
        if not frame.f_code.co_filename.startswith(os.path.join(PACKAGE, "_")):
            return None
        frame.f_trace_opcodes = FULL
        return in_frame

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        yield where
    finally:
        sys.settrace(before)


def test_a_second_ctrl_c_at_any_step_of_a_delivery(drive):
    """It cuts no delivery in two: the delivery is ended, the state is given back, and the run ends by it."""

    async def main():
        for _ in range(2):  # survives the first one
            try:
                await forever()
            except asyncio.CancelledError:
                pass

    def second_ctrl_c(frame):
        signal.getsignal(signal.SIGINT)(signal.SIGINT, frame)

    where = [True]
    for number in itertools.count(1, 1 if FULL else 3):
        if not where:
            break
        run = Run(drive)
        run.start(main)
        press()
        settle(run)
        run.guest.loop.call_soon(int)
        with at_step(number, second_ctrl_c) as where:
            run.host.run_once(1)
        if where:
            assert run.guest.interrupted_count == 2, where
            host_until(run, lambda: run.done, 2)
            assert asyncio._get_running_loop() is None, where
        else:
            run.guest.cancel()
            host_until(run, lambda: run.done, 2)
        run.host.close()
    assert number > 10
    assert asyncguest.stats().sources == 0


class Source:
    """Holds what is connected."""

    def __init__(self):
        self.slots = []
        self.connect, self.disconnect = self.slots.append, self.slots.remove


@pytest.mark.parametrize("kind", (Source, SourceInPython))
def test_a_second_ctrl_c_leaves_nothing_connected(drive, kind):
    """What the package does to connect, and to disconnect, is not cut in two; nor an emission on its way to who waits. What is cut
    of a sender's own code is taken back."""

    async def main():
        with contextlib.suppress(asyncio.CancelledError):
            await forever()
        while True:
            try:
                await asyncguest.event(source)
            except asyncio.CancelledError:
                return

    def second_ctrl_c(frame, event, arg):
        nonlocal number
        connects = frame.f_code.co_filename.endswith("_connectable.py") or isinstance(
            frame.f_locals.get("self"), (Source, SourceInPython)
        )
        if connects and event in ("call", "return", "c_return"):
            number -= 1
            if not number:
                sys.setprofile(None)
                signal.getsignal(signal.SIGINT)(signal.SIGINT, frame)

    def at(moment):
        nonlocal number, source
        number, source, run = moment, kind(), Run(drive)
        run.start(main)
        press()
        sys.setprofile(second_ctrl_c)
        settle(run)
        for slot in list(source.slots):
            slot(1)
        settle(run)
        sys.setprofile(None)
        if number > 0:
            run.guest.cancel()
        host_until(run, lambda: run.done, 2)
        with contextlib.suppress(KeyboardInterrupt) if kind is SourceInPython else contextlib.nullcontext():
            assert run.finish() is None
        assert not source.slots
        return number <= 0

    number, source = 0, None
    try:
        moments = list(itertools.takewhile(at, itertools.count(1)))
    except KeyboardInterrupt:
        pytest.fail("it came through")
    finally:
        sys.setprofile(None)
    assert len(moments) > 3


class HangingSource(SourceInPython):
    """Its `connect` would not end, if not by the second Ctrl-C."""

    def __init__(self):
        self.slots, self.disconnects = [], 0

    def connect(self, slot):
        self.slots.append(slot)
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
        pytest.fail("it has not ended")

    def disconnect(self, slot):
        self.disconnects += 1
        if self.disconnects == 1:
            raise KeyboardInterrupt
        self.slots.remove(slot)


def test_a_second_ctrl_c_ends_a_connect_that_hangs(drive):
    source, run = HangingSource(), Run(drive)

    async def main():
        await asyncguest.event(source)

    run.start(main)
    with pytest.raises(KeyboardInterrupt):
        run.finish()
    assert not source.slots and source.disconnects == 2


@pytest.mark.parametrize("deliveries", (1, 2))
def test_a_delivery_that_an_exception_of_a_foreign_signal_handler_has_left_open(deliveries):
    """Such a handler may raise between the library's call and the first line that could note it. The end of the loop
    ends what is open, or the native guest would stay."""
    before = asyncguest.stats()
    loop = asyncguest.EventLoop()
    for _ in range(deliveries):
        assert loop.reactor.begin(0) == []
    loop.close()
    after = asyncguest.stats()
    assert (after.sources, after.loops) == (before.sources, before.loops)


class Foreign(Exception):
    """What a signal handler of somebody else's raises."""


def test_a_foreign_handler_that_raises_at_any_step_of_a_delivery_leaves_the_run_endable(drive):
    """The delivery may be lost, and its callbacks late; but afterwards no code of the guest counts as being on the
    stack."""

    def raises(frame):
        raise Foreign

    async def main():
        try:
            await forever()
        finally:
            await asyncio.sleep(0)

    def at_each_step():
        where = [True]
        for number in itertools.count(1, 1 if FULL else 3):
            if not where:
                return number
            run = Run(drive)
            run.start(main)
            settle(run)
            run.guest.loop.call_soon(int)
            with at_step(number, raises) as where:
                try:
                    run.host.run_once(1)
                except Foreign:
                    pass
            assert run.guest.shutdown(5), where
            assert len(run.done) == 1, where
            run.host.close()

    # On a thread of its own: the price is that what the delivery had put in place may still be there.
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(at_each_step).result() > 10
