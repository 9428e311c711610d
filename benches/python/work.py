"""What the cells do: async functions that return their figures.

Owns: the children that the work needs. Each function gets the host that it lives in, None for a loop alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import bare
import churn
import under_load
from costs import Costs, Figures
from postgres import select
from under_load import Echo

if TYPE_CHECKING:
    from hosts import BenchHost

_WARM_UP = 100


class Answer(Echo):
    """The same, for a peer that hangs up when it has said what it had to."""

    def __init__(self) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set_result(None)


class Client(Echo):
    """Sends a message, waits for it to come back and sends the next, `count` times."""

    def __init__(self, message: bytes, count: int) -> None:
        self._message = message
        self._left = count
        self._got = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def begin(self) -> None:
        self.transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        self._got += len(data)
        if self._got < len(self._message):
            return
        self._got = 0
        self._left -= 1
        if self._left:
            self.transport.write(self._message)
        elif not self.done.done():
            self.done.set_result(None)


async def ticks(host: BenchHost | None, count: int) -> Figures:
    """`await asyncio.sleep(0)`, again and again."""
    for _ in range(_WARM_UP):
        await asyncio.sleep(0)
    costs = Costs()
    for _ in range(count):
        await asyncio.sleep(0)
    return costs.per(count)


async def soon(host: BenchHost | None, count: int) -> Figures:
    """`call_soon` of a callback that does nothing, a hundred at a time, and their running."""
    loop = asyncio.get_running_loop()
    costs = Costs()
    for _ in range(count // 100):
        for _ in range(100):
            loop.call_soon(int)
        await asyncio.sleep(0)
    return costs.per(count)


async def later(host: BenchHost | None, count: int) -> Figures:
    """`call_later` of what is cancelled at once, as a time limit that is not reached."""
    loop = asyncio.get_running_loop()
    costs = Costs()
    for _ in range(count // 100):
        for _ in range(100):
            loop.call_later(1.0, int).cancel()
        await asyncio.sleep(0)
    return costs.per(count)


async def futures(host: BenchHost | None, count: int) -> Figures:
    """A task sets the future that another one waits for, again and again."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    async def wait() -> None:
        for _ in range(count):
            await future

    waits = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    costs = Costs()
    for _ in range(count):
        before, future = future, loop.create_future()
        before.set_result(None)
        await asyncio.sleep(0)
    await waits
    return costs.per(count)


async def wake(host: BenchHost | None, fd: int) -> Figures:
    """Sends back what comes on the inherited socket `fd` until its other end is closed. What is measured is in duel.py."""
    _, answer = await asyncio.get_running_loop().create_connection(Answer, sock=socket.socket(fileno=fd))
    await answer.gone
    return {}


async def idle(host: BenchHost | None, seconds: float) -> Figures:
    """One sleeping task and one open connection; another process looks at this one's accounts."""
    sleeper = asyncio.ensure_future(asyncio.sleep(3600))
    try:
        return await _watched(seconds)
    finally:
        sleeper.cancel()


async def _watched(seconds: float) -> Figures:
    """Keeps a connection to a child that looks at this process meanwhile; returns what it has printed."""
    ours, theirs = socket.socketpair()
    out, out_of_child = os.pipe()
    _, answer = await asyncio.get_running_loop().create_connection(Answer, sock=ours)
    # By hand and not by asyncio, whose subprocesses are not alike in all these loops.
    script = str(Path(__file__).with_name("watcher.py"))
    command = [sys.executable, "-I", "-S", script, str(theirs.fileno()), str(os.getpid()), str(seconds)]
    theirs.set_inheritable(True)
    child = os.posix_spawn(
        sys.executable, command, dict(os.environ), file_actions=[(os.POSIX_SPAWN_DUP2, out_of_child, 1)]
    )
    theirs.close()
    os.close(out_of_child)
    await answer.gone
    os.waitpid(child, 0)
    with open(out) as printed:
        figures: Figures = json.load(printed)
    return figures


async def imports(host: BenchHost | None, count: int) -> Figures:
    """The import of the package whose loop this is, each in a new interpreter, that of asyncio included."""
    package = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    code = f"import time; began = time.process_time(); import {package}; print(time.process_time() - began)"
    command = [sys.executable, "-P", "-c", code]
    subprocess.run(command, check=True, capture_output=True)  # compiles what is not compiled yet
    took = [float(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(count)]
    return {"import_ms": median(took) * 1000}


async def pair(host: BenchHost | None, count: int) -> Figures:
    """Round trips of 1 KiB between a client and a server that are both in this loop."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    warm = Client(b"x" * 1024, _WARM_UP)
    client = Client(b"x" * 1024, count)
    for one in (warm, client):
        await loop.create_connection(lambda one=one: one, "127.0.0.1", port)  # type: ignore[misc]
    warm.begin()
    await warm.done
    costs = Costs()
    client.begin()
    await client.done
    figures = costs.per(count)
    for one in (warm, client):
        one.transport.close()
    server.close()
    return figures


async def storm(host: BenchHost | None, seconds: float) -> Figures:
    """A task that never waits, while the host has timers."""
    assert host is not None
    probe = host.probe()
    costs, count, end = Costs(), 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        for _ in range(100):
            await asyncio.sleep(0)
        count += 100
    return {**costs.per(count), "late_ms": probe.late_ms(99)}


async def burst(host: BenchHost | None, callbacks: int, times: int) -> Figures:
    """So many callbacks of 5 us at once, while the host has timers."""
    assert host is not None
    loop = asyncio.get_running_loop()

    def five_us() -> None:
        end = time.thread_time_ns() + 5000
        while time.thread_time_ns() < end:
            pass

    def queue_some() -> None:
        for _ in range(callbacks // 20):
            loop.call_soon(five_us)

    probe = host.probe()
    costs = Costs()
    for _ in range(times):
        over = loop.create_future()
        # To queue them all takes 20 ms, and no callback is ever cut: so in pieces, which all come before the first 5 us.
        for _ in range(20):
            loop.call_soon(queue_some)
        loop.call_soon(loop.call_soon, over.set_result, None)
        await over
    return {**costs.per(times * callbacks), "late_ms": probe.late_ms(99)}


# By name.
WORK: dict[str, Callable[..., Coroutine[Any, Any, Figures]]] = {
    function.__name__: function
    for function in (
        *(ticks, soon, later, futures, wake, imports, pair, idle, storm, burst, bare.calm, bare.slot, select),
        *(under_load.protocol, under_load.buffered, under_load.read, under_load.readexactly),
        *(under_load.datagrams, under_load.tls, under_load.http, under_load.websockets),
        *(under_load.saturated, under_load.connections, churn.protocols, churn.streams),
    )
}
WORK |= dict.fromkeys(("one", "many", "large"), under_load.protocol)
