"""What is pyglet's own: several displays, a loop that exceptions leave, and select().

Owns: nothing. Each function is a scenario on the stage of `stage_pyglet`.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

from extra_threads import nothing_is_found_on_another_thread
from scenarios_end import stay
from scenarios_wake import be_woken
from stages import Run


def two_displays(stage: Any) -> None:
    """Two connections to wait for, beside the guest."""
    import pyglet.display

    second = pyglet.display.Display()
    assert second in pyglet.app.platform_event_loop.select_devices

    async def main() -> int:
        before = len(stage.frames)
        await be_woken(stage, 100)
        while len(stage.frames) < before + 3:  # or it hangs
            await asyncio.sleep(0.005)
        return len(stage.frames) - before

    stage.figures["frames"] = stage.play(main)


def a_handler_raises_and_the_loop_ends(stage: Any) -> None:
    """pyglet sends no `on_exit` then: `host.run` ends the guests."""
    order: list[str] = []

    async def main() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            order.append("clean-up")

    def fail() -> None:
        raise ZeroDivisionError

    Run(stage, main, then=lambda task: order.append("done"))
    stage.later(0.02, fail)
    try:
        stage.run()
    except ZeroDivisionError:
        order.append("came out")
    assert order == ["clean-up", "done", "came out"], order


def the_loop_is_run_again(stage: Any) -> None:
    """The guest of the first time was shut down with it."""
    for _ in range(3):
        run = Run(stage, asyncio.sleep, 3600, then=stay)
        stage.later(0.02, stage.quit)
        stage.run()
        assert run.guest.state == "ended" and len(run.done) == 1
        stage.runs.clear()
    stage.play(asyncio.sleep, 0.01)


def what_was_posted_after_the_loop_holds_nothing(stage: Any) -> None:
    """pyglet keeps a posted event until its loop runs, perhaps for ever; it finds nobody then."""
    stage.play(asyncio.sleep, 0.01)
    stage.host.post(int)
    stage.later(0.01, stage.quit)
    stage.run()  # a host without guests
    stage.host.post(int)
    host = weakref.ref(stage.host)
    stage.runs.clear()
    stage.host = None
    gc.collect()
    assert host() is None
    stage.later(0.01, stage.quit)
    stage.pyglet.app.run(None)


def an_fd_that_select_does_not_know(stage: Any) -> None:
    """It is refused, with what to do, and nothing is left behind."""
    devices = set(stage.pyglet.app.platform_event_loop.select_devices)
    try:
        stage.host.watch(1024, bool)
    except OSError as error:
        assert 'drive="thread"' in str(error)
    else:
        raise AssertionError("select() takes no fd from 1024 on")
    assert devices == stage.pyglet.app.platform_event_loop.select_devices


EXTRA = {
    function.__name__: function
    for function in (
        two_displays,
        a_handler_raises_and_the_loop_ends,
        the_loop_is_run_again,
        what_was_posted_after_the_loop_holds_nothing,
        an_fd_that_select_does_not_know,
        nothing_is_found_on_another_thread,
    )
}
