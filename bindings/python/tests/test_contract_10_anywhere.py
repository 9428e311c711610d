"""Contract point 10: any loop method from any host code, between deliveries, while the guest is idle: it takes effect
without help.

Each case is called by the host's thread outside of any delivery, with nothing due. Then the host only waits: what the
call asked for must come by itself, and soon.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from helpers import Run, host_until, settle


class Idle:
    """A guest that sleeps, with a few things of its own that host code may touch."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.loop = run.guest.loop
        self.got: list[object] = []
        self.end = asyncio.Event()
        self.future = self.loop.create_future()
        self.event = asyncio.Event()
        self.queue: asyncio.Queue[str] = asyncio.Queue()
        self.left, self.right = socket.socketpair()
        self.left.setblocking(False)
        self.right.setblocking(False)
        self.keep: list[object] = []

    def hear(self, what: object = "heard", *_: object) -> None:
        self.got.append(what)

    async def wait_for(self, waited: Any) -> None:
        self.hear(await waited)


Case = Callable[[Idle], None]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


@case
def call_soon(idle: Idle) -> None:
    idle.loop.call_soon(idle.hear)


@case
def call_soon_threadsafe(idle: Idle) -> None:
    idle.loop.call_soon_threadsafe(idle.hear)


@case
def call_later(idle: Idle) -> None:
    idle.loop.call_later(0.002, idle.hear)


@case
def call_later_with_nothing_left_to_wait(idle: Idle) -> None:
    idle.loop.call_later(0, idle.hear)


@case
def call_at(idle: Idle) -> None:
    idle.loop.call_at(idle.loop.time() + 0.002, idle.hear)


@case
def call_at_in_the_past(idle: Idle) -> None:
    idle.loop.call_at(idle.loop.time() - 1, idle.hear)


@case
def a_sooner_timer_than_the_one_waited_for(idle: Idle) -> None:
    idle.loop.call_later(3600, idle.hear, "never")
    idle.loop.call_later(0.002, idle.hear)


@case
def create_task(idle: Idle) -> None:
    async def task() -> None:
        await asyncio.sleep(0)
        idle.hear()

    idle.loop.create_task(task())


@case
def asyncio_create_task(idle: Idle) -> None:
    asyncio.create_task(idle.wait_for(asyncio.sleep(0.001)))


@case
def ensure_future_and_gather(idle: Idle) -> None:
    idle.keep.append(asyncio.gather(idle.wait_for(asyncio.sleep(0.001)), asyncio.sleep(0)))


@case
def start_soon(idle: Idle) -> None:
    idle.run.guest.start_soon(idle.wait_for, asyncio.sleep(0.001))


@case
def start_soon_not_eager(idle: Idle) -> None:
    idle.run.guest.start_soon(idle.wait_for, asyncio.sleep(0), eager=False)


@case
def add_reader_on_a_readable_fd(idle: Idle) -> None:
    idle.right.send(b"x")
    idle.loop.add_reader(idle.left, lambda: (idle.loop.remove_reader(idle.left), idle.hear()))


@case
def add_reader_then_data(idle: Idle) -> None:
    idle.loop.add_reader(idle.left, lambda: (idle.loop.remove_reader(idle.left), idle.hear()))
    idle.right.send(b"x")


@case
def add_writer(idle: Idle) -> None:
    idle.loop.add_writer(idle.left, lambda: (idle.loop.remove_writer(idle.left), idle.hear()))


@case
def a_reader_replaced(idle: Idle) -> None:
    idle.loop.add_reader(idle.left, idle.hear, "the old one")
    idle.loop.add_reader(idle.left, lambda: (idle.loop.remove_reader(idle.left), idle.hear()))
    idle.right.send(b"x")


@case
def run_in_executor(idle: Idle) -> None:
    idle.loop.run_in_executor(None, os.getpid).add_done_callback(idle.hear)


@case
def getaddrinfo(idle: Idle) -> None:
    asyncio.create_task(idle.wait_for(idle.loop.getaddrinfo("127.0.0.1", 80)))


@case
def sock_recv_in_a_task(idle: Idle) -> None:
    asyncio.create_task(idle.wait_for(idle.loop.sock_recv(idle.left, 10)))
    idle.right.send(b"data")


@case
def sock_sendall_in_a_task(idle: Idle) -> None:
    async def send_more_than_fits() -> None:
        await idle.loop.sock_sendall(idle.left, bytes(1 << 20))
        idle.hear()

    def drain() -> None:
        try:
            while idle.right.recv(1 << 16):
                pass
        except BlockingIOError:
            pass

    asyncio.create_task(send_more_than_fits())
    idle.loop.add_reader(idle.right, drain)


@case
def future_set_result(idle: Idle) -> None:
    idle.future.set_result("result")


@case
def future_set_exception(idle: Idle) -> None:
    idle.future.set_exception(LookupError())


@case
def event_set(idle: Idle) -> None:
    idle.event.set()


@case
def queue_put_nowait(idle: Idle) -> None:
    idle.queue.put_nowait("item")


@case
def set_debug(idle: Idle) -> None:
    idle.loop.set_debug(not idle.loop.get_debug())
    idle.loop.call_soon(idle.hear)


@case
def add_signal_handler(idle: Idle) -> None:
    idle.loop.add_signal_handler(signal.SIGUSR1, idle.hear)
    os.kill(os.getpid(), signal.SIGUSR1)


@case
def start_a_subprocess(idle: Idle) -> None:
    async def child() -> None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", "pass")
        idle.hear(await process.wait())

    asyncio.create_task(child())


@case
def start_a_server_and_connect(idle: Idle) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    async def serve() -> None:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        await reader.read()
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        idle.hear()

    asyncio.create_task(serve())


@case
def shutdown_asyncgens(idle: Idle) -> None:
    asyncio.create_task(idle.wait_for(idle.loop.shutdown_asyncgens()))


@pytest.fixture
def idle(drive: str) -> Iterator[Idle]:
    run = Run(drive)
    made: list[Idle] = []

    async def main() -> None:
        made.append(Idle(run))
        me = made[0]
        me.future.add_done_callback(me.hear)
        event = asyncio.create_task(me.wait_for(me.event.wait()))
        queue = asyncio.create_task(me.wait_for(me.queue.get()))
        await me.end.wait()
        event.cancel()
        queue.cancel()

    run.start(main)
    settle(run)
    me = made[0]
    assert me.got == []
    yield me
    me.end.set()
    run.finish()
    if me.future.done():
        me.future.exception()
    me.left.close()
    me.right.close()


@pytest.mark.parametrize("name", CASES)
def test_it_takes_effect_without_help(idle: Idle, name: str) -> None:
    CASES[name](idle)
    assert idle.got in ([], ["heard"]) or name == "start_soon"
    host_until(idle.run, lambda: idle.got)
    assert len(idle.got) == 1 and idle.got != ["never"] and idle.got != ["the old one"]
