"""What is urwid's own: an exception that ends its loop, and event loops that are those of other hosts.

Owns: nothing. Each function is a scenario on the stage of `stage_urwid`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncguest
from stages import Run


def done_callback_raises_exit_main_loop(stage: Any) -> None:
    """It is the way to end that loop, and no error."""

    def then(task: Any) -> None:
        raise stage.urwid.ExitMainLoop

    for _ in range(2):  # the loop can run again
        run = Run(stage, asyncio.sleep, 0.02, "done", then=then)
        stage.run()
        assert run.result() == "done"
        stage.runs.clear()
    # And when the loop has ended before.
    run = Run(stage, asyncio.sleep, 3600, then=then)
    stage.later(0.02, stage.quit)
    stage.run()
    assert run.guest.state == "ended" and run.done[0].cancelled()


def what_the_guest_writes_is_drawn(stage: Any) -> None:
    """Without any event of urwid's own: by what follows a delivery."""
    stage.moving = False

    async def main() -> None:
        await asyncio.sleep(0.05)
        # No letters of a terminal's own sequences in a row. What a line begins with like the one before is not sent again.
        for word in ("drawn", "by", "itself"):
            stage.line.set_text(word)
            while word.encode() not in stage.sent:  # or it hangs
                await asyncio.sleep(0.005)

    stage.play(main)


def a_handler_raises_and_the_loop_ends(stage: Any) -> None:
    """The guest's clean-up has run before it comes out."""
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
    stage.click(fail)
    try:
        stage.run()
    except ZeroDivisionError:
        order.append("came out")
    assert order == ["clean-up", "done", "came out"], order


def one_guest_ends_the_others_in_the_same_round(stage: Any) -> None:
    """All are due at once: urwid has the fds of the others in its hand when they are forgotten."""
    first: list[Run] = []

    def all_due() -> None:
        for run in runs:
            run.guest.loop.call_soon_threadsafe(end_others, run)

    def end_others(mine: Run) -> None:
        if first:
            return
        first.append(mine)
        for run in runs:
            if run is not mine:
                run.guest.shutdown()
        mine.guest.cancel()

    runs = [Run(stage, asyncio.sleep, 3600) for _ in range(3)]
    stage.later(0.02, all_due)
    stage.run()
    assert [len(run.done) for run in runs] == [1, 1, 1]


def other_loops_are_other_hosts(stage: Any) -> None:
    """The message names them."""
    from asyncguest.hosts.urwid import UrwidHost
    from urwid import AsyncioEventLoop, MainLoop, TornadoEventLoop

    loop = asyncio.new_event_loop()
    for events, wanted in ((AsyncioEventLoop(loop=loop), "AsyncioHost()"), (TornadoEventLoop, "TornadoHost()")):
        made = MainLoop(stage.line, screen=stage.loop.screen)
        made.event_loop = events if not isinstance(events, type) else events.__new__(events)
        try:
            UrwidHost(made)
        except asyncguest.GuestError as error:
            assert wanted in str(error), error
        else:
            raise AssertionError("it was taken")
    loop.close()
    for wrong in (None, stage.line, MainLoop):
        try:
            UrwidHost(wrong)
        except TypeError as error:
            assert "loop must be an urwid.MainLoop" in str(error)
        else:
            raise AssertionError("it was taken")


EXTRA = {
    function.__name__: function
    for function in (
        done_callback_raises_exit_main_loop,
        what_the_guest_writes_is_drawn,
        a_handler_raises_and_the_loop_ends,
        one_guest_ends_the_others_in_the_same_round,
        other_loops_are_other_hosts,
    )
}
