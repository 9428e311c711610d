"""What was abandoned with its run, and what that leaves to others."""

from __future__ import annotations

import asyncio
from typing import Literal

import asyncguest
import pytest
from helpers import Run, host_until


async def stubborn(leaves_by: type[BaseException] | None = None) -> None:
    try:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass
    finally:
        if leaves_by is not None:
            raise leaves_by


@pytest.mark.parametrize("leaves_by", [ZeroDivisionError, SystemExit, KeyboardInterrupt])
def test_a_finally_block_that_raises_is_the_cause_and_the_run_ends(drive: str, leaves_by: type[BaseException]) -> None:
    """SystemExit came out of shutdown() before the run had given anything back."""
    run = Run(drive)
    run.start(stubborn, leaves_by)
    with pytest.warns(RuntimeWarning, match="abandoned"):
        assert not run.guest.shutdown(0)
    assert run.guest.state == "ended" and len(run.done) == 1
    error = run.done[0].exception()
    assert isinstance(error, asyncguest.GuestError) and type(error.__cause__) is leaves_by
    run.host.close()


def test_a_scope_is_empty_when_its_tasks_were_abandoned(drive: str) -> None:
    """Its window could not be closed any more: there was no run that could have waited for them."""
    scopes: list[asyncguest.Scope] = []

    async def main() -> None:
        scopes.append(asyncguest.Scope())
        scopes[0].start_soon(stubborn)
        await asyncio.Event().wait()

    run = Run(drive)
    run.start(main)
    host_until(run, lambda: scopes)
    assert not scopes[0].empty
    with pytest.warns(RuntimeWarning, match="abandoned"):
        assert not run.guest.shutdown(0)
    assert scopes[0].empty and scopes[0]._may_close()
    run.host.close()


@pytest.mark.parametrize("busy", ["drop", "restart", "queue"])
def test_a_slot_is_free_when_its_task_was_abandoned(drive: str, busy: Literal["drop", "restart", "queue"]) -> None:
    """Made outside of any run, it did nothing in all later ones."""
    seen: list[str] = []

    async def work(name: str) -> None:
        seen.append(name)
        await stubborn()

    async def main(*names: str) -> None:
        for name in names:
            click(name)
        await asyncio.Event().wait()

    click = asyncguest.slot(work, busy=busy)
    for names in ("ab", "cd"):
        run = Run(drive)
        run.start(main, *names)
        with pytest.warns(RuntimeWarning, match="abandoned"):
            assert not run.guest.shutdown(0)
        run.host.close()
    assert seen == ["a", "c"]
