"""USERS 28: tasks from slots vanish, because asyncio holds them weakly. Here a storm of collections hits a busy guest."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import asyncguest
import pytest
from helpers import Run, host_until, settle


@pytest.fixture
def storm() -> Iterator[None]:
    """The collector runs after every few allocations."""
    thresholds = gc.get_threshold()
    gc.set_threshold(5, 1, 1)
    yield
    gc.set_threshold(*thresholds)


async def chain(depth: int, counter: list[int]) -> None:
    """A task that only its own child knows, and so on down to a future that is set from a callback."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    if depth:
        asyncio.ensure_future(chain(depth - 1, counter)).add_done_callback(
            lambda _: future.set_result(None) if not future.done() else None
        )
    else:
        loop.call_later(0.001, future.set_result, None)
    await future
    counter.append(depth)


@pytest.mark.parametrize("how", ["start_soon", "create_task", "ensure_future"])
def test_tasks_of_handlers_survive(drive: str, storm: None, how: str) -> None:
    counter: list[int] = []
    end = asyncio.Event()
    run = Run(drive, debug=False)
    run.start(end.wait)
    settle(run)

    def handler() -> None:
        if how == "start_soon":
            run.guest.start_soon(chain, 3, counter)
        elif how == "create_task":
            asyncio.create_task(chain(3, counter))
        else:
            asyncio.ensure_future(chain(3, counter))

    for _ in range(10):
        run.host.post(handler)
    host_until(run, lambda: len(counter) == 40)
    end.set()
    run.finish()


def test_the_run_itself_survives_when_nobody_holds_it(drive: str, storm: None) -> None:
    """A program that starts a run and keeps neither the guest nor the task: the package keeps it until its end."""
    from asyncguest.hosts.queue import QueueHost

    results: list[object] = []
    host = QueueHost(drive)

    def start() -> None:
        asyncguest.Guest(host, done_callback=lambda task: (results.append(task.result()), host.stop())).start(
            asyncio.sleep, 0.01, "result"
        )

    start()
    gc.collect()
    host.run()
    host.close()
    assert results == ["result"]


def test_a_run_that_is_over_is_forgotten(drive: str) -> None:
    """And afterwards nothing keeps it: neither the loop nor the guest nor the task."""
    import weakref

    run = Run(drive)
    run.start(asyncio.sleep, 0.001)
    run.finish()
    references = [weakref.ref(run.guest), weakref.ref(run.guest.loop), weakref.ref(run.guest.task)]
    del run
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]
