"""Ctrl-C at every moment of a run's end: it is not lost, the host thread is given back whole, and done_callback comes once.

The moments are those at which CPython looks for signals: a function has been entered, or one in C has returned.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import itertools
import os
import signal
import sys
import weakref

import asyncguest
import helpers
import pytest
from asyncguest import _signals
from asyncguest.hosts.base import LoopHost
from asyncguest.hosts.queue import QueueHost

# Every moment, or every seventh.
STEP = 1 if os.environ.get("ASYNCGUEST_FULL") == "1" else 7


def is_asyncios(frame):
    """asyncio itself, whose callbacks and tasks an exception in the middle may lose, and what it calls."""
    while frame is not None and frame.f_code.co_filename != __file__:
        if frame.f_globals.get("__name__", "").partition(".")[0] == "asyncio":
            return True
        frame = frame.f_back
    return False


class CtrlCAt:
    """Presses it at that moment; `with` yields a list of where it was."""

    def __init__(self, number, file=""):
        self.left, self.file, self.where = number, file, []

    def __enter__(self):
        sys.setprofile(self.look)
        return self.where

    def __exit__(self, *_):
        sys.setprofile(None)

    def look(self, frame, event, arg):
        if event not in ("call", "c_return") or frame.f_code.co_filename == __file__ or is_asyncios(frame):
            return
        if frame.f_code.co_name == "__del__":
            return  # the collector calls it anywhere
        if frame.f_code.co_flags & inspect.CO_COROUTINE:
            return  # CPython does not look when it goes on at an await
        if not frame.f_code.co_filename.endswith(self.file):
            return
        self.left -= 1
        if not self.left:
            sys.setprofile(None)
            self.where.append((frame.f_code.co_filename, frame.f_lineno, event))
            signal.getsignal(signal.SIGINT)(signal.SIGINT, frame)


class OfAsyncio:
    def __init__(self, host):
        self.done = []
        self.guest = asyncguest.Guest(host, done_callback=self.done.append)
        self.guest.start(self.main)

    async def main(self):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)

    def has_heard(self):
        return self.guest.interrupted_count > 0


class OfTrio:
    def __init__(self, host):
        triohelp = pytest.importorskip("triohelp")
        self.done = []
        self.guest = triohelp.start(triohelp.sleep_and_clean_up, [], 0, host=host, done_callback=self.done.append)

    def has_heard(self):
        return isinstance(self.done[0].error, KeyboardInterrupt)


def by_shutdown(run, host):
    assert run.guest.shutdown(30)


def by_its_host(run, host):
    run.guest.cancel()
    while not run.done:
        host.run_once(10)


def state_of_the_thread():
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd)
    return signal.getsignal(signal.SIGINT), fd, sys.get_asyncgen_hooks(), asyncio._get_running_loop()


@pytest.mark.parametrize("end", [by_shutdown, by_its_host])
@pytest.mark.parametrize("library", [OfAsyncio, OfTrio])
def test_ctrl_c_at_the_end(drive, library, end):
    before = state_of_the_thread()
    where = [True]
    for number in itertools.count(1, STEP):
        if not where:
            break
        host = QueueHost(drive)
        run = library(host)
        raised = False
        with CtrlCAt(number) as where:
            try:
                end(run, host)
            except KeyboardInterrupt:
                raised = True
        if end is by_its_host and not run.done:
            by_its_host(run, host)  # it came in the host's own code
        if not run.done:
            assert run.guest.shutdown(30), where  # before there was anything to end
        assert len(run.done) == 1 and run.guest.state == "ended", where
        assert raised or not where or run.has_heard(), (where, run.done)
        assert state_of_the_thread() == before, where
        host.close()
    assert number > 20 * STEP
    assert not asyncguest.stats().guests


class Foreign(Exception):
    """What a handler of another signal than Ctrl-C raises, somebody else's."""


def test_an_end_that_could_not_begin_leaves_ctrl_c_as_it_was(monkeypatch):
    getsignal = signal.getsignal

    def raises(signum):
        if sys._getframe(1).f_code is not _signals.hold.__code__:
            return getsignal(signum)
        monkeypatch.undo()
        raise Foreign

    before = state_of_the_thread()
    host = QueueHost("fd")
    run = OfTrio(host)
    monkeypatch.setattr(signal, "getsignal", raises)
    with pytest.raises(Foreign):
        run.guest.shutdown(30)
    assert not run.done and run.guest.shutdown(30) and len(run.done) == 1
    assert state_of_the_thread() == before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    host.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("code", ["_jobs.py", os.path.join("trio", "_core", "_run.py")])
