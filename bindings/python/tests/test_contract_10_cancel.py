"""Contract point 10, third part: cancelling by host code while the guest is idle: tasks, handles, and the run itself."""

from __future__ import annotations

import asyncio

import pytest
from helpers import Run, host_until, settle


def test_task_cancel(drive: str) -> None:
    cancelled: list[str] = []

    async def side() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cancelled.append("cancelled")

    end = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    async def main() -> None:
        tasks.append(asyncio.create_task(side()))
        await end.wait()

    run = Run(drive)
    run.start(main)
    settle(run)
    tasks[0].cancel()
    host_until(run, lambda: cancelled)
    end.set()
    run.finish()


def test_handle_cancel(drive: str) -> None:
    """A cancelled timer neither runs nor wakes; the next one takes its place."""
    got: list[str] = []
    end = asyncio.Event()
    run = Run(drive)
    run.start(end.wait)
    settle(run)
    loop = run.guest.loop
    first = loop.call_later(0.002, got.append, "cancelled")
    loop.call_later(0.004, lambda: (got.append("second"), end.set()))
    soon = loop.call_soon(got.append, "cancelled too")
    soon.cancel()
    first.cancel()
    assert first.cancelled()
    run.finish()
    assert got == ["second"]


@pytest.mark.parametrize("how", ["loop.stop", "guest.cancel", "task.cancel"])
def test_what_ends_the_run(drive: str, how: str) -> None:
    run = Run(drive)
    task = run.start(asyncio.Event().wait)
    settle(run)
    {"loop.stop": run.guest.loop.stop, "guest.cancel": run.guest.cancel, "task.cancel": task.cancel}[how]()
    with pytest.raises(asyncio.CancelledError):
        run.finish()
