"""USERS 20: the clean-up does not freeze the window: `finally: await sleep(...)` and a blocked executor job."""

from __future__ import annotations

import asyncio
import threading

from helpers import Run


def test_the_window_lives_on_during_the_clean_up(drive):
    """Each step of it ends when the host has had some turns meanwhile: one that kept them to itself would last for ever."""
    run, ends, turns = Run(drive, debug=False), [asyncio.Event(), asyncio.Event(), threading.Event()], 0

    async def side():
        try:
            await asyncio.sleep(600)
        finally:
            await ends[0].wait()

    async def generator():
        try:
            yield
        finally:
            await ends[1].wait()

    async def main():
        loop = asyncio.get_running_loop()
        loop.create_task(side())
        main.generator = generator()
        await anext(main.generator)
        loop.run_in_executor(None, ends[2].wait)
        await asyncio.sleep(0)

    run.start(main)
    while not run.done:
        run.host.run_once(0.005)  # as a window that is dragged
        if run.guest.state == "ending":
            turns += 1
            if turns % 5 == 0 and turns <= 15:
                ends[turns // 5 - 1].set()
    run.host.close()
    del main.generator
    assert turns >= 15


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
