"""Contract point 8: which loop is the running one, when, and what the host finds unchanged around each delivery."""

from __future__ import annotations

import asyncio
import contextvars
import sys

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run, host_until, process_state, settle

OF_THE_HOST = ("running loop", "asyncgen hooks", "origin tracking")  # the signal state is the run's for its duration


def state_of_the_host() -> list[object]:
    state = process_state()
    return [state[what] for what in OF_THE_HOST]


def running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


def test_is_running_for_the_whole_run(drive: str) -> None:
    seen: list[bool] = []

    async def side() -> None:
        try:
            await forever()
        finally:
            seen.append(asyncio.get_running_loop().is_running())
            await asyncio.sleep(0.001)
            seen.append(asyncio.get_running_loop().is_running())

    async def main() -> None:
        seen.append(asyncio.get_running_loop().is_running())
        main.task = asyncio.create_task(side())  # type: ignore[attr-defined]
        await asyncio.sleep(0.001)

    run = Run(drive)
    run.start(main)
    loop = run.guest.loop
    while not run.done:
        seen.append(loop.is_running())
        run.host.run_once(10)  # type: ignore[attr-defined]
    run.finish()
    assert len(seen) > 4 and all(seen)
    assert not loop.is_running()


def test_handlers_of_a_plain_host_have_the_loop(drive: str) -> None:
    """In a thread without a running loop, create_task and get_running_loop work between deliveries."""
    got: list[str] = []

    async def side() -> None:
        await asyncio.sleep(0)
        got.append("side")
        release.set()

    release = asyncio.Event()

    async def main() -> None:
        await release.wait()

    def handler() -> None:
        assert asyncio.get_running_loop() is run.guest.loop
        handler.task = asyncio.create_task(side())  # type: ignore[attr-defined]

    run = Run(drive)
    run.start(main)
    settle(run)
    run.host.post(handler)
    run.finish()
    assert got == ["side"]
    assert running() is None, "after the run it is gone"


@pytest.mark.parametrize("host_loop", ["asyncio", "asyncguest"])
def test_in_an_asyncio_host_the_guest_runs_only_inside_its_batches(host_loop: str) -> None:
    from asyncguest import CallbackHost

    guest_saw: list[object] = []

    async def main() -> str:
        await asyncio.sleep(0.001)
        guest_saw.append(asyncio.get_running_loop())
        return "from the guest"

    async def host() -> str:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        me = asyncio.current_task()
        guest = asyncguest.Guest(CallbackHost(loop.call_soon_threadsafe), done_callback=done.set_result)
        state = state_of_the_host()
        guest.start(main)
        assert state_of_the_host() == state and asyncio.get_running_loop() is loop and asyncio.current_task() is me
        while not done.done():
            assert state_of_the_host() == state and asyncio.get_running_loop() is loop and asyncio.current_task() is me
            await asyncio.sleep(0.0005)
        assert guest_saw == [guest.loop] and guest.loop is not loop
        result: str = (await done).result()
        return result

    run = asyncio.run if host_loop == "asyncio" else asyncguest.run
    assert run(host()) == "from the guest"


def test_in_a_trio_host_too() -> None:
    trio = pytest.importorskip("trio", reason="trio is an optional dependency of the tests")
    sniffio = pytest.importorskip("sniffio")
    saw: list[str] = []

    async def main() -> str:
        saw.append(sniffio.current_async_library())
        await asyncio.sleep(0.001)
        saw.append(sniffio.current_async_library())
        return "from the guest"

    async def host() -> str:
        token = trio.lowlevel.current_trio_token()
        over = trio.Event()
        guest = asyncguest.Guest(asyncguest.CallbackHost(token.run_sync_soon), done_callback=lambda task: over.set())
        hooks = sys.get_asyncgen_hooks()
        guest.start(main)
        while not over.is_set():
            assert sniffio.current_async_library() == "trio"
            assert sys.get_asyncgen_hooks() == hooks and running() is None
            await trio.sleep(0.0005)
        result: str = guest.task.result()
        return result

    assert trio.run(host) == "from the guest"
    assert saw == ["asyncio", "asyncio"]


def test_the_hosts_state_is_restored_around_each_batch(drive: str) -> None:
    """Running loop, current task, context, asyncgen hooks: the same around every delivery, whatever guest code did."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="host's")

    async def main() -> None:
        for _ in range(5):
            variable.set("guest's")
            await asyncio.sleep(0.001)

    def first(generator: object) -> None:
        raise AssertionError("no generator is born in the host")

    host = QueueHost(drive)
    host.is_async = True  # type: ignore[assignment]  # it has a state of its own
    run = Run(host=host)
    before_hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=first)
    try:
        state = state_of_the_host()
        run.start(main)
        while not run.done:
            assert state_of_the_host() == state
            assert running() is None
            assert asyncio.current_task(run.guest.loop) is None
            assert variable.get() == "host's"
            host.run_once(10)
        assert state_of_the_host() == state
    finally:
        sys.set_asyncgen_hooks(*before_hooks)
    run.finish()


def test_current_guest_inside_a_delivery_is_the_one_that_runs(drive: str) -> None:
    """With two on one thread, each sees itself; between deliveries it is the older one."""
    saw: dict[str, object] = {}

    async def main(name: str) -> None:
        await asyncio.sleep(0.002)
        saw[name] = asyncguest.current_guest()

    host = QueueHost(drive)
    older, newer = Run(host=host), Run(host=host)
    older.start(main, "older")
    newer.start(main, "newer")
    assert asyncguest.current_guest() is older.guest
    host_until(newer, lambda: older.done and newer.done)
    assert saw == {"older": older.guest, "newer": newer.guest}
    host.close()


def test_a_context_of_the_host_is_copied_at_the_start(drive: str) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    variable.set(1)

    async def main() -> int:
        await asyncio.sleep(0)
        got = variable.get()
        variable.set(3)
        return got

    run = Run(drive)
    run.start(main)
    variable.set(2)
    assert run.finish() == 1
    assert variable.get() == 2
