"""Dialogs that are awaited, on each toolkit that has some which the package knows: nobody's code stands in a nested loop."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import asyncguest
from asyncguest import SourceGone, dialog
from scenarios import scenario
from scenarios_events import play, raises
from stages import Stage


async def until_open(kit: Any, window: Any) -> None:
    while not kit.is_shown(window):
        await asyncio.sleep(0.001)


@scenario("kit")
def a_dialog_is_awaited(stage: Stage) -> None:
    """No delivery stands in it; others go on; nobody else has to hold it."""

    async def main(kit: Any) -> None:
        ticks = []

        async def tick() -> None:
            while True:
                ticks.append(1)
                await asyncio.sleep(0.001)

        ticking = asyncio.create_task(tick())
        box = kit.make_dialog()
        alive = weakref.ref(box)
        task = asyncio.create_task(dialog(box))
        await until_open(kit, box)
        del box
        gc.collect()
        assert asyncguest.current_guest().loop.depth == 1
        before = len(ticks)
        while len(ticks) < before + 3:
            await asyncio.sleep(0.001)
        kit.agree(alive())
        assert await task == kit.agreed
        ticking.cancel()
        await asyncio.wait([ticking])

    play(stage, main)


@scenario("kit")
def a_dialog_is_closed_when_its_task_is_cancelled(stage: Stage) -> None:
    async def main(kit: Any) -> None:
        box = kit.make_dialog()
        task = asyncio.create_task(dialog(box))
        await until_open(kit, box)
        task.cancel()
        await raises(asyncio.CancelledError, task)
        while kit.is_open(box):
            await asyncio.sleep(0.001)
        box = kit.make_dialog()
        await raises(TimeoutError, asyncio.wait_for(dialog(box), 0.02))
        while kit.is_open(box):
            await asyncio.sleep(0.001)

    play(stage, main)


@scenario("kit")
def a_dialog_over_a_dialog(stage: Stage) -> None:
    """By two tasks of two guests, which end from the inside out."""

    async def main(kit: Any) -> None:
        one, other = kit.make_dialog(), kit.make_dialog()
        first = asyncio.create_task(dialog(one))
        await until_open(kit, one)
        second = asyncio.create_task(dialog(other))
        await until_open(kit, other)
        kit.agree(other)
        assert await second == kit.agreed
        assert not first.done()
        kit.agree(one)
        assert await first == kit.agreed

    play(stage, main)


@scenario("kit", "dialog")
def a_dialog_is_awaited_behind_another_one(stage: Stage) -> None:
    """One of the toolkit's own, in which a task stands in a nested loop."""

    async def main(kit: Any) -> None:
        box = kit.make_dialog()

        async def ask() -> Any:
            return await dialog(box)

        async def agree() -> None:
            await until_open(kit, box)
            kit.agree(box)

        tasks = [asyncio.create_task(each()) for each in (ask, agree)]
        while not all(task.done() for task in tasks):
            assert stage.dialog is not None
            stage.dialog(0.1)
            await asyncio.sleep(0)
        assert tasks[0].result() == kit.agreed

    play(stage, main)


@scenario("kit")
def a_dialog_is_destroyed(stage: Stage) -> None:
    """Without a result: SourceGone. In Tk that is how each ends, and wx gives it a result."""

    async def main(kit: Any) -> None:
        box = kit.make_dialog()
        task = asyncio.create_task(dialog(box))
        await until_open(kit, box)
        kit.destroy(box)
        if kit.destroyed is SourceGone:
            await raises(SourceGone, task)
        else:
            assert await task == kit.destroyed
        while kit.is_going(box):
            await asyncio.sleep(0.001)
        await raises(RuntimeError, dialog_of(box))

    async def dialog_of(box: Any) -> Any:
        return await dialog(box)

    play(stage, main)


@scenario("kit")
def what_is_no_dialog_is_refused(stage: Stage) -> None:
    async def main(kit: Any) -> None:
        for thing in (kit.make_button(), object(), None):
            try:
                dialog(thing)
            except TypeError as error:
                assert "is no dialog that can be waited for" in str(error)
            else:
                raise AssertionError(f"{thing!r} was taken")

    play(stage, main)
