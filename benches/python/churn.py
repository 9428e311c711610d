"""Connections that come and go, and what they leave behind in this process.

Owns: the client, which is another process. Each function gets the host that it lives in, None for a loop alone.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from costs import Figures
from load import client, started
from under_load import Echo, listen, port_of, resident

if TYPE_CHECKING:
    from hosts import BenchHost

# How many are open at a time.
_AT_ONCE = 50


class Open:
    """How many connections are open."""

    def __init__(self) -> None:
        self._count = 0
        self.none = asyncio.Event()
        self.none.set()

    def __enter__(self) -> None:
        self._count += 1
        self.none.clear()

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if not self._count:
            self.none.set()


class Visited(Echo):
    """Hangs up where it is told to."""

    def __init__(self, open_now: Open) -> None:
        self._open = open_now

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._open.__enter__()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if data == b"bye":
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.__exit__()


async def protocols(host: BenchHost | None, count: int) -> Figures:
    """A `Protocol`."""
    open_now = Open()
    return await _after(await listen(lambda: Visited(open_now)), open_now, count, (Visited,))


async def streams(host: BenchHost | None, count: int) -> Figures:
    """`StreamReader` and `StreamWriter`, with a task for each connection."""
    open_now = Open()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with open_now:
            try:
                while data := await reader.read(100):
                    writer.write(data)
                    await writer.drain()
                    if data == b"bye":
                        break
                writer.close()
                await writer.wait_closed()
            except ConnectionError:
                pass  # as half of the clients do it

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1000)
    return await _after(server, open_now, count, (asyncio.StreamReader, asyncio.StreamWriter, asyncio.Task))


async def _after(server: asyncio.Server, open_now: Open, count: int, classes: Iterable[type]) -> Figures:
    """What is there more of after so many connections than after the first hundredth."""
    watched = [asyncio.get_running_loop(), server, *classes]
    figures: Figures = {}
    for when, connections in (("before", max(1000, count // 100)), ("after", count)):
        reader, transport = await started(client("churn", port_of(server), _AT_ONCE, connections, 0.0))
        assert json.loads(await reader.readline()) == {"connections": connections}
        transport.close()
        await open_now.none.wait()
        for _ in range(100):  # until the last one's transport has ended
            await asyncio.sleep(0)
        del reader, transport
        figures |= {f"{name}_{when}": value for name, value in _state(watched).items()}
    server.close()
    return figures


def _state(watched: Iterable[object]) -> Figures:
    while gc.collect():
        pass
    return {
        "resident": resident() / 1024,
        "heap": _heap() / 1024,
        "objects": len(gc.get_objects()),
        "blocks": sys.getallocatedblocks(),
        "references": sum(map(sys.getrefcount, watched)),
    }


class _Mallinfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


def _heap() -> int:
    """Bytes that native code has from the main thread's malloc; 0 where it does not say (musl)."""
    mallinfo: Any = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is None:
        return 0
    mallinfo.restype = _Mallinfo
    told = mallinfo()
    return int(told.uordblks + told.hblkhd)
