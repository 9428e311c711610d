"""USERS 29: nothing starts inside the click handler. Here: the flag is set before the handler returns."""

from __future__ import annotations

import asyncio
import sys

import asyncguest
import pytest
from helpers import Run, host_until, settle


def test_the_button_is_disabled_when_the_handler_returns(drive: str) -> None:
    """So a second click cannot begin the same work again, however fast it comes."""
    enabled = [True]
    downloads: list[int] = []
    end = asyncio.Event()

    async def download() -> None:
        enabled[0] = False
        try:
            await asyncio.sleep(0.002)
            downloads.append(1)
        finally:
            enabled[0] = True

    run = Run(drive)
    run.start(end.wait)
    settle(run)
    refused: list[int] = []

    def click() -> None:
        if not enabled[0]:
            refused.append(1)
            return
        run.guest.start_soon(download)
        assert enabled[0] is False, "nothing has begun when the handler returns"

    for _ in range(5):
        run.host.post(click)
    host_until(run, lambda: downloads and enabled[0])
    assert len(downloads) == 1 and len(refused) == 4
    end.set()
    run.finish()


def test_an_eager_start_within_an_eager_start(drive: str) -> None:
    order: list[str] = []
    end = asyncio.Event()
    run = Run(drive)
    run.start(end.wait)
    settle(run)

    async def inner() -> None:
        order.append("inner")
        await asyncio.sleep(0)
        order.append("inner again")

    async def outer() -> None:
        order.append("outer")
        task = run.guest.start_soon(inner)
        order.append("outer goes on")
        await task

    task = run.guest.start_soon(outer)
    assert order == ["outer", "inner", "outer goes on"]
    host_until(run, task.done)
    assert order[-1] == "inner again"
    end.set()
    run.finish()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="CPython 3.12 is the first that has eager tasks")
@pytest.mark.parametrize("how", ["create_task", "start_soon"])
def test_an_eager_factory_in_the_hosts_code_finds_the_guests_state(drive: str, how: str) -> None:
    """Also if there is another guest, whose loop is the one that host code finds."""

    def eager() -> asyncguest.EventLoop:
        loop = asyncguest.EventLoop()
        loop.set_task_factory(asyncio.eager_task_factory)
        return loop

    async def look() -> None:
        found.append(
            (asyncio.get_running_loop(), asyncio.current_task(), sys.get_asyncgen_hooks().firstiter is not None)
        )
        await asyncio.sleep(0)

    found: list[tuple[object, object, bool]] = []
    ends = asyncio.Event(), asyncio.Event()
    first = Run(drive)
    second = Run(host=first.host, loop_factory=eager)
    first.start(ends[0].wait)
    second.start(ends[1].wait)
    settle(first)
    settle(second)
    loop = second.guest.loop
    task = loop.create_task(look()) if how == "create_task" else second.guest.start_soon(look, eager=False)
    assert found == [(loop, task, True)]
    assert asyncio.get_running_loop() is first.guest.loop
    for end in ends:
        end.set()
    host_until(first, lambda: first.done and second.done)
    first.finish()
