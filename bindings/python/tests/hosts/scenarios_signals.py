"""Signal handlers that somebody overrides for a while and puts back: the loop's, and Ctrl-C of the run."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable

from console import SPARE, kill
from scenarios import scenario
from stages import Stage


def override(sig: int) -> None:
    """As a library does it that wants a signal for a while: one comes meanwhile, which is for its own handler."""
    others: list[int] = []
    old = signal.signal(sig, lambda signum, frame: others.append(signum))
    kill(sig)
    while not others:
        pass
    assert signal.signal(sig, old) is not None and others == [sig]


class Heard:
    """A loop's handler, and what it was called for."""

    def __init__(self) -> None:
        self.count = 0
        self._came = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._came.set()

    async def one(self, send: Callable[[], object]) -> None:
        self._came.clear()
        send()
        await self._came.wait()
        await asyncio.sleep(0)


@scenario()
def a_signal_handler_is_overridden_for_a_while(stage: Stage) -> None:
    """The next one is the loop's again, and the one after that: sent by guest code, and by a thread while all is idle."""

    async def main() -> int:
        loop, heard = asyncio.get_running_loop(), Heard()
        loop.add_signal_handler(SPARE, heard)
        await heard.one(lambda: kill(SPARE))
        by_guest, by_thread = (
            lambda: kill(SPARE),
            lambda: threading.Timer(0.05, kill, (SPARE,)).start(),
        )
        for send in (by_guest, by_thread, by_guest):
            override(SPARE)
            await heard.one(send)
            await heard.one(by_thread)
        assert loop.remove_signal_handler(SPARE)
        return heard.count

    stage.moving = False
    assert stage.play(main) == 7
    assert signal.getsignal(SPARE) is signal.SIG_DFL


@scenario("ctrl_c", notes=("clean-up", "done", "cancelled"))
def ctrl_c_while_all_is_idle_after_an_override(stage: Stage) -> None:
    before = signal.getsignal(signal.SIGINT)

    async def main() -> None:
        override(signal.SIGINT)
        threading.Timer(0.1, kill, (signal.SIGINT,)).start()
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            stage.note("clean-up")

    stage.moving = False
    try:
        stage.play(main)
    except asyncio.CancelledError:
        stage.note("cancelled")
    assert stage.runs[0].guest.interrupted_count == 1
    assert signal.getsignal(signal.SIGINT) is before
