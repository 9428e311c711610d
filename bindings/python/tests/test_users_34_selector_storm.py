"""USERS 34: selectors changed while polled. Here: fds come and go in a storm while another thread waits for them."""

from __future__ import annotations

import asyncio
import random
import socket
import threading

import asyncguest
from helpers import Run, host_until, settle


def storm(loop: asyncio.AbstractEventLoop, pairs: list[tuple[socket.socket, socket.socket]], rounds: int) -> None:
    rng = random.Random(34)
    for _ in range(rounds):
        left, right = rng.choice(pairs)
        rng.choice(
            [
                lambda: loop.add_reader(left, left.recv, 100),
                lambda: loop.remove_reader(left),
                lambda: loop.add_writer(left, loop.remove_writer, left),
                lambda: loop.remove_writer(left),
                lambda: right.send(b"x"),
            ]
        )()


def make_pairs(count: int) -> list[tuple[socket.socket, socket.socket]]:
    pairs = [socket.socketpair() for _ in range(count)]
    for left, right in pairs:
        left.setblocking(False)
        right.setblocking(False)
    return pairs


def close(loop: asyncio.AbstractEventLoop, pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    for left, right in pairs:
        loop.remove_reader(left)
        loop.remove_writer(left)
        left.close()
        right.close()


def test_by_host_code_while_the_io_thread_polls(drive: str) -> None:
    """And after the storm each fd still works: none was lost from the poller, none reports for another."""
    end = asyncio.Event()
    run = Run(drive)
    run.start(end.wait)
    settle(run)
    loop, pairs = run.guest.loop, make_pairs(20)
    told: list[object] = []
    loop.set_exception_handler(lambda loop, context: told.append(context.get("exception")))
    for _ in range(20):
        storm(loop, pairs, 50)
        run.host.run_once(0)  # type: ignore[attr-defined]
    settle(run)
    heard: list[int] = []
    for index, (left, right) in enumerate(pairs):
        loop.remove_writer(left)
        try:
            while left.recv(100):
                pass
        except BlockingIOError:
            pass

        def ready(index: int = index, left: socket.socket = left) -> None:
            heard.append(index)
            left.recv(100)

        loop.add_reader(left, ready)
    for _, right in pairs:
        right.send(b"y")
    host_until(run, lambda: len(heard) == len(pairs))
    assert sorted(heard) == list(range(len(pairs)))
    assert [error for error in told if not isinstance(error, BlockingIOError)] == []
    close(loop, pairs)
    end.set()
    run.finish()


def test_during_a_blocking_poll_events() -> None:
    """The three-step form: poll_events blocks on another thread while the loop's own changes what it waits for."""
    loop = asyncguest.EventLoop()
    pairs = make_pairs(10)
    for _ in range(10):
        found: list[bool] = []
        poller = threading.Thread(target=lambda: found.append(loop.poll_events(30)))
        poller.start()
        storm(loop, pairs, 100)
        left, right = pairs[0]
        loop.add_reader(left, left.recv, 100)
        right.send(b"x")
        poller.join(30)
        assert found == [True]
        loop.process_events(True)
        loop.set_exception_handler(lambda loop, context: None)
        loop.process_ready()
    close(loop, pairs)
    loop.close()


def test_a_callback_that_removes_its_neighbours(where: str) -> None:
    """All ready in one look; the first one removes the others, whose callbacks must not come, and closes their fds."""
    from helpers import run_anywhere

    async def main() -> int:
        loop = asyncio.get_running_loop()
        pairs = make_pairs(10)
        called: list[int] = []

        def first(index: int) -> None:
            called.append(index)
            for left, right in pairs:
                loop.remove_reader(left)
                left.close()
                right.close()

        for index, (left, right) in enumerate(pairs):
            right.send(b"x")
            loop.add_reader(left, first, index)
        await asyncio.sleep(0.005)
        return len(called)

    assert run_anywhere(where, main) == 1
