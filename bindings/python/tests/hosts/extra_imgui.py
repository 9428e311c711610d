"""What is Dear ImGui's own: an idle window that is woken, and a runner that is found.

Owns: nothing. Each function is a scenario on the stage of `stage_imgui`.
"""

from __future__ import annotations

import asyncio
import gc
from typing import Any

from scenarios_end import stay
from scenarios_wake import be_woken
from stages import Run


def an_idle_window_is_woken(stage: Any) -> None:
    """Its runner draws twice in a minute; each of a hundred wakes is served."""
    stage.fps_idle = 1 / 30
    stage.play(be_woken, stage, 100)


def start_finds_the_runner(stage: Any) -> None:
    """While it runs, also if the program has made no host; that it has one, also before."""
    from asyncguest.hosts.imgui import ImguiHost, find

    seen: list[Any] = []

    def look() -> None:
        stage.host = None
        gc.collect()
        seen.append(find())
        stage.quit()

    found = find()
    assert found is not None and not found.running and found.make() is stage.host
    del found
    stage.later(0.02, look)
    stage.prepare()
    stage.runner.run(stage.params)
    assert seen[0].running and type(seen[0].make()) is ImguiHost
    del seen[:]
    gc.collect()
    assert find() is None


def the_window_is_there_at_the_end(stage: Any) -> None:
    """A guest's clean-up may look at it."""
    seen: list[bool] = []

    async def main() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            seen.append(stage.runner.is_using_hello_imgui())

    run = Run(stage, main, then=stay)
    stage.later(0.05, stage.close_window)
    stage.run()
    assert run.guest.state == "ended" and seen == [True]


EXTRA = {
    function.__name__: function
    for function in (
        an_idle_window_is_woken,
        start_finds_the_runner,
        the_window_is_there_at_the_end,
    )
}
