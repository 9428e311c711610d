"""Contract point 5: done_callback once, on the host thread, by the host's scheduling, after the clean-up of asyncio.run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run, host_until, run_anywhere, run_guest


def test_the_clean_up_in_the_order_of_asyncio_run(drive: str) -> None:
    order: list[str] = []

    async def generator() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0.001)
            order.append("generator")

    async def side() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0.001)
            order.append("task")

    def job() -> None:
        started.set()
        release.wait(10)
        order.append("executor")

    started, release = threading.Event(), threading.Event()
    kept: list[object] = []

    async def main() -> str:
        loop = asyncio.get_running_loop()
        items = generator()
        kept.append(items)
        assert await items.__anext__() == 1
        kept.append(asyncio.create_task(side()))
        loop.run_in_executor(None, job)
        await asyncio.sleep(0)
        started.wait(10)
        return "main"

    run = Run(drive)
    run.start(main)
    host_until(run, lambda: "generator" in order)
    assert not run.done, "done_callback before the executor's job"
    release.set()
    assert run.finish() == "main"
    assert order == ["task", "generator", "executor"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("asyncio_")]


def test_the_host_lives_on_during_the_clean_up(drive: str) -> None:
    """With an executor job that takes long and cannot be cancelled."""

    async def main() -> None:
        asyncio.get_running_loop().run_in_executor(None, release.wait)

    run, release = Run(drive), threading.Event()
    run.start(main)
    for _ in range(20):  # a clean-up that blocks would not come back
        run.host.run_once(0.01)  # type: ignore[attr-defined]
    assert run.guest.state == "ending" and not run.done, "done_callback before the job was over"
    release.set()
    run.finish()


def test_once_and_by_the_host_and_with_the_main_task(drive: str) -> None:
    """By the host's own scheduling: outside of any delivery of the guest, on a stack that begins in the host."""
    host = QueueHost(drive)
    calls: list[tuple[object, ...]] = []

    def done(task: asyncio.Task[None]) -> None:
        try:
            running: object = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        calls.append((task, threading.get_ident(), running, task.get_loop().is_closed(), guest.state))
        host.stop()

    guest = asyncguest.Guest(host, done_callback=done)
    task = guest.start(asyncio.sleep, 0.001)
    host.run()
    for _ in range(3):
        host.post(lambda: None)
        host.run_once(0)
    host.close()
    assert calls == [(task, threading.get_ident(), None, True, "ended")]


def test_a_task_that_resists_is_awaited(drive: str) -> None:
    steps: list[int] = []

    async def stubborn() -> None:
        for number in range(3):
            try:
                await asyncio.sleep(0.003)
            except asyncio.CancelledError:
                pass
            steps.append(number)

    async def main() -> asyncio.Task[None]:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        return task

    task = run_guest(main, drive=drive)
    assert steps == [0, 1, 2] and task.done() and not task.cancelled()


def test_what_a_task_raises_then_goes_to_the_exception_handler(where: str) -> None:
    """As in asyncio.run: told once, and the outcome of the main task is untouched."""
    told: list[dict[str, object]] = []

    async def breaks() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise LookupError("in the clean-up")

    async def main() -> str:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        main.task = asyncio.create_task(breaks())  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        return "untouched"

    assert run_anywhere(where, main) == "untouched"
    assert len(told) == 1 and isinstance(told[0]["exception"], LookupError) and told[0]["task"] is main.task  # type: ignore[attr-defined]


def test_a_task_that_cancels_all_others_does_not_cut_the_clean_up_short(where: str) -> None:
    """In asyncio.run the clean-up is no task, so `for task in all_tasks(): task.cancel()` cannot hit it."""
    ended: list[str] = []

    async def side() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            for _ in range(3):
                await asyncio.sleep(0.002)
            ended.append("side")

    async def cancels_all() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task() and task is not tasks[0]:
                    task.cancel()

    tasks: list[asyncio.Task[None]] = []

    async def main() -> str:
        tasks.append(asyncio.create_task(side()))
        tasks.append(asyncio.create_task(cancels_all()))
        await asyncio.sleep(0)
        return "main"

    assert run_anywhere(where, main) == "main"
    assert ended == ["side"]


def test_loop_methods_work_during_the_clean_up(drive: str) -> None:
    async def last_words() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            loop = asyncio.get_running_loop()
            said.append(await loop.run_in_executor(None, lambda: "executor"))
            said.append(await asyncio.wait_for(asyncio.create_task(asyncio.sleep(0.001, "timer")), 5))

    said: list[str] = []

    async def main() -> None:
        main.task = asyncio.create_task(last_words())  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    run_guest(main, drive=drive)
    assert said == ["executor", "timer"]


def test_no_done_callback_is_fine_too(drive: str) -> None:
    host = QueueHost(drive)
    guest = asyncguest.Guest(host)
    guest.start(asyncio.sleep, 0.001)
    while guest.state != "ended":
        host.run_once(10)
    host.close()


def test_an_error_of_the_done_callback_comes_out_where_the_host_called(drive: str) -> None:
    """It is the host's own code: swallowing it would hide it, and the run is over anyway."""
    host = QueueHost(drive)

    def done(task: object) -> None:
        raise LookupError("in done_callback")

    guest = asyncguest.Guest(host, done_callback=done)
    guest.start(asyncio.sleep, 0.001)
    with pytest.raises(LookupError, match="in done_callback"):
        host.run()
    assert guest.state == "ended" and guest.loop.is_closed()
    host.close()
