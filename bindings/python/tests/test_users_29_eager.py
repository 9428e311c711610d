"""USERS 29: nothing starts inside the click handler. Here: the flag is set before the handler returns."""

from __future__ import annotations

import asyncio

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
