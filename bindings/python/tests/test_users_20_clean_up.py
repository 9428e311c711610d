"""USERS 20: the clean-up does not freeze the window: `finally: await sleep(...)` and a blocked executor job."""

from __future__ import annotations

import asyncio
import threading

import pytest
from helpers import Run

PATIENCE = 0.3  # USERS says two seconds; what freezes for one, freezes for the other


@pytest.mark.slow
def test_the_window_lives_on_during_the_clean_up(drive):
    run, release, beats = Run(drive, debug=False), threading.Event(), 0

    async def side():
        try:
            await asyncio.sleep(600)
        finally:
            await asyncio.sleep(PATIENCE)

    async def generator():
        try:
            yield
        finally:
            await asyncio.sleep(PATIENCE / 3)

    async def main():
        loop = asyncio.get_running_loop()
        loop.create_task(side())
        main.generator = generator()
        await anext(main.generator)
        loop.run_in_executor(None, release.wait)
        await asyncio.sleep(0)

    run.start(main)
    timer = threading.Timer(2 * PATIENCE, release.set)
    timer.start()
    states = set()
    while not run.done:
        run.host.run_once(0.005)  # as a window that is dragged
        states.add(run.guest.state)
        beats += 1
    timer.join()
    run.host.close()
    del main.generator
    assert "ending" in states
    assert beats > 20  # a clean-up that blocks would leave one for each of its steps


def test_other_calls_work_during_the_clean_up(drive):
    # The loop of a run that ends is still a loop: handlers may use it until done_callback.
    run, seen = Run(drive), []

    async def side():
        try:
            await asyncio.sleep(600)
        finally:
            await asyncio.sleep(0.05)

    async def main():
        asyncio.get_running_loop().create_task(side())
        await asyncio.sleep(0)

    def handler():
        assert run.guest.state == "ending"
        run.guest.loop.call_soon(seen.append, "soon")
        run.guest.loop.call_later(0.001, seen.append, "later")
        assert run.guest.cancel() is False

    run.start(main)
    while run.guest.state == "running":
        run.host.run_once(1)
    run.host.post(handler)
    run.finish()
    assert seen == ["soon", "later"]
