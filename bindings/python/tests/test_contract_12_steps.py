"""Contract point 12: poll_events, process_events and process_ready are public, and together they equal one iteration."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator

import asyncguest
import pytest
from helpers import Run


@pytest.fixture
def loop() -> Iterator[asyncguest.EventLoop]:
    made = asyncguest.EventLoop()
    yield made
    made.close()


def step(loop: asyncguest.EventLoop, timeout: float | None = None) -> None:
    events = loop.poll_events(timeout)
    loop.process_events(events)
    loop.process_ready()


def test_a_program_runs_by_the_three_steps_alone(loop: asyncguest.EventLoop) -> None:
    async def main() -> str:
        reader, writer = await asyncio.open_connection(sock=left)
        right.sendall(b"line\n")
        line = await reader.readline()
        assert asyncio.get_running_loop() is loop and loop.is_running()
        await asyncio.sleep(0.002)
        answer = await loop.run_in_executor(None, lambda: "executor")
        writer.close()
        await writer.wait_closed()
        return line.decode() + answer

    left, right = socket.socketpair()
    task = loop.create_task(main())
    until = time.monotonic() + 20
    while not task.done():
        step(loop)
        assert time.monotonic() < until
    assert task.result() == "line\nexecutor"
    assert not loop.is_running()
    end = loop.create_task(loop.shutdown_default_executor())
    while not end.done():
        step(loop)
    right.close()


def test_what_is_scheduled_in_an_iteration_waits_for_the_next(loop: asyncguest.EventLoop) -> None:
    order: list[int] = []
    loop.call_soon(lambda: (order.append(1), loop.call_soon(order.append, 3)))
    loop.call_soon(order.append, 2)
    step(loop)
    assert order == [1, 2]
    step(loop)
    assert order == [1, 2, 3]


def test_the_order_is_that_of_run_once(loop: asyncguest.EventLoop) -> None:
    """What was ready already, then fds, then timers by deadline."""
    order: list[str] = []
    left, right = socket.socketpair()
    right.send(b"x")
    loop.add_reader(left, order.append, "fd")
    now = loop.time()
    loop.call_at(now - 1, order.append, "late timer")
    loop.call_at(now - 2, order.append, "early timer")
    loop.call_soon(order.append, "ready")
    step(loop)
    assert order == ["ready", "fd", "early timer", "late timer"]
    loop.remove_reader(left)
    left.close()
    right.close()


def test_polling_changes_nothing(loop: asyncguest.EventLoop) -> None:
    """However often it is asked, what is ready stays ready until it is processed; no callback runs before step three."""
    left, right = socket.socketpair()
    heard: list[str] = []
    loop.add_reader(left, heard.append, "fd")
    assert not loop.poll_events(0)
    right.send(b"x")
    for _ in range(3):
        assert loop.poll_events(5)
        assert heard == []
    events = loop.poll_events(0)
    loop.process_events(events)
    assert heard == []
    loop.process_ready()
    assert heard == ["fd"]
    loop.remove_reader(left)
    left.close()
    right.close()


def test_the_timeout(loop: asyncguest.EventLoop) -> None:
    began = time.monotonic()
    assert not loop.poll_events(0)
    assert not loop.poll_events(-1), "as a selector: it does not wait"
    assert not loop.poll_events(0.02)
    assert time.monotonic() - began >= 0.02
    timer = loop.call_later(0.01, lambda: None)
    assert loop.poll_events(3600) or time.monotonic() >= timer.when(), "it ends when the timer is due"
    assert time.monotonic() >= timer.when() - 0.001
    assert loop.poll_events(None) or time.monotonic() >= timer.when()
    loop.call_soon(lambda: None)
    assert loop.poll_events(None), "with a callback ready it does not wait"


def test_no_timer_is_too_far_away(loop: asyncguest.EventLoop) -> None:
    loop.call_later(1e8, lambda: None)
    waker = threading.Timer(0.01, loop.call_soon_threadsafe, (int,))
    waker.start()
    assert loop.poll_events()
    waker.join()


def test_polling_on_another_thread_without_the_interpreter_lock(loop: asyncguest.EventLoop) -> None:
    """The loop's own thread computes meanwhile, and what it schedules is not lost."""
    results: list[object] = []
    poller = threading.Thread(target=lambda: results.append(loop.poll_events(30)))
    poller.start()
    counted = sum(range(200_000))  # would not get anywhere if the lock were held
    loop.call_soon_threadsafe(results.append, "called")
    poller.join(10)
    assert not poller.is_alive() and counted
    loop.process_events(bool(results.pop()))
    loop.process_ready()
    assert results == ["called"]


def test_an_fd_added_while_another_thread_polls_ends_the_wait(loop: asyncguest.EventLoop) -> None:
    left, right = socket.socketpair()
    results: list[object] = []
    poller = threading.Thread(target=lambda: results.append(loop.poll_events(30)))
    poller.start()
    loop.add_reader(left, results.append, "readable")
    right.send(b"x")
    poller.join(10)
    assert results == [True]
    loop.process_events(True)
    loop.process_ready()
    assert results == [True, "readable"]
    loop.remove_reader(left)
    left.close()
    right.close()


def test_async_generators_are_known_to_the_loop(loop: asyncguest.EventLoop) -> None:
    """run_forever sets the hooks around an iteration; the steps do too."""
    ended: list[str] = []

    async def generator() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            ended.append("ended")

    async def main() -> AsyncIterator[int]:
        items = generator()
        await items.__anext__()
        return items

    hooks = sys.get_asyncgen_hooks()
    task = loop.create_task(main())
    while not task.done():
        step(loop, 0)
    assert sys.get_asyncgen_hooks() == hooks
    end = loop.create_task(loop.shutdown_asyncgens())
    while not end.done():
        step(loop, 0)
    assert ended == ["ended"]


def test_the_steps_leave_no_running_loop_and_pass_exits_on(loop: asyncguest.EventLoop) -> None:
    def leave() -> None:
        raise SystemExit(3)

    loop.call_soon(leave)
    with pytest.raises(SystemExit):
        step(loop)
    assert not loop.is_running()
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    step(loop, 0)


def test_a_closed_loop_and_another_running_loop_are_refused() -> None:
    loop = asyncguest.EventLoop()

    async def inside() -> None:
        with pytest.raises(RuntimeError, match="another event loop"):
            loop.process_ready()

    asyncio.run(inside())
    loop.close()
    for call in (loop.poll_events, lambda: loop.process_events(True), loop.process_ready):
        with pytest.raises(RuntimeError, match="closed"):
            call()


def test_the_loop_of_a_guest_is_stepped_by_its_host_alone(drive: str) -> None:
    """A clear error for each step, not an assertion, and the guest goes on."""

    async def main() -> str:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, asyncguest.EventLoop)
        for call in (lambda: loop.poll_events(0), lambda: loop.process_events(True), loop.process_ready):
            with pytest.raises(RuntimeError, match="driven by its host"):
                call()
        await asyncio.sleep(0.001)
        return "unharmed"

    run = Run(drive)
    run.start(main)
    assert run.finish() == "unharmed"
