"""Contract point 9: a second run inside guest code raises RuntimeError, as in plain asyncio, and harms nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import asyncguest
import pytest
from helpers import Run, run_anywhere, settle


async def nothing() -> None:
    raise AssertionError("it ran")


def runners() -> dict[str, Callable[[Coroutine[None, None, None]], object]]:
    return {
        "asyncio.run": asyncio.run,
        "asyncguest.run": asyncguest.run,
        "run_until_complete": lambda coro: asyncio.get_running_loop().run_until_complete(coro),
        "run_forever": lambda coro: (coro.close(), asyncio.get_running_loop().run_forever()),
        "another loop's": another_loop,
        "another EventLoop's": another_event_loop,
    }


def another_loop(coro: Coroutine[None, None, None]) -> None:
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(coro)
    finally:
        loop.close()


def another_event_loop(coro: Coroutine[None, None, None]) -> None:
    loop = asyncguest.EventLoop()
    try:
        loop.run_until_complete(coro)
    finally:
        loop.close()


@pytest.mark.parametrize("how", runners())
def test_inside_guest_code(where: str, how: str) -> None:
    async def main() -> str:
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        coro = nothing()
        with pytest.raises(RuntimeError):
            runners()[how](coro)
        coro.close()  # plain asyncio leaves it to the caller too
        assert asyncio.get_running_loop() is loop and loop.is_running()
        assert asyncio.current_task() is not None
        await asyncio.sleep(0.001)
        return "unharmed"

    assert run_anywhere(where, main) == "unharmed"


@pytest.mark.parametrize("how", runners())
def test_between_the_deliveries_of_a_plain_host(drive: str, how: str) -> None:
    """The guest is the running loop there too, so the same holds."""

    async def main() -> str:
        await release.wait()
        return "unharmed"

    release = asyncio.Event()
    run = Run(drive)
    run.start(main)
    settle(run)
    coro = nothing()
    with pytest.raises(RuntimeError):
        runners()[how](coro)
    coro.close()
    assert asyncio.get_running_loop() is run.guest.loop
    release.set()
    assert run.finish() == "unharmed"


@pytest.mark.parametrize("step", ["process_ready", "close", "run_forever"])
def test_the_loop_of_a_guest_cannot_be_driven_or_closed_by_hand(drive: str, step: str) -> None:
    async def main() -> str:
        with pytest.raises(RuntimeError):
            getattr(asyncio.get_running_loop(), step)()
        await release.wait()
        return "unharmed"

    release = asyncio.Event()
    run = Run(drive)
    run.start(main)
    settle(run)
    with pytest.raises(RuntimeError):
        getattr(run.guest.loop, step)()
    release.set()
    assert run.finish() == "unharmed"


def test_in_another_thread_it_is_allowed(where: str) -> None:
    """As in plain asyncio: what counts is the thread."""

    async def other() -> str:
        await asyncio.sleep(0.001)
        return "other"

    async def main() -> tuple[str, str]:
        loop = asyncio.get_running_loop()
        return (
            await loop.run_in_executor(None, lambda: asyncio.run(other())),
            await loop.run_in_executor(None, lambda: asyncguest.run(other())),
        )

    assert run_anywhere(where, main) == ("other", "other")
