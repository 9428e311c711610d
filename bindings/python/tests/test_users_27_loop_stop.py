"""USERS 27: loop.stop() spins or is ignored in guests. Here it is defined: it ends the run, as guest.cancel() does."""

from __future__ import annotations

import asyncio

import pytest
from helpers import Run, settle


@pytest.mark.parametrize("by", ["callback", "task", "timer", "host", "other thread", "twice", "signal"])
def test_it_ends_the_run_with_its_clean_up(drive: str, by: str) -> None:
    import os
    import signal
    import threading

    ended: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        if by == "callback":
            loop.call_soon(loop.stop)
        elif by == "timer":
            loop.call_later(0.001, loop.stop)
        elif by == "task":
            loop.stop()
        elif by == "signal":
            loop.add_signal_handler(signal.SIGTERM, loop.stop)
            os.kill(os.getpid(), signal.SIGTERM)
        try:
            await loop.create_future()
        except asyncio.CancelledError as error:
            ended.append(str(error))
            await asyncio.sleep(0.001)
            ended.append("finally")
            raise

    run = Run(drive)
    run.start(main)
    loop = run.guest.loop
    if by in ("host", "other thread", "twice"):
        settle(run)
    if by in ("host", "twice"):
        loop.stop()
    if by == "twice":
        loop.stop()
    if by == "other thread":
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(loop.stop,))
        thread.start()
        thread.join()
    with pytest.raises(asyncio.CancelledError):
        run.finish()
    assert ended == ["the loop was stopped", "finally"]


def test_a_main_task_that_resists_goes_on(drive: str) -> None:
    """Cancellation can be refused, here as with task.cancel(); nothing spins meanwhile."""

    async def main() -> str:
        loop = asyncio.get_running_loop()
        loop.stop()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
        await asyncio.sleep(0.01)
        return "went on"

    run = Run(drive)
    run.start(main)
    assert run.finish() == "went on"
    assert run.guest.stats().batches < 20, "it span"


def test_during_the_clean_up_it_does_nothing(drive: str) -> None:
    async def side() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            asyncio.get_running_loop().stop()
            await asyncio.sleep(0.001)
            ended.append("side")

    ended: list[str] = []

    async def main() -> str:
        main.task = asyncio.create_task(side())  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        return "result"

    run = Run(drive)
    run.start(main)
    assert run.finish() == "result" and ended == ["side"]
