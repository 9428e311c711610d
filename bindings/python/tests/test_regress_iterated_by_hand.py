"""Somebody iterates the guest's loop by hand, as nest_asyncio does: he gets what he waits for, and the guest goes on."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import asyncguest
import pytest
from helpers import Run, host_until, settle


def by_iterations(loop, task):
    """By the loop's own iteration."""
    while not task.done():
        loop._run_once()
    return task.result()


def by_selector(loop, task):
    """As nest_asyncio, which polls the selector itself and knows nothing of what the loop overrides."""
    while not task.done():
        when = loop._scheduled[0]._when if loop._scheduled else None
        timeout = 0 if loop._ready else None if when is None else max(0, when - loop.time())
        loop._process_events(loop._selector.select(timeout))
        while loop._scheduled and loop._scheduled[0]._when < loop.time() + loop._clock_resolution:
            handle = loop._scheduled.pop(0)
            loop._scheduled.sort()
            handle._scheduled = False
            loop._ready.append(handle)
        for _ in range(len(loop._ready)):
            handle = loop._ready.popleft()
            if not handle._cancelled:
                handle._run()
    return task.result()


WAYS = (by_iterations, by_selector)


async def inner():
    await asyncio.sleep(0.002)
    return 7


def started(drive):
    """A run whose main task ticks until it is told to stop."""
    run, ticks, gate = Run(drive), [], []

    async def main():
        while not gate:
            await asyncio.sleep(0.001)
            ticks.append(1)

    run.start(main)
    settle(run)
    return run, ticks, gate


@pytest.mark.parametrize("by", WAYS)
def test_between_two_deliveries(drive, by):
    run, ticks, gate = started(drive)
    loop = run.guest.loop
    for _ in range(3):
        assert by(loop, loop.create_task(inner())) == 7
        seen = len(ticks)
        host_until(run, lambda seen=seen: len(ticks) > seen + 5)
    gate.append(1)
    run.finish()


@pytest.mark.parametrize("by", WAYS)
def test_until_the_main_task_is_done(drive, by):
    """And its callbacks have run, after which the queue is empty: the host is left to clean up."""
    run, _, gate = started(drive)
    loop, main = run.guest.loop, run.guest.task
    told = loop.create_future()
    main.add_done_callback(told.set_result)
    gate.append(1)
    assert by(loop, told) is main
    host_until(run, lambda: run.done)
    run.finish()


@pytest.mark.parametrize("by", WAYS)
def test_in_the_first_step_and_in_start_soon(drive, by):
    results = []

    async def main():
        loop = asyncio.get_running_loop()
        results.append(by_hand(loop))
        await asyncio.sleep(0.001)
        run.host.post(lambda: run.guest.start_soon(hand))
        while len(results) < 2:
            await asyncio.sleep(0.001)

    async def hand():
        results.append(by_hand(asyncio.get_running_loop()))

    def by_hand(loop):
        # As nest_asyncio: the task that is being run is put aside, or the inner one could not be entered.
        task = asyncio.current_task(loop)
        asyncio.tasks._leave_task(loop, task)
        try:
            return by(loop, loop.create_task(inner()))
        finally:
            asyncio.tasks._enter_task(loop, task)

    run = Run(drive)
    run.start(main)
    run.finish()
    assert results == [7, 7]


def test_a_look_by_hand_takes_nothing_from_the_host(drive):
    run, ticks, gate = started(drive)
    loop = run.guest.loop
    for _ in range(5):
        loop.call_soon(int)
        loop._selector.select(0)
        seen = len(ticks)
        host_until(run, lambda seen=seen: len(ticks) > seen)
    gate.append(1)
    run.finish()


def test_alone():
    loop = asyncguest.EventLoop()
    asyncio._set_running_loop(loop)
    try:
        assert by_iterations(loop, loop.create_task(inner())) == 7
    finally:
        asyncio._set_running_loop(None)
        loop.close()


def test_run_forever_is_no_iteration_by_hand() -> None:
    """It has all of its iterations in one call, and nobody else has."""
    seen: list[str] = []

    class Counting(asyncguest.EventLoop):
        def _run_once(self) -> None:
            seen.append("one")
            super()._run_once()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(seen.append, "by hand")
        loop._run_once()  # type: ignore[attr-defined]
        assert seen.pop() == "by hand"
        for _ in range(3):
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=Counting) as runner:
        runner.run(main())
        assert seen.count("one") > 4, "a class that has its own sees them all"
    seen.clear()
    asyncguest.run(main())


def test_an_iteration_that_is_replaced_in_the_middle_of_a_run() -> None:
    """As a monitor's, which is begun by the program itself."""
    seen: list[str] = []

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        own = loop._run_once
        loop._run_once = lambda: (seen.append("one"), own())
        for _ in range(3):
            await asyncio.sleep(0.001)
        del loop._run_once
        await asyncio.sleep(0.001)
        seen.append("end")
        await asyncio.sleep(0.001)

    asyncguest.run(main())
    assert seen.count("one") >= 3 and seen[-1] == "end"


@pytest.mark.parametrize("where", ["of BaseEventLoop", "of a class between", "of a class behind"])
def test_run_forever_that_somebody_has_replaced(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """As one that ends by something else than `stop`."""
    ended: list[int] = []

    def until_ended(self: asyncguest.EventLoop) -> None:
        self._thread_id = threading.get_ident()
        while not ended:
            self._run_once()  # type: ignore[attr-defined]
        self._thread_id = None

    class Behind(asyncio.BaseEventLoop):
        run_forever = until_ended  # type: ignore[assignment]

    class Loop(asyncguest.EventLoop, *((Behind,) if where == "of a class behind" else ())):  # type: ignore[misc]
        pass

    if where != "of a class behind":
        kind = asyncio.BaseEventLoop if where == "of BaseEventLoop" else asyncio.SelectorEventLoop
        monkeypatch.setattr(kind, "run_forever", until_ended)
    loop = Loop()
    afterwards: list[int] = []

    def end() -> None:
        ended.append(1)
        loop.call_soon(afterwards.append, 1)
        loop.call_soon(loop.stop)

    loop.call_soon(end)
    loop.run_forever()
    loop.close()
    assert not afterwards
