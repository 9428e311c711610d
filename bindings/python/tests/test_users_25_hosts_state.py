"""USERS 25: exceptions, contexts, sniffio and async generator hooks that leak between host and guest."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys

import asyncguest
import pytest
from helpers import Run, host_until, settle

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def test_the_exception_in_hand_stays_with_its_owner(drive: str) -> None:
    """A delivery in the host's except block, and the other way round: neither sees the other's as its own context."""
    run = Run(drive)
    end = asyncio.Event()
    saw: list[object] = []

    async def main() -> None:
        try:
            raise LookupError("the guest's")
        except LookupError:
            await end.wait()
            saw.append(sys.exc_info()[0])

    run.start(main)
    settle(run)
    assert sys.exc_info()[0] is None
    end.set()
    try:
        raise ValueError("the host's")
    except ValueError:
        while not run.done:
            run.host.run_once(10)  # type: ignore[attr-defined]
            assert sys.exc_info()[0] is ValueError
    run.finish()
    assert saw == [LookupError]


def test_contexts_do_not_mix(drive: str) -> None:
    run = Run(drive)
    end = asyncio.Event()
    saw: list[str] = []

    async def main() -> None:
        variable.set("the guest's")
        await end.wait()
        saw.append(variable.get())

    run.start(main)
    settle(run)
    assert variable.get() == "unset"
    token = variable.set("the host's")
    run.guest.loop.call_soon(lambda: saw.append(variable.get()))
    host_until(run, lambda: saw)
    variable.reset(token)
    end.set()
    run.finish()
    assert saw == ["the host's", "the guest's"] and variable.get() == "unset"


def test_sniffio(drive: str) -> None:
    sniffio = pytest.importorskip("sniffio")
    run = Run(drive)
    saw: list[str] = []

    async def main() -> None:
        saw.append(sniffio.current_async_library())
        await asyncio.sleep(0.001)
        saw.append(sniffio.current_async_library())

    sniffio.thread_local.name = "the host's"
    try:
        run.start(main)
        assert sniffio.current_async_library() == "the host's"
        while not run.done:
            run.host.run_once(10)  # type: ignore[attr-defined]
            assert sniffio.current_async_library() == "the host's"
    finally:
        sniffio.thread_local.name = None
    run.finish()
    assert saw == ["asyncio", "asyncio"]


async def generator(died: list[str]):  # type: ignore[no-untyped-def]
    try:
        yield 1
        yield 2
    finally:
        died.append("died")


def step(items) -> int:  # type: ignore[no-untyped-def]
    """One step of an async generator by hand, as a host with a library of its own would."""
    try:
        items.__anext__().send(None)
    except StopIteration as stop:
        return int(stop.value)
    raise AssertionError("it suspended")


def test_a_generator_born_in_the_host_dies_in_the_host(drive: str) -> None:
    """Its hooks are the host's, also when the guest runs at the moment of its death; and the other way round."""
    died: list[str] = []
    finalized: list[object] = []
    born: list[object] = []
    run = Run(drive)
    kept: list[object] = []

    async def main() -> None:
        items = generator(died)
        kept.append(items)
        await items.__anext__()
        await asyncio.sleep(0.001)
        host_items.pop()  # the last reference to the host's generator goes inside the guest
        gc.collect()
        await asyncio.sleep(0.001)

    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=born.append, finalizer=finalized.append)
    try:
        run.start(main)
        host_items = [generator(died)]
        assert step(host_items[0]) == 1
        assert len(born) == 1
        born.clear()
        run.finish()
        assert len(finalized) == 1, "the guest's loop took the host's generator"
        assert born == [], "the guest's generator was taken for the host's"
    finally:
        sys.set_asyncgen_hooks(*hooks)
    assert died == ["died"], "the guest's generator ends with the guest"
    with pytest.raises(StopIteration):
        finalized[0].aclose().send(None)  # type: ignore[attr-defined]
    assert died == ["died", "died"]


def test_two_guests_do_not_share_generators_or_tasks(drive: str) -> None:
    from asyncguest.hosts.queue import QueueHost

    host = QueueHost(drive)
    saw: dict[str, set[str]] = {}

    async def main(name: str) -> None:
        asyncio.current_task().set_name(name)  # type: ignore[union-attr]
        await asyncio.sleep(0.002)
        saw[name] = {task.get_name() for task in asyncio.all_tasks()}
        assert asyncguest.current_guest().loop is asyncio.get_running_loop()

    runs = [Run(host=host), Run(host=host)]
    for run, name in zip(runs, ("one", "two")):
        run.start(main, name)
    host_until(runs[0], lambda: all(run.done for run in runs))
    assert saw == {"one": {"one"}, "two": {"two"}}
    host.close()
