"""USERS 13: exceptions swallowed or doubled. Here: a fault at each callback boundary makes exactly one report."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable

import pytest
from helpers import Run, host_until, settle


class Fault(Exception):
    """The one that is raised."""


def fault(*_: object) -> None:
    raise Fault


class Faulty(asyncio.Protocol):
    """A protocol that fails at one place."""

    def __init__(self, where: str, over: asyncio.Event) -> None:
        self.where, self.over = where, over

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        if self.where == "connection_made":
            self.over.set()
            raise Fault

    def data_received(self, data: bytes) -> None:
        if self.where == "data_received":
            raise Fault

    def eof_received(self) -> None:
        if self.where == "eof_received":
            raise Fault

    def connection_lost(self, error: Exception | None) -> None:
        self.over.set()
        if self.where == "connection_lost":
            raise Fault


async def raises() -> None:
    raise Fault


class Bench:
    """A loop whose reports are collected, and things to provoke them with."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.told: list[BaseException] = []
        self.keep: list[object] = []
        loop.set_exception_handler(lambda loop, context: self.told.append(context["exception"]))
        self.left, self.right = socket.socketpair()
        self.left.setblocking(False)

    def close(self) -> None:
        self.left.close()
        self.right.close()


def reader(bench: Bench) -> None:
    def ready() -> None:
        bench.loop.remove_reader(bench.left)
        raise Fault

    bench.loop.add_reader(bench.left, ready)
    bench.right.send(b"x")


def writer(bench: Bench) -> None:
    def ready() -> None:
        bench.loop.remove_writer(bench.left)
        raise Fault

    bench.loop.add_writer(bench.left, ready)


def signal_handler(bench: Bench) -> None:
    bench.loop.add_signal_handler(signal.SIGUSR1, fault)
    os.kill(os.getpid(), signal.SIGUSR1)


def future_callback(bench: Bench) -> None:
    future = bench.loop.create_future()
    future.add_done_callback(fault)
    future.set_result(None)


def protocol(where: str) -> Callable[[Bench], None]:
    def provoke(bench: Bench) -> None:
        async def talk() -> None:
            over = asyncio.Event()
            left, right = socket.socketpair()
            transport, _ = await bench.loop.create_connection(lambda: Faulty(where, over), sock=left)
            right.send(b"x")
            right.close()
            await over.wait()
            transport.close()

        bench.keep.append(bench.loop.create_task(talk()))

    return provoke


def asyncgen(bench: Bench) -> None:
    async def generator():  # type: ignore[no-untyped-def]
        try:
            yield 1
        finally:
            raise Fault

    async def drop() -> None:
        items = generator()
        await items.__anext__()
        bench.loop.call_later(0.005, gc.collect)  # asyncio reports when the task that closed it is forgotten

    bench.keep.append(bench.loop.create_task(drop()))


def forgotten_task(bench: Bench) -> None:
    task = bench.loop.create_task(raises())
    task.add_done_callback(lambda _: bench.loop.call_soon(gc.collect))


BOUNDARIES: dict[str, Callable[[Bench], object]] = {
    "call_soon": lambda bench: bench.loop.call_soon(fault),
    "call_soon_threadsafe": lambda bench: bench.loop.call_soon_threadsafe(fault),
    "timer": lambda bench: bench.loop.call_later(0.001, fault),
    "reader": reader,
    "writer": writer,
    "signal": signal_handler,
    "future callback": future_callback,
    "forgotten task": forgotten_task,
    "protocol connection_made": protocol("connection_made"),
    "protocol data_received": protocol("data_received"),
    "protocol eof_received": protocol("eof_received"),
    "protocol connection_lost": protocol("connection_lost"),
    "async generator": asyncgen,
}


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("by", ["guest", "host"])
def test_one_fault_one_report(drive: str, boundary: str, by: str) -> None:
    """Provoked by guest code and by host code between the deliveries; and the guest goes on after it."""
    benches: list[Bench] = []
    end = asyncio.Event()

    async def main() -> str:
        bench = Bench(asyncio.get_running_loop())
        benches.append(bench)
        if by == "guest":
            BOUNDARIES[boundary](bench)
        await end.wait()
        await asyncio.sleep(0.002)
        bench.close()
        return "unharmed"

    run = Run(drive)
    run.start(main)
    bench = benches[0]
    if by == "host":
        settle(run)
        BOUNDARIES[boundary](bench)
    host_until(run, lambda: bench.told)
    end.set()
    assert run.finish() == "unharmed"
    assert [type(error) for error in bench.told] == [Fault]
    bench.told.clear()
    bench.keep.clear()


def test_an_awaited_fault_makes_no_report(drive: str) -> None:
    """It has been handed to somebody: the task that awaited it, the executor's future, the click's task."""
    told: list[object] = []

    async def main() -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: told.append(context))
        caught = 0
        for awaitable in (raises(), asyncio.create_task(raises()), loop.run_in_executor(None, fault)):
            try:
                await awaitable
            except Fault:
                caught += 1
        return caught

    run = Run(drive)
    run.start(main)
    settle(run) if not run.done else None
    assert run.finish() == 3
    gc.collect()
    assert told == []


def test_an_exception_handler_that_raises_itself(drive: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(fault)
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(0.001)
        return "unharmed"

    run = Run(drive)
    run.start(main)
    assert run.finish() == "unharmed"
    assert caplog.text.count("Unhandled error in exception handler") == 1
    caplog.clear()
