"""The local HTTP server: files of known content, paced, so that the demo needs no network.

Owns: the listening socket and a task for each connection. A guest like the downloads, in the same deliveries.
"""

from __future__ import annotations

import asyncio
import hashlib
from types import TracebackType
from typing import NamedTuple

# Seconds between two writes to a client.
PACE = 0.01

MIB = 1 << 20


class File(NamedTuple):
    """One file: its size, and its part of the time that the longest download takes."""

    size: int
    share: float


FILES = {
    "letter.txt": File(48 << 10, 0.3),
    "photo.jpg": File(3 * MIB // 2, 0.5),
    "album.flac": File(7 * MIB, 0.75),
    "film.mkv": File(20 * MIB, 1.0),
}

# Promises so much, sends two fifths of it in a fifth of the time, and then nothing more.
STALLING = "stalls.iso"
STALL = File(4 * MIB, 0.5)


def content(name: str, size: int) -> bytes:
    """The same bytes whenever the demo runs, and others for each name."""
    return hashlib.shake_128(name.encode()).digest(size)


class FileServer:
    """An asynchronous context manager: it serves inside the block. `seconds`: how long the longest file takes."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._bodies = {name: content(name, file.size) for name, file in FILES.items()}
        self._digests = {name: hashlib.sha256(body).hexdigest() for name, body in self._bodies.items()}
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def urls(self) -> list[str]:
        """The files, with what they have to be as `#sha256=`, and the URL that stalls. Inside the block."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        base = f"http://{host}:{port}/"
        return [f"{base}{name}#sha256={digest}" for name, digest in self._digests.items()] + [base + STALLING]

    async def __aenter__(self) -> FileServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split()
            await self._answer(request[1].lstrip("/") if len(request) > 1 else "", reader, writer)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # the client has gone, or it is none of HTTP
        except asyncio.CancelledError:
            pass  # the server ends, and this task with it
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if name in FILES:
            body = self._bodies[name]
            self._head(writer, "200 OK", len(body))
            await self._pace(writer, body, FILES[name].share * self._seconds)
        elif name == STALLING:
            self._head(writer, "200 OK", STALL.size)
            part = bytes(STALL.size * 2 // 5)
            await self._pace(writer, part, STALL.share * self._seconds * 2 / 5)
            await reader.read()  # until the client gives up
        else:
            self._head(writer, "404 Not Found", 0)
            await writer.drain()

    @staticmethod
    def _head(writer: asyncio.StreamWriter, status: str, length: int) -> None:
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n".encode())

    @staticmethod
    async def _pace(writer: asyncio.StreamWriter, body: bytes, seconds: float) -> None:
        """Writes `body` evenly over so many seconds; what a late round has missed, the next one makes up for."""
        clock = asyncio.get_running_loop().time
        began = clock()
        sent = 0
        while sent < len(body):
            await asyncio.sleep(PACE)
            due = len(body) if seconds <= 0 else min(len(body), int(len(body) * (clock() - began) / seconds))
            if due > sent:
                writer.write(body[sent:due])
                sent = due
                await writer.drain()
