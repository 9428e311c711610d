"""Contract point 2: when the call returns, the main task has reached its first await; done_callback comes later."""

from __future__ import annotations

import asyncio
import sys

import asyncguest
import pytest
from helpers import Run


def test_the_task_has_reached_its_first_await(drive: str) -> None:
    steps = []

    async def main() -> None:
        steps.append("first")
        await asyncio.sleep(0)
        steps.append("second")

    run = Run(drive)
    run.start(main)
    assert steps == ["first"]
    run.finish()
    assert steps == ["first", "second"]


def test_the_first_step_sees_the_finished_world(drive: str) -> None:
    seen = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        seen.append(loop.is_running() and loop is asyncguest.current_guest().loop)
        seen.append(asyncio.current_task() is asyncguest.current_guest().task)
        seen.append(asyncio.current_task() in asyncio.all_tasks())
        await asyncio.sleep(0)

    run = Run(drive)
    run.start(main)
    assert seen == [True, True, True]
    run.finish()


@pytest.mark.parametrize("outcome", ["result", "error", "cancelled", "exit"])
def test_done_callback_is_not_called_inside_even_if_the_task_is_done(drive: str, outcome: str) -> None:
    async def main() -> str:
        if outcome == "error":
            raise ValueError("at once")
        if outcome == "cancelled":
            raise asyncio.CancelledError
        if outcome == "exit":
            raise SystemExit(3)
        return outcome

    run = Run(drive)
    task = run.start(main)  # Run fails if the callback comes inside
    assert task.done() and not run.done
    assert run.guest.state != "ended"
    if outcome == "result":
        assert run.finish() == "result"
    else:
        expected = {"error": ValueError, "cancelled": asyncio.CancelledError, "exit": SystemExit}[outcome]
        with pytest.raises(expected):
            run.finish()
    assert run.done == [task]


def test_the_guest_is_usable_when_it_returns(drive: str) -> None:
    called = []

    async def main(release: asyncio.Event) -> str:
        await release.wait()
        return "released"

    run = Run(drive)
    release = asyncio.Event()
    run.start(main, release)
    run.guest.loop.call_soon(called.append, "soon")
    run.guest.loop.call_later(0.001, lambda: (called.append("later"), release.set()))
    assert run.finish() == "released"
    assert called == ["soon", "later"]


def test_callbacks_of_the_first_step_wait_for_the_host(drive: str) -> None:
    """Only the main task's step runs inside the call: what it queued comes with the host's first delivery."""
    called = []

    async def main() -> None:
        asyncio.get_running_loop().call_soon(called.append, "queued")
        await asyncio.sleep(0.001)

    run = Run(drive)
    run.start(main)
    assert called == []
    run.finish()
    assert called == ["queued"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_an_eager_task_factory_does_not_make_a_second_step(drive: str) -> None:
    """The factory has run the first step already; what that step queued is not it."""
    steps = []

    def factory() -> asyncguest.EventLoop:
        loop = asyncguest.EventLoop()
        loop.set_task_factory(asyncio.eager_task_factory)
        return loop

    async def main() -> None:
        steps.append("first")
        await asyncio.sleep(0)
        steps.append("second")

    run = Run(drive, loop_factory=factory)
    run.start(main)
    assert steps == ["first"]
    run.finish()
    assert steps == ["first", "second"]
