"""Contract point 7: timeouts, task groups, eager tasks, async generators, debug mode, loop.stop; everywhere the same."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import re
import sys
import time
from collections.abc import AsyncIterator

import asyncguest
import pytest
from helpers import Run, run_anywhere


def test_wait_for_and_cancellation(where: str) -> None:
    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().create_future(), 0.002)
        assert await asyncio.wait_for(asyncio.sleep(0, "in time"), 10) == "in time"
        done, pending = await asyncio.wait(
            [asyncio.ensure_future(asyncio.sleep(0.001)), asyncio.ensure_future(asyncio.sleep(60))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        assert len(done) == len(pending) == 1
        for task in pending:
            task.cancel()
        released = asyncio.Event()

        async def held(result: object) -> object:
            await released.wait()
            return result

        async def release(result: object) -> object:
            released.set()
            return result

        shielded = asyncio.ensure_future(held("shielded"))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(shielded), 0.0005)
        assert await release("released") == "released" and await shielded == "shielded"
        released.clear()
        results = []
        for next_one in asyncio.as_completed([held(2), release(1)]):
            results.append(await next_one)
        assert results == [1, 2]

    run_anywhere(where, main)


def test_timeout_and_task_group(where: str) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.002):
                await asyncio.sleep(60)
        async with asyncio.timeout(None) as scope:
            scope.reschedule(asyncio.get_running_loop().time() + 60)
            await asyncio.sleep(0)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0.001, number)) for number in range(5)]
        assert [task.result() for task in tasks] == list(range(5))

        async def fails() -> None:
            raise LookupError

        with pytest.raises(BaseExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                other = group.create_task(asyncio.sleep(60))
                group.create_task(fails())
        assert isinstance(caught.value.exceptions[0], LookupError) and other.cancelled()
        task = asyncio.current_task()
        assert task is not None
        if sys.version_info >= (3, 13):
            assert task.cancelling() == 0  # before, a TaskGroup left its own request standing

    run_anywhere(where, main)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_eager_tasks(where: str) -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        order: list[str] = []

        async def child() -> str:
            order.append("child")
            await asyncio.sleep(0)
            order.append("child again")
            return "result"

        async def at_once() -> str:
            return "at once"

        task = asyncio.create_task(child())
        order.append("main")
        assert asyncio.create_task(at_once()).done()
        assert await task == "result"
        assert order == ["child", "main", "child again"]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(child()) for _ in range(3)]
        assert all(task.result() == "result" for task in tasks)

    run_anywhere(where, main)


async def counting(ended: list[str]) -> AsyncIterator[int]:
    try:
        for number in range(10):
            await asyncio.sleep(0)
            yield number
    finally:
        await asyncio.sleep(0)
        ended.append("ended")


def test_async_generators(where: str) -> None:
    """Exhausted, closed, thrown away while the loop runs, and left to the end of the run."""
    ended: list[str] = []
    left: list[AsyncIterator[int]] = []

    async def main() -> None:
        assert [number async for number in counting(ended)] == list(range(10))
        assert ended == ["ended"]
        async with contextlib.aclosing(counting(ended)) as items:  # type: ignore[type-var]
            assert await items.__anext__() == 0
        assert len(ended) == 2
        thrown_away = counting(ended)
        await thrown_away.__anext__()
        del thrown_away
        gc.collect()
        while len(ended) < 3:
            await asyncio.sleep(0)
        left.append(counting(ended))
        await left[0].__anext__()

    run_anywhere(where, main)
    assert len(ended) == 4


def test_debug_mode(where: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert loop.get_debug()
        loop.slow_callback_duration = 0.1
        loop.call_soon(time.sleep, 0.12)
        await asyncio.sleep(0.001)
        with pytest.raises(RuntimeError, match="Non-thread-safe"):
            await asyncio.to_thread(loop.call_soon, print)
        with pytest.raises(TypeError):
            loop.call_soon(main)  # type: ignore[arg-type]  # a coroutine function
        assert sys.get_coroutine_origin_tracking_depth() > 0
        loop.set_debug(False)
        await asyncio.sleep(0)
        assert not loop.get_debug()

    with caplog.at_level(logging.WARNING, "asyncio"):
        run_anywhere(where, main, debug=True)
    slow = [record.getMessage() for record in caplog.records if "Executing" in record.getMessage()]
    slept = [text for text in slow if "sleep(0.12)" in text]  # a busy machine makes others slow, too
    assert len(slept) == 1 and re.search(r"took \d\.\d{3} seconds", slept[0])


def test_a_callback_that_raises_goes_to_the_exception_handler(where: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> list[object]:
        loop = asyncio.get_running_loop()
        told: list[object] = []
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(0)
        loop.set_exception_handler(lambda loop, context: told.append(context["exception"]))
        loop.call_soon(lambda: 1 / 0)
        loop.call_later(0, lambda: {}["x"])
        await asyncio.sleep(0.001)
        return told

    told = run_anywhere(where, main)
    assert [type(error) for error in told] == [ZeroDivisionError, KeyError]
    assert caplog.text.count("ZeroDivisionError: ") == 1, "the default handler logs it once"
    caplog.clear()


def test_inspection(where: str) -> None:
    """all_tasks, current_task, the stack of a task that waits: what asyncio's own tools look at."""

    async def waits_here() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(waits_here(), name="waiter")
        await asyncio.sleep(0)
        assert {"waiter"} <= {each.get_name() for each in asyncio.all_tasks()}
        assert [frame.f_code.co_name for frame in task.get_stack()] == ["waits_here"]
        assert asyncio.current_task() in asyncio.all_tasks()
        task.cancel()

    run_anywhere(where, main)


def test_synchronisation(where: str) -> None:
    async def main() -> None:
        lock, semaphore, condition = asyncio.Lock(), asyncio.Semaphore(2), asyncio.Condition()
        inside = most = 0
        ready = 0

        async def worker() -> None:
            nonlocal inside, most, ready
            async with semaphore:
                inside += 1
                most = max(most, inside)
                async with lock:
                    await asyncio.sleep(0)
                inside -= 1
            async with condition:
                ready += 1
                condition.notify_all()

        workers = asyncio.gather(*[worker() for _ in range(6)])
        async with condition:
            await asyncio.wait_for(condition.wait_for(lambda: ready == 6), 10)
        await workers
        assert most == 2

    run_anywhere(where, main)


def test_stop_alone_and_as_a_guest(drive: str) -> None:
    loop = asyncguest.EventLoop()
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    loop.stop()
    loop.run_forever()  # a stop before the start: one iteration
    with pytest.raises(RuntimeError, match="before Future completed"):
        loop.call_soon(loop.stop)
        loop.run_until_complete(loop.create_future())
    loop.close()

    async def main() -> None:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(60)

    run = Run(drive)
    run.start(main)
    with pytest.raises(asyncio.CancelledError):
        run.finish()
