"""Contract point 10, second part: transports and servers touched by host code while the guest is idle."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator

import pytest
from helpers import Run, host_until, settle


class Peer(asyncio.Protocol):
    """One end of a connection, and all that it heard."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)

    def eof_received(self) -> bool:
        self.heard.append("eof")
        return True

    def pause_writing(self) -> None:
        self.heard.append("pause")

    def resume_writing(self) -> None:
        self.heard.append("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.heard.append("lost" if error is None else error)


class Connection:
    def __init__(self, run: Run, server: asyncio.Server, here: Peer, there: Peer) -> None:
        self.run, self.server, self.here, self.there = run, server, here, there

    @property
    def transport(self) -> asyncio.Transport:
        assert self.here.transport is not None
        return self.here.transport

    def until(self, peer: Peer, what: list[object]) -> None:
        host_until(self.run, lambda: peer.heard == what)


@pytest.fixture
def connection(drive: str) -> Iterator[Connection]:
    run = Run(drive)
    made: list[Connection] = []
    end = asyncio.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        there = Peer()
        server = await loop.create_server(lambda: there, "127.0.0.1", 0)
        _, here = await loop.create_connection(Peer, *server.sockets[0].getsockname()[:2])
        while there.transport is None:
            await asyncio.sleep(0)
        made.append(Connection(run, server, here, there))
        await end.wait()
        for peer in (here, there):
            assert peer.transport is not None
            peer.transport.abort()
        server.close()
        await asyncio.sleep(0)

    run.start(main)
    host_until(run, lambda: made)
    settle(run)
    yield made[0]
    end.set()
    run.finish()


def test_write(connection: Connection) -> None:
    connection.transport.write(b"from a handler")
    connection.until(connection.there, [b"from a handler"])


def test_write_more_than_the_socket_takes(connection: Connection) -> None:
    size = 8 << 20
    connection.transport.write(bytes(size))
    assert connection.transport.get_write_buffer_size() > 0
    host_until(connection.run, lambda: sum(len(data) for data in connection.there.heard) == size)  # type: ignore[arg-type]
    host_until(connection.run, lambda: connection.here.heard == ["pause", "resume"])


def test_write_eof(connection: Connection) -> None:
    connection.transport.write(b"last")
    connection.transport.write_eof()
    connection.until(connection.there, [b"last", "eof"])


def test_close(connection: Connection) -> None:
    connection.transport.close()
    connection.until(connection.here, ["lost"])
    connection.until(connection.there, ["eof"])


def test_abort(connection: Connection) -> None:
    connection.transport.abort()
    connection.until(connection.here, ["lost"])


def test_pause_and_resume_reading(connection: Connection) -> None:
    assert connection.there.transport is not None
    connection.there.transport.pause_reading()
    connection.transport.write(b"kept back")
    connection.run.host.run_once(0.02)  # type: ignore[attr-defined]
    connection.run.host.run_once(0)  # type: ignore[attr-defined]
    assert connection.there.heard == [], "it was told to pause"
    connection.there.transport.resume_reading()
    connection.until(connection.there, [b"kept back"])


def test_set_protocol(connection: Connection) -> None:
    other = Peer()
    connection.transport.set_protocol(other)
    assert connection.there.transport is not None
    connection.there.transport.write(b"to another")
    connection.until(other, [b"to another"])
    assert connection.here.heard == []


def test_server_close_from_a_handler(connection: Connection) -> None:
    address = connection.server.sockets[0].getsockname()[:2]
    connection.server.close()
    refused: list[object] = []

    async def try_it() -> None:
        try:
            await asyncio.open_connection(*address)
        except ConnectionRefusedError as error:
            refused.append(error)

    task = asyncio.create_task(try_it())
    host_until(connection.run, lambda: refused)
    host_until(connection.run, task.done)
    assert not connection.server.is_serving()


def test_kill_a_subprocess_from_a_handler(drive: str) -> None:
    processes: list[asyncio.subprocess.Process] = []

    async def main() -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-S", "-c", "import time; time.sleep(60)", stdout=asyncio.subprocess.PIPE
        )
        processes.append(process)
        return await process.wait()

    run = Run(drive)
    run.start(main)
    host_until(run, lambda: processes)
    settle(run)
    processes[0].kill()
    assert run.finish() == -signal.SIGKILL
