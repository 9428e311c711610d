"""Handlers that somebody overrides for a while and puts back exactly as they were: the loop's and Ctrl-C work again."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal

import asyncguest
import pytest
from helpers import Dialog, Run, run_guest

WAYS = {
    "alone": lambda main: asyncguest.run(main()),
    "fd": lambda main: run_guest(main, drive="fd"),
    "thread": lambda main: run_guest(main, drive="thread"),
}


@pytest.fixture(params=WAYS)
def played(request):
    """Plays an async function alone, or as a guest."""
    return WAYS[request.param]


@pytest.fixture(autouse=True)
def can_be_interrupted():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts its background without Ctrl-C
    yield
    signal.signal(signal.SIGINT, before)


def by_python(sig, during=bool):
    others = []
    old = signal.signal(sig, lambda *_: others.append(sig))
    during()
    signal.signal(sig, old)
    return others


def by_ignoring(sig, during=bool):
    old = signal.signal(sig, signal.SIG_IGN)
    during()
    signal.signal(sig, old)


def by_c(sig, during=bool):
    libc = ctypes.CDLL(None)
    saved, ignored = ctypes.create_string_buffer(256), ctypes.create_string_buffer(256)
    ignored[: ctypes.sizeof(ctypes.c_void_p)] = bytes(ctypes.c_void_p(1))  # sa_handler comes first: SIG_IGN
    assert libc.sigaction(int(sig), ignored, saved) == 0
    during()
    assert libc.sigaction(int(sig), saved, None) == 0


def kill(sig):
    os.kill(os.getpid(), sig)


class Heard(list):
    """What a loop's handler was called with."""

    def __init__(self):
        super().__init__()
        self._more = asyncio.Event()

    def __call__(self, what):
        self.append(what)
        self._more.set()

    async def one(self, sig):
        """Sends a signal, and waits until the handler was called; then all that was queued has run."""
        self._more.clear()
        kill(sig)
        await self._more.wait()
        await asyncio.sleep(0)


@pytest.mark.parametrize("override", (by_python, by_ignoring, by_c))
@pytest.mark.parametrize("sig", (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT))
def test_a_handler_of_the_loop(played, sig, override):
    async def main():
        loop, heard = asyncio.get_running_loop(), Heard()
        loop.add_signal_handler(sig, heard, "loop")
        await heard.one(sig)
        for _ in range(3):
            override(sig)
            await heard.one(sig)
            await heard.one(sig)
        assert loop.remove_signal_handler(sig)
        return heard

    assert played(main) == ["loop"] * 7


def test_what_comes_meanwhile_is_for_the_other(played):
    async def main():
        loop, heard = asyncio.get_running_loop(), Heard()
        loop.add_signal_handler(signal.SIGTERM, heard, "loop")
        others = by_python(signal.SIGTERM, lambda: kill(signal.SIGTERM))
        await heard.one(signal.SIGTERM)
        return heard, others

    assert played(main) == (["loop"], [signal.SIGTERM])


def test_two_loops_that_listen(drive):
    runs, heard = [Run(drive), Run(drive)], []

    async def main(number):
        came = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: (heard.append(number), came.set()))
        await came.wait()

    for number, run in enumerate(runs):
        run.start(main, number)
    by_python(signal.SIGUSR1)
    kill(signal.SIGUSR1)
    for run in runs:
        run.finish()
    assert sorted(heard) == [0, 1]


def test_the_override_lasts_longer_than_the_run(played):
    async def main():
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, int)
        return signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    before = signal.getsignal(signal.SIGUSR1)
    try:
        signal.signal(signal.SIGUSR1, played(main))
        kill(signal.SIGUSR1)  # for nobody
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("override", (by_python, by_ignoring, by_c))
def test_ctrl_c_of_a_run(drive, override):
    run = Run(drive)

    async def main():
        override(signal.SIGINT)
        kill(signal.SIGINT)
        await asyncio.sleep(3600)

    run.start(main)
    with pytest.raises(asyncio.CancelledError):
        run.finish()
    assert run.guest.interrupted_count == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_after_its_default_was_put_back(drive):
    """Somebody who knows nothing of the run resets SIGINT: it interrupts as in any program, and the run ends by it."""
    run = Run(drive)

    async def main():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        await asyncio.sleep(0)
        kill(signal.SIGINT)
        await asyncio.sleep(3600)

    run.start(main)
    with pytest.raises((asyncio.CancelledError, KeyboardInterrupt)):
        run.finish()


def test_during_a_dialog(drive):
    run, heard = Run(drive), []

    async def main():
        dialog = Dialog(run.host)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: (heard.append(1), dialog.close()))
        by_python(signal.SIGUSR1)
        kill(signal.SIGUSR1)
        dialog.show()

    run.start(main)
    run.finish()
    assert heard == [1]