def test_a_second_ctrl_c_cuts_no_delivery_of_trios_in_two(code):
    """The first one is for asyncio's run, which has SIGINT, and whose clean-up takes a while. Trio itself would take the second
    for an error of its own, and never give its thread back."""

    async def waits():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(3600)

    where = [True]
    for number in itertools.count(1, STEP):
        if not where:
            break
        host = QueueHost("fd")
        first = asyncguest.Guest(host)
        first.start(waits)
        second = OfTrio(host)
        helpers.host_until(helpers.Run(host=host), lambda: not second.guest.record.jobs._jobs)
        signal.raise_signal(signal.SIGINT)
        second.guest.cancel()
        with CtrlCAt(number, code) as where:
            try:
                by_its_host(second, host)
            except KeyboardInterrupt:
                assert where
        assert second.guest.record.jobs.depth == 0 and second.guest.record._failure is None, where
        if not second.done:
            assert second.guest.shutdown(30), where
        assert len(second.done) == 1
        first.cancel()
        assert first.shutdown(30)
        host.close()
    assert number > 2 * STEP


def test_a_second_ctrl_c_hits_code_of_asyncios_run_in_a_dialog_of_trios(drive):
    """There Trio waits for its task, and what stands in the way is the other run's own code, maybe without an end."""
    triohelp = pytest.importorskip("triohelp")
    host, seen = QueueHost(drive), []

    async def code():
        while not is_open:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.001)
        try:
            while len(seen) < 10:
                seen.append("pressed")
                signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            is_open.clear()

    async def dialog():
        is_open.append(True)
        while is_open and len(seen) < 10:
            host.run_once(1)

    is_open = []
    first = asyncguest.Guest(host)
    first.start(code)
    second = triohelp.start(dialog, host=host)
    helpers.host_until(helpers.Run(host=host), lambda: first.state == second.state == "ended")
    assert seen == ["pressed"] * 2
    host.close()


class Window(LoopHost, QueueHost):
    """A toolkit whose main loop Ctrl-C ends by way of `quit`."""

    def __init__(self):
        QueueHost.__init__(self, "thread")
        LoopHost.__init__(self)

    def run(self):
        return self.run_mainloop(super().run, self.stop)


@pytest.mark.parametrize("library", [OfAsyncio, OfTrio])
def test_a_host_that_wants_ctrl_c_between_its_guests_has_it(library):
    def main():
        run.guest.shutdown()
        seen.append(signal.getsignal(signal.SIGINT))
        host.stop()

    seen = []
    host = Window()
    run = library(host)
    host.post(main)
    host.run()
    assert seen == [host._interrupted] and len(run.done) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    host.close()


@pytest.mark.parametrize("library", [OfAsyncio, OfTrio])
def test_a_handler_that_is_put_back_after_the_run_is_as_pythons_own(library):
    """As prompt_toolkit does it, which saves what it finds."""
    host = QueueHost("thread")
    run = library(host)
    saved = signal.getsignal(signal.SIGINT)
    assert saved is not signal.default_int_handler
    assert run.guest.shutdown(30)
    host.close()
    gone = weakref.ref(run.guest)
    del run, host
    signal.signal(signal.SIGINT, saved)
    try:
        gc.collect()
        assert gone() is None
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("presses", (1, 2))
def test_what_comes_while_one_of_two_runs_ends_is_for_the_other(drive, presses):
    """And what that one does not take is an exception, behind the end of the first one."""

    class Presses(QueueHost):
        def detached(self, guest):
            if guest is first.guest:
                for _ in range(presses):
                    signal.raise_signal(signal.SIGINT)
            super().detached(guest)

    host = Presses(drive)
    first, second = OfAsyncio(host), OfAsyncio(host)
    assert first.guest.shutdown() and len(first.done) == 1
    helpers.host_until(helpers.Run(host=host), lambda: second.done, 2)
    assert second.done[0].cancelled() and second.guest.interrupted_count == 1
    host.close()
