"""Wake-ups: from threads, from the toolkit's handlers, and through a host that spoils them."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

from asyncguest.hosts.chaos import ChaosHost
from scenarios import BOTH, scenario
from stages import Run, Stage


def wakes_of(stage: Stage) -> int:
    """How many wakes can be awaited one after another within a second: a game's loop looks once per frame, and under wine
    each takes several turns of its server."""
    if not stage.idles:
        return 40
    return 1000 if sys.platform != "win32" else 200


async def be_woken(stage: Stage, count: int) -> float:
    """Is woken from another thread, so often, each awaited; returns the longest that one took, in seconds."""
    soon = stage.library.soon()
    took: list[float] = []
    ready = threading.Semaphore(0)
    woken = stage.library.Event()

    def wake() -> None:
        for _ in range(count):
            ready.acquire()
            began = monotonic()
            soon(lambda began=began: (took.append(monotonic() - began), woken.set()))

    waker = threading.Thread(target=wake, daemon=True)
    waker.start()
    for _ in range(count):
        ready.release()
        await woken.wait()
        woken = stage.library.Event()
    waker.join()
    assert len(took) == count
    return max(took)


@scenario(libraries=BOTH)
def a_thousand_wakes_from_a_thread(stage: Stage) -> None:
    async def main() -> float:
        return await be_woken(stage, wakes_of(stage))

    longest = stage.play(main)
    stage.figures["longest_ms"] = round(longest * 1000, 1)


@scenario(libraries=BOTH)
def a_burst_of_wakes_from_four_threads(stage: Stage) -> None:
    async def main() -> list[int]:
        soon = stage.library.soon()
        came: list[int] = []
        all_came = stage.library.Event()

        def take(number: int) -> None:
            came.append(number)
            if len(came) == 1000:
                all_came.set()

        def send(number: int) -> None:
            for i in range(250):
                soon(partial(take, number * 250 + i))

        threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        await all_came.wait()
        for thread in threads:
            thread.join()
        return came

    came = stage.play(main)
    assert sorted(came) == list(range(1000)), "each once"
    for number in range(4):
        assert [i for i in came if i // 250 == number] == list(range(number * 250, number * 250 + 250)), "in order"


@scenario("click", "later")
def a_click_calls_loop_methods_of_an_idle_guest(stage: Stage) -> None:
    """USERS 2: what a handler asks for happens at once, and does not wait until something else wakes the guest."""
    came: dict[str, float] = {}

    async def main() -> None:
        loop, guest, everything = asyncio.get_running_loop(), stage.runs[0].guest, asyncio.Event()
        event, queue, lock = asyncio.Event(), asyncio.Queue[int](), asyncio.Lock()
        await lock.acquire()
        future, sleeper, sleeper_2 = loop.create_future(), *(asyncio.create_task(asyncio.sleep(3600)) for _ in "12")
        left, right = socket.socketpair()
        left.setblocking(False)
        right.setblocking(False)
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=right)
        cancelled_timer = loop.call_later(3600, print)
        wanted: set[str] = set()
        began = 0.0

        def expect(what: str) -> Callable[..., None]:
            wanted.add(what)

            def arrived(*_: object) -> None:
                came.setdefault(what, monotonic() - began)
                if came.keys() == wanted:
                    everything.set()

            return arrived

        async def wait_for(what: Any, arrived: Callable[..., None]) -> None:
            await asyncio.wait([asyncio.ensure_future(what)])
            arrived()

        waiters = [
            loop.create_task(wait_for(what, expect(name)))
            for name, what in {
                "Event.set": event.wait(),
                "Queue.put_nowait": queue.get(),
                "Lock.release": lock.acquire(),
                "Future.set_result": future,
                "Task.cancel": sleeper,
                "call_soon(task.cancel)": sleeper_2,
            }.items()
        ]

        def handler() -> None:
            nonlocal began
            began = monotonic()
            assert loop.time() > 0 and not loop.is_closed() and loop.is_running()
            event.set()
            queue.put_nowait(1)
            lock.release()
            future.set_result(None)
            sleeper.cancel()
            cancelled_timer.cancel()
            loop.call_soon(sleeper_2.cancel)
            loop.call_soon(expect("call_soon"))
            loop.call_soon_threadsafe(expect("call_soon_threadsafe"))
            loop.call_later(0.001, expect("call_later"))
            loop.call_at(loop.time() + 0.001, expect("call_at"))
            loop.run_in_executor(None, os.getpid).add_done_callback(expect("run_in_executor"))
            writable = expect("add_writer")
            loop.add_writer(left, lambda: (loop.remove_writer(left), writable()))
            readable = expect("add_reader")
            loop.add_reader(left, lambda: (loop.remove_reader(left), readable()))
            transport.write(b"data")
            waiters.append(loop.create_task(wait_for(asyncio.sleep(0), expect("create_task"))))
            waiters.append(guest.start_soon(wait_for, asyncio.sleep(0.001), expect("start_soon")))
            waiters.append(asyncio.ensure_future(wait_for(asyncio.sleep(0), expect("ensure_future")), loop=loop))
            waiters.append(loop.create_task(wait_for(loop.getaddrinfo("127.0.0.1", 80), expect("getaddrinfo"))))
            waiters.append(loop.create_task(wait_for(loop.shutdown_asyncgens(), expect("shutdown_asyncgens"))))

        assert stage.later is not None and stage.click is not None
        stage.later(0.05, lambda: stage.click(handler))
        stage.moving = False
        await everything.wait()  # nothing unrelated comes: what does not wake the guest hangs
        await asyncio.gather(*waiters)
        transport.close()
        left.close()

    stage.play(main)
    slowest = max(came, key=came.__getitem__)
    stage.figures.update(methods=len(came), slowest=slowest, slowest_ms=round(came[slowest] * 1000, 1))
    assert len(came) == 18, sorted(came)


@scenario(libraries=BOTH)
def wakes_that_come_late_twice_or_never(stage: Stage) -> None:
    async def main() -> float:
        longest = await be_woken(stage, wakes_of(stage) // 10)
        for _ in range(20):
            await stage.library.sleep(0.002)
        return longest

    # What the library has to say of such a host is not of interest here.
    logging.getLogger("asyncguest").setLevel(logging.CRITICAL)

    def first() -> None:
        chaos.append(ChaosHost(stage.host, seed=4, drive=stage.drive, repost_after=0.01))
        Run(stage, main, host=chaos[0])

    chaos: list[ChaosHost] = []
    stage.enter(first)
    longest = stage.runs[0].result()
    stage.figures.update(chaos[0].faults, longest_ms=round(longest * 1000, 1))
    assert sum(chaos[0].faults.values()) > 20, chaos[0].faults
