"""Waiting for what a toolkit tells: `event` and `events`, on each toolkit that the package connects to.

What is the same for each source is in test_comfort_events.py.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import asyncguest
from asyncguest import SourceGone, event, events
from scenarios import scenario
from stages import Run, Stage


def play(stage: Any, main: Callable[[Any], Any]) -> Any:
    """`main(kit)` as the main task."""
    return stage.play(main, stage.kit(stage))


async def raises(kind: type[BaseException], awaitable: Any) -> BaseException:
    """What it raises, which is of that kind."""
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


@scenario("kit")
def one_emission(stage: Stage) -> None:
    """The waiter goes on in the next delivery; what the toolkit gives outlives the emission."""

    async def main(kit: Any) -> None:
        button = kit.make_button()
        order = []

        def click() -> None:
            order.append("emits")
            kit.click(button)
            order.append("has emitted")

        asyncio.get_running_loop().call_soon(click)
        value = await event(*kit.clicks(button), filter=lambda *_: order.append("filter") or True)
        order.append("waiter")
        assert order == ["emits", "filter", "has emitted", "waiter"], order
        assert isinstance(value, kit.value), value

    play(stage, main)


@scenario("kit")
def each_emission(stage: Stage) -> None:
    """Of a stream nothing is missed before the first wait; the latest alone is kept if that is asked for."""

    async def main(kit: Any) -> None:
        button = kit.make_button()
        with events(*kit.clicks(button)) as stream, events(*kit.clicks(button), keep="latest") as latest:
            for _ in range(3):
                kit.click(button)
            for _ in range(3):
                assert isinstance(await stream.next(), kit.value)
            assert isinstance(await latest.next(), kit.value)
            for each in (stream, latest):
                task = asyncio.create_task(each.next())
                await asyncio.sleep(0)
                assert not task.done()  # it has no more
                task.cancel()
                await asyncio.wait([task])
        kit.click(button)

    play(stage, main)


@scenario("kit")
def a_real_click_is_waited_for(stage: Stage) -> None:
    """Not one that this process makes by a call: the waiter is woken while the host is idle."""

    async def main(kit: Any) -> None:
        button = kit.make_button()
        assert stage.click is not None
        stage.click(lambda: kit.click(button))
        await event(*kit.clicks(button))

    play(stage, main)


@scenario("kit")
def the_sender_is_destroyed(stage: Stage) -> None:
    """`event` raises SourceGone, a stream ends; the same if it was destroyed before."""

    async def main(kit: Any) -> None:
        button, other = kit.make_button(), kit.make_button()
        clicks = kit.clicks(button)
        tasks = [asyncio.create_task(event(*clicks)) for _ in range(2)]
        await asyncio.sleep(0)
        with events(*clicks) as stream, events(*kit.clicks(other)) as others:
            kit.click(button)
            assert isinstance(await tasks[0], kit.value)
            assert isinstance(await tasks[1], kit.value)
            waiting = asyncio.create_task(event(*clicks))
            await asyncio.sleep(0)
            kit.destroy(button)
            error = await raises(SourceGone, waiting)
            assert "destroyed" in str(error)
            assert len([value async for value in stream]) == 1
            await raises(SourceGone, stream.next())
            kit.click(other)
            await others.next()  # this one lives

    play(stage, main)


@scenario("kit")
def destroyed_and_cancelled_in_one_go(stage: Stage) -> None:
    """Before the toolkit has told of the end, which PyQt does a round later: it crashes if it is asked to disconnect."""

    async def main(kit: Any) -> None:
        button = kit.make_button()
        tasks = [asyncio.create_task(event(*kit.clicks(button))) for _ in range(3)]
        with events(*kit.clicks(button)) as stream:
            await asyncio.sleep(0)
            kit.destroy(button)
            del button
            for task in tasks:
                task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() or isinstance(task.exception(), SourceGone) for task in tasks)
        del stream
        for _ in range(3):
            gc.collect()
            await asyncio.sleep(0.001)

    play(stage, main)


@scenario("kit")
def a_source_that_was_destroyed_before(stage: Stage) -> None:
    async def main(kit: Any) -> None:
        for _ in range(2):
            try:
                source = kit.dead()
            except RuntimeError as error:  # of PyQt itself
                assert "deleted" in str(error)
            else:
                await raises(SourceGone, event(*source))
                try:
                    with events(*source):
                        raise AssertionError("it is gone")
                except SourceGone:
                    pass

    play(stage, main)


@scenario("kit")
def nobody_who_waits_keeps_a_widget_alive(stage: Stage) -> None:
    """With a storm of collections, in which nothing that waits is lost either."""

    async def main(kit: Any) -> None:
        button, other = kit.make_button(), kit.make_button()
        alive = weakref.ref(button)
        waiting = asyncio.create_task(event(*kit.clicks(button)))
        staying = asyncio.create_task(event(*kit.clicks(other)))
        with events(*kit.clicks(button)) as stream, events(*kit.clicks(button), filter=bool):
            await asyncio.sleep(0)
            for _ in range(5):
                gc.collect()
            assert not waiting.done() and not staying.done()
            kit.destroy(button)
            del button
            await raises(SourceGone, waiting)
            assert [value async for value in stream] == []
        del stream
        for _ in range(5):
            gc.collect()
        assert alive() is None, gc.get_referrers(alive())
        kit.click(other)
        await staying

    play(stage, main)


@scenario("kit")
def what_the_program_has_connected_is_left_alone(stage: Stage) -> None:
    """Before a wait, during it and after it."""

    async def main(kit: Any) -> None:
        button = kit.make_button()
        seen = []
        kit.connect(button, lambda *_: seen.append("before"))
        with events(*kit.clicks(button)) as stream:
            kit.connect(button, lambda *_: seen.append("during"))
            with events(*kit.clicks(button)):
                kit.click(button)
            kit.click(button)
            await stream.next()
            await stream.next()
        kit.click(button)
        assert sorted(seen) == ["before"] * 3 + ["during"] * 3, seen

    play(stage, main)


@scenario("kit")
def a_wait_is_cancelled(stage: Stage) -> None:
    """At each await; what comes then goes nowhere, and what was kept is not lost."""

    async def main(kit: Any) -> None:
        button = kit.make_button()
        task = asyncio.create_task(event(*kit.clicks(button)))
        await asyncio.sleep(0)
        task.cancel()
        await raises(asyncio.CancelledError, task)
        with events(*kit.clicks(button)) as stream:
            task = asyncio.create_task(stream.next())
            await asyncio.sleep(0)
            kit.click(button)
            task.cancel()
            await raises(asyncio.CancelledError, task)
            assert isinstance(await stream.next(), kit.value)
        await raises(TimeoutError, asyncio.wait_for(event(*kit.clicks(button)), 0.01))
        kit.click(button)

    play(stage, main)


@scenario("kit", "dialog")
def waited_for_behind_a_dialog(stage: Stage) -> None:
    """A task that stands in the toolkit's own modal dialog keeps no other from what it waits for."""

    async def main(kit: Any) -> None:
        button = kit.make_button()
        seen = []

        async def count() -> None:
            with events(*kit.clicks(button)) as stream:
                async for _ in stream:
                    seen.append(1)
                    await asyncio.sleep(0.01)

        async def click() -> None:
            while True:
                kit.click(button)
                await asyncio.sleep(0.01)

        tasks = [asyncio.create_task(each()) for each in (count, click)]
        await asyncio.sleep(0)
        assert stage.dialog is not None
        while len(seen) < 6:  # nothing arrives but behind one: else it hangs
            stage.dialog(0.2)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    play(stage, main)


@scenario("kit")
def two_guests_wait_for_one_widget(stage: Stage) -> None:
    """Each goes on in its own loop."""
    kit = stage.kit(stage)  # type: ignore[attr-defined]
    waiting: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        waiting.append(1)
        value = await event(*kit.clicks(button))
        assert asyncio.get_running_loop() is loop and isinstance(value, kit.value)
        assert asyncguest.current_guest().loop is loop
        with events(*kit.clicks(button)) as stream:
            kit.click(button)  # wakes the other one too
            await stream.next()

    runs = []

    def begin() -> None:
        nonlocal button
        button = kit.make_button()
        for _ in range(2):
            runs.append(Run(stage, main))
        kit.click(button)

    button: Any = None
    stage.enter(begin)
    for run in runs:
        run.result()
    assert len(waiting) == 2
