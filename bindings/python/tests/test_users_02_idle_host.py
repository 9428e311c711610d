"""USERS 2: what a button handler asks for waits for unrelated I/O. Here: each takes effect at once, and a burst posts once.

That each of the loop's methods takes effect is contract point 10's test; this is about how soon and at what price.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run, host_until, settle


@pytest.mark.parametrize("what", ["call_soon", "create_task", "future", "event", "start_soon not eager"])
def test_it_runs_in_the_next_delivery(drive: str, what: str) -> None:
    """And nothing else has to happen for that: the host waits until it is woken."""
    end = asyncio.Event()
    event = asyncio.Event()
    ran: list[bool] = []

    async def note() -> None:
        ran.append(True)

    async def main() -> None:
        while not end.is_set():
            await event.wait()
            event.clear()
            ran.append(True)

    run = Run(drive)
    run.start(main)
    settle(run)
    loop, deliveries = run.guest.loop, []
    futures: list[asyncio.Future[None]] = []
    calls: dict[str, Callable[[], object]] = {
        "call_soon": lambda: loop.call_soon(lambda: ran.append(True)),
        "create_task": lambda: asyncio.create_task(note()),
        "future": lambda: futures.pop().set_result(None),
        "event": event.set,
        "start_soon not eager": lambda: run.guest.start_soon(note, eager=False),
    }
    for _ in range(100):
        future = loop.create_future()
        future.add_done_callback(lambda _: ran.append(True))
        futures.append(future)
        ran.clear()
        before = run.guest.stats().batches
        calls[what]()
        host_until(run, lambda: ran)
        deliveries.append(run.guest.stats().batches - before)
        settle(run)
    end.set()
    event.set()
    run.finish()
    assert set(deliveries) == {1}, deliveries


def test_a_burst_from_a_handler_posts_once() -> None:
    """A hundred calls while the guest sleeps: one wake-up, one post, one delivery. In one of five bursts: a delivery in which
    the thread stands still has a token for a nested loop."""
    host = QueueHost("thread")
    posts: list[object] = []

    def soon(job: Callable[[], object]) -> None:
        posts.append(job)
        host.post(job)

    end = asyncio.Event()
    task = asyncguest.start_guest_run(
        end.wait,
        run_sync_soon_threadsafe=soon,
        done_callback=host.stop,
        debug=False,
        batch_budget=60.0,  # a budget that is spent would ask for another delivery, rightly
    )
    loop = task.get_loop()
    guest = loop.guest  # type: ignore[attr-defined]
    counts: list[tuple[int, int]] = []
    for _ in range(5):
        while not loop.idle:  # type: ignore[attr-defined]
            host.run_once(10)
        posts.clear()
        before = guest.stats()
        ran: list[int] = []
        for number in range(100):
            loop.call_soon(ran.append, number)
            loop.call_later(0, ran.append, number)
            asyncio.create_task(asyncio.sleep(0))
            loop.call_soon_threadsafe(ran.append, number)
        while len(ran) < 300:
            host.run_once(10)
        counts.append((len(posts), guest.stats().tokens - before.tokens))
    assert (1, 1) in counts, counts
    end.set()
    host.run()
    host.close()


def test_nothing_unrelated_is_needed(drive: str) -> None:
    """With one connection open on which nothing ever comes, and one timer an hour away."""
    import socket

    left, right = socket.socketpair()
    end = asyncio.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(left, lambda: None)
        timer = loop.call_later(3600, print)
        await end.wait()
        loop.remove_reader(left)
        timer.cancel()

    run = Run(drive)
    run.start(main)
    settle(run)
    before = run.guest.stats().batches
    run.host.post(end.set)
    run.finish()
    assert run.guest.stats().batches - before < 10
    left.close()
    right.close()
