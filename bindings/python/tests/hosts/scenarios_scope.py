"""Slots and scopes on each toolkit that the package connects to: what a click starts, and what ends it with its window.

What is the same for each of them is in test_comfort_slot.py.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

from asyncguest import Scope, SourceGone, slot
from scenarios import scenario
from scenarios_events import play
from stages import Stage


@scenario("kit")
def a_click_starts_a_task_inside_the_click(stage: Stage) -> None:
    """With none of the arguments that it does not take. What it raises is reported, and the next click works."""

    async def main(kit: Any) -> None:
        loop, seen = asyncio.get_running_loop(), []
        errors: asyncio.Queue[Any] = asyncio.Queue()
        loop.set_exception_handler(lambda loop, context: errors.put_nowait(context["exception"]))

        async def clicked(name: str) -> None:
            seen.append(name)
            await asyncio.sleep(0)
            raise ZeroDivisionError(name)

        button = kit.make_button()
        kit.connect(button, slot(clicked, "a"))
        for count in (1, 2):
            kit.click(button)
            assert seen == ["a"] * count  # in the click already
            error = await errors.get()
            assert isinstance(error, ZeroDivisionError)
            del error

    play(stage, main)


@scenario("kit")
def a_slot_does_not_keep_its_object_alive(stage: Stage) -> None:
    """Nor does its task, once it is done, nor one that has failed."""

    class Page:
        def __init__(self, kit: Any) -> None:
            self.count = 0
            self.button = kit.make_button()
            kit.connect(self.button, slot(self.clicked))
            kit.connect(self.button, slot(self.fails))

        async def clicked(self) -> None:
            await asyncio.sleep(0)
            self.count += 1

        async def fails(self) -> None:
            raise ZeroDivisionError

    async def main(kit: Any) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        page = Page(kit)
        button, alive = page.button, weakref.ref(page)
        gc.collect()
        kit.click(button)
        while page.count < 1:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        del page
        for _ in range(5):
            gc.collect()
        assert alive() is None, gc.get_referrers(alive())
        kit.click(button)  # and nothing happens

    play(stage, main)


@scenario("kit")
def tasks_end_with_their_window(stage: Stage) -> None:
    async def main(kit: Any) -> None:
        window, ends = kit.make_window(), []
        scope = Scope(window)

        async def work() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0)
                ends.append(kit.is_open(window))

        tasks = [scope.start_soon(work) for _ in range(2)]
        button = kit.make_button()
        kit.connect(button, slot(work, scope=scope))
        kit.click(button)
        assert not scope.empty
        kit.destroy(window)
        await asyncio.wait(tasks)
        while not scope.empty:
            await asyncio.sleep(0)
        assert ends == [False] * 3, ends
        try:
            scope.start_soon(work)
        except SourceGone as error:
            assert "destroyed" in str(error)
        else:
            raise AssertionError("it started in a scope that has ended")
        kit.click(button)
        assert scope.empty
        try:
            Scope(window)
        except (SourceGone, RuntimeError):
            pass  # RuntimeError: the binding's own
        else:
            raise AssertionError("a scope of a window that is gone")

    play(stage, main)


@scenario("kit")
def a_scope_does_not_keep_its_window_alive(stage: Stage) -> None:
    async def main(kit: Any) -> None:
        window = kit.make_window()
        alive = weakref.ref(window)
        scope = Scope(window, closes=True)
        started = scope.start_soon(asyncio.sleep, 3600)
        gc.collect()
        kit.destroy(window)
        del window
        await asyncio.wait([started])
        assert started.cancelled() and scope.empty
        while gc.collect() or alive() is not None:  # it hangs if somebody does
            await asyncio.sleep(0.001)

    play(stage, main)


@scenario("kit")
def the_close_button_waits_for_the_clean_up(stage: Stage) -> None:
    async def main(kit: Any) -> None:
        window, ends = kit.make_window(), []
        scope = Scope(window, closes=True)
        gate, cancelled = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                cancelled.set()
                await gate.wait()
                ends.append(kit.is_open(window))

        scope.start_soon(work)
        kit.close(window)
        kit.close(window)  # an impatient user
        await cancelled.wait()
        assert kit.is_open(window) and not scope.empty
        try:
            scope.start_soon(work)
        except SourceGone as error:
            assert "being closed" in str(error)
        else:
            raise AssertionError("it started in a window that is being closed")
        gate.set()
        while kit.is_open(window):
            await asyncio.sleep(0.001)
        assert ends == [True] and scope.empty

    play(stage, main)


@scenario("kit")
def a_window_without_tasks_closes_at_once(stage: Stage) -> None:
    async def main(kit: Any) -> None:
        window = kit.make_window()
        scope = Scope(window, closes=True)
        await scope.start_soon(asyncio.sleep, 0)
        kit.close(window)
        while kit.is_open(window):
            await asyncio.sleep(0.001)

    play(stage, main)


@scenario("kit", says="a window was closed after the 0.01 s of its scope's deadline; not finished: slow")
def a_task_that_does_not_end_holds_a_window_until_the_deadline(stage: Stage) -> None:
    async def main(kit: Any) -> None:
        window = kit.make_window()
        scope = Scope(window, closes=True, deadline=0.01)
        gate = asyncio.Event()

        async def work() -> None:
            while not gate.is_set():
                try:
                    await gate.wait()
                except asyncio.CancelledError:
                    pass

        task = scope.start_soon(work, name="slow")
        kit.close(window)
        while kit.is_open(window):
            await asyncio.sleep(0.001)
        gate.set()
        await task

    play(stage, main)
