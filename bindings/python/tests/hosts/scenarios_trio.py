"""Trio as a guest: what is its own. What it shares with asyncio's guests is beside theirs, `libraries=BOTH`."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncguest
from asyncguest import SourceGone, dialog, event, events
from scenarios import scenario
from stages import Run, Stage

TRIO = ("trio",)


@scenario("close_window", libraries=TRIO)
def trio_that_is_never_idle_does_not_freeze_the_window(stage: Stage) -> None:
    clicked: list[int] = []

    async def main() -> list[int]:
        while len(stage.frames) < 12:  # the first ones are a toolkit's slowest
            await stage.library.sleep(0.02)
        count = stage.library.deliveries
        (run,) = stage.runs
        before, deliveries = len(stage.frames), [count(run.guest)]
        if stage.click is not None:
            stage.click(lambda: clicked.append(1))
        # Never idle: what does not come now never comes.
        while len(deliveries) <= 20 or (stage.click is not None and not clicked):
            await stage.library.sleep(0)
            if len(stage.frames) - before >= len(deliveries):
                deliveries.append(count(run.guest))
        return sorted(later - earlier for earlier, later in zip(deliveries, deliveries[1:]))

    between = stage.play(main)
    assert between[len(between) // 2] <= 20, f"deliveries of the guest between two frames: {between}"


@scenario(libraries=TRIO)
def trio_and_asyncio_share_the_host(stage: Stage) -> None:
    """And each start finds the host of the other one."""
    found: list[Any] = []

    async def of_asyncio() -> str:
        for _ in range(5):
            await asyncio.sleep(0.002)
        return "asyncio"

    async def of_trio() -> str:
        found.append(asyncguest.start(of_asyncio))
        for _ in range(5):
            await stage.library.sleep(0.002)
        while found[0].state != "ended":
            await stage.library.sleep(0.002)
        return "trio"

    assert stage.play(of_trio) == "trio"
    assert found[0].host is stage.host and found[0].task.result() == "asyncio"


def play(stage: Any, main: Any) -> Any:
    """`main(kit)` as the main function."""
    return stage.play(main, stage.kit(stage))


@scenario("kit", libraries=TRIO)
def trio_waits_for_emissions(stage: Stage) -> None:
    """Of one, of each, and of a click that is not this process's own call, while the host is idle."""

    async def main(kit: Any) -> None:
        trio = stage.library.trio
        button = kit.make_button()
        assert stage.click is not None
        stage.click(lambda: kit.click(button))
        assert isinstance(await event(*kit.clicks(button)), kit.value)
        with events(*kit.clicks(button)) as stream, events(*kit.clicks(button), keep="latest") as latest:
            for _ in range(3):
                kit.click(button)
            for _ in range(3):
                assert isinstance(await stream.next(), kit.value)
            assert isinstance(await latest.next(), kit.value)
            for each in (stream, latest):
                with trio.move_on_after(0.001) as scope:
                    await each.next()
                assert scope.cancelled_caught
        kit.click(button)

    play(stage, main)


@scenario("kit", libraries=TRIO)
def trio_waits_for_a_sender_that_is_destroyed(stage: Stage) -> None:
    async def main(kit: Any) -> None:
        from trio.testing import wait_all_tasks_blocked

        trio = stage.library.trio
        button = kit.make_button()
        ended: list[str] = []

        async def wait() -> None:
            try:
                await event(*kit.clicks(button))
            except SourceGone:
                ended.append("event")

        with events(*kit.clicks(button)) as stream:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await wait_all_tasks_blocked()
                kit.destroy(button)
            assert [value async for value in stream] == []
        assert ended == ["event"]

    play(stage, main)


@scenario("kit", libraries=TRIO)
def trio_waits_for_a_dialog(stage: Stage) -> None:
    """Other tasks go on; one that is cancelled closes it."""

    async def main(kit: Any) -> None:
        trio = stage.library.trio
        box = kit.make_dialog()
        order: list[str] = []

        async def agree() -> None:
            while not kit.is_shown(box):
                await trio.sleep(0.001)
            order.append("shown")
            kit.agree(box)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(agree)
            answer = await dialog(box)
            order.append("answered")
        assert answer == kit.agreed and order == ["shown", "answered"]
        box = kit.make_dialog()
        with trio.move_on_after(0.02) as scope:
            await dialog(box)
        assert scope.cancelled_caught
        while kit.is_open(box):
            await trio.sleep(0.001)

    play(stage, main)


@scenario("dialog", "later", libraries=TRIO)
def trio_stands_still_in_a_dialog_of_the_toolkit(stage: Stage) -> None:
    """And goes on after it; a guest of asyncio goes on behind it."""

    async def main() -> None:
        trio = stage.library.trio
        ticks: list[int] = []
        of_asyncio: list[int] = []

        async def tick() -> None:
            while True:
                ticks.append(1)
                await trio.sleep(0)

        async def tick_beside() -> None:
            while True:
                of_asyncio.append(1)
                await asyncio.sleep(0.01)

        beside = asyncguest.start(tick_beside)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tick)
            await trio.sleep(0.01)
            assert stage.dialog is not None
            moved = 0
            while not moved:  # it hangs if asyncio's guest never goes on behind one
                before, before_of_asyncio = len(ticks), len(of_asyncio)
                stage.dialog(0.2)
                assert len(ticks) == before
                moved = len(of_asyncio) - before_of_asyncio
            while len(ticks) < before + 3:
                await trio.sleep(0)
            nursery.cancel_scope.cancel()
        beside.cancel()
        while beside.state != "ended":
            await trio.sleep(0.002)

    stage.play(main)


@scenario(notes=("done", "done"), libraries=TRIO)
def trio_a_second_time(stage: Stage) -> None:
    """When the first run has ended, `done_callback` may start another one."""

    async def main(name: str) -> str:
        await stage.library.sleep(0.002)
        return name

    def first() -> None:
        Run(stage, main, "first", then=lambda _: Run(stage, main, "second"))

    stage.enter(first)
    assert [run.result() for run in stage.runs] == ["first", "second"]
