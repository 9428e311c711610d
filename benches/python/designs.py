"""How each design runs an async function in a host. Owns: nothing."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from hosts import Asyncio, BenchHost, Qt, host_named

Main: TypeAlias = "Callable[[BenchHost | None], Coroutine[Any, Any, Any]]"

# The designs that live in a host by its adapter; the others need no more than that it takes a job.
_BY_ADAPTER = ("asyncguest", "asyncguest-unbudgeted")

# Seconds: no turn is as long.
_NO_BUDGET = 1e6


def run(design: str, host: str, main: Main) -> Any:
    """`main`'s result."""
    if host == "alone":
        return run_alone(design, main)
    if host == "queue" and design not in _BY_ADAPTER:
        host = "simple-queue"
    return IN_A_HOST[design](host_named(host), main)


def run_alone(design: str, main: Main) -> Any:
    loop: asyncio.AbstractEventLoop
    if design == "uvloop":
        import uvloop

        loop = uvloop.new_event_loop()
    elif design in ("asyncguest", "asyncguest-python"):
        import asyncguest

        loop = asyncguest.EventLoop(native=design == "asyncguest")
    else:
        assert design == "standard"
        loop = asyncio.SelectorEventLoop()
    try:
        return loop.run_until_complete(main(None))
    finally:
        loop.close()


def run_ours(host: BenchHost, main: Main, budget: float = 0.004) -> Any:
    import asyncguest

    ended: list[asyncio.Task[Any]] = []

    def done(task: asyncio.Task[Any]) -> None:
        ended.append(task)
        host.stop()

    def start() -> None:
        guest = asyncguest.Guest(host.adapter(), done_callback=done, batch_budget=budget)
        guest.start(main, host)

    if isinstance(host, Asyncio):
        host.run_with(start)
    else:
        start()
        host.run()
    return ended[0].result()


def run_ours_unbudgeted(host: BenchHost, main: Main) -> Any:
    return run_ours(host, main, _NO_BUDGET)


def run_ours_by_posts(host: BenchHost, main: Main) -> Any:
    """By the interface that Trio's guest mode and the proposal have: two plain functions."""
    import asyncguest

    ended: list[asyncio.Task[Any]] = []

    def done(task: asyncio.Task[Any]) -> None:
        ended.append(task)
        host.stop()

    asyncguest.start_guest_run(main, host, run_sync_soon_threadsafe=host.soon, done_callback=done)
    host.run()
    return ended[0].result()


def run_semaphore(host: BenchHost, main: Main) -> Any:
    from semaphore_loop import SemaphoreGuest

    ended: list[asyncio.Task[Any]] = []

    def done(task: asyncio.Task[Any]) -> None:
        ended.append(task)
        host.stop()

    SemaphoreGuest(host.soon, done).start(main(host))
    host.run()
    return ended[0].result()


def run_aioguest(host: BenchHost, main: Main) -> Any:
    import aioguest  # type: ignore[import-not-found]

    ended: list[Any] = []

    def done(outcome: Any) -> None:
        ended.append(outcome)
        host.stop()

    aioguest.start_guest_run(main(host), run_sync_soon_threadsafe=host.soon, done_callback=done)
    host.run()
    outcome = ended[0]
    return outcome.unwrap() if hasattr(outcome, "unwrap") else outcome.result()


def run_qasync(host: BenchHost, main: Main) -> Any:
    import qasync  # type: ignore[import-not-found]

    assert isinstance(host, Qt)
    loop = qasync.QEventLoop(host.application)
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(main(host))


def run_qtasyncio(host: BenchHost, main: Main) -> Any:
    from PySide6 import QtAsyncio  # type: ignore[import-not-found, unused-ignore]

    return QtAsyncio.run(main(host), keep_running=False)


def run_gbulb(host: BenchHost, main: Main) -> Any:
    if sys.version_info >= (3, 13):
        raise ImportError("gbulb 0.6 fails on CPython 3.13")
    import gbulb  # type: ignore[import-not-found, unused-ignore]

    policy = gbulb.GLibEventLoopPolicy()
    asyncio.set_event_loop_policy(policy)
    loop = policy.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(main(host))


def run_pygobject(host: BenchHost, main: Main) -> Any:
    try:
        events: Any = importlib.import_module("gi.events")
    except ImportError:
        raise ImportError("PyGObject has gi.events from 3.50 on") from None
    policy = events.GLibEventLoopPolicy()
    asyncio.set_event_loop_policy(policy)
    return policy.get_event_loop().run_until_complete(main(host))


def run_nothing(host: BenchHost, main: Main) -> Any:
    """The host alone: no asyncio, `main` awaits but one thing, by what calls back (see bare.py)."""
    ended: list[Any] = []
    coroutine = main(host)

    def go_on() -> None:
        try:
            coroutine.send(None)
        except StopIteration as end:
            ended.append(end.value)
        host.stop()

    coroutine.send(None)(go_on)
    host.run()
    return ended[0]


IN_A_HOST: dict[str, Callable[[BenchHost, Main], Any]] = {
    "asyncguest": run_ours,
    "asyncguest-unbudgeted": run_ours_unbudgeted,
    "asyncguest-posts": run_ours_by_posts,
    "semaphore": run_semaphore,
    "aioguest": run_aioguest,
    "qasync": run_qasync,
    "qtasyncio": run_qtasyncio,
    "gbulb": run_gbulb,
    "pygobject": run_pygobject,
    "nothing": run_nothing,
}
