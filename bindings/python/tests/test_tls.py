"""TLS over native transports: it tells a protocol what CPython's own tells it, and asks OpenSSL no more than is needed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncguest
import pytest

DATA = Path(__file__).parent / "data"


class Counting(ssl.SSLObject):
    """What asyncio has of OpenSSL; counts how often it is asked for data."""

    reads = 0

    def read(self, *args: Any) -> Any:
        self.reads += 1
        return super().read(*args)


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(DATA / "localhost.pem", DATA / "localhost.key")
    server.sslobject_class = Counting
    return server, ssl.create_default_context(cafile=str(DATA / "localhost.pem"))


class Server(asyncio.Protocol):
    """Writes down what it is told. What arrives in pieces counts as one; `act` is called with each piece."""

    def __init__(self, act: Callable[[Server, bytes], object]) -> None:
        self.act = act
        self.log: list[Any] = []
        self.got = b""
        self.made: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.log.append("connection_made")
        self.made.set_result(None)

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.got += data
        if self.log[-1] != "data_received":
            self.log.append("data_received")
        self.act(self, data)

    def eof_received(self) -> None:
        self.log.append("eof_received")

    def pause_writing(self) -> None:
        self.log.append("pause_writing")

    def resume_writing(self) -> None:
        self.log.append("resume_writing")

    def connection_lost(self, error: Exception | None) -> None:
        self.log.append(("connection_lost", type(error).__name__))
        self.lost.set_result(None)


class BufferedServer(Server, asyncio.BufferedProtocol):
    """The same, into a buffer that is smaller than a record."""

    def get_buffer(self, sizehint: int) -> memoryview:  # which asyncio cuts: a bytearray it would copy
        self.buffer = memoryview(bytearray(1000))
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self.buffer[:nbytes]))


Scene = Callable[[Server, asyncio.StreamReader, asyncio.StreamWriter], Any]


async def played(
    scene: Scene, act: Callable[[Server, bytes], object], kind: type[Server], version: ssl.TLSVersion
) -> list[Any]:
    loop = asyncio.get_running_loop()
    for_server, for_client = contexts()
    for_server.maximum_version = version
    protocol = kind(act)
    complaints: list[str] = []
    loop.set_exception_handler(lambda _, context: complaints.append(f"{context['message']}: {context['exception']!r}"))
    server = await loop.create_server(lambda: protocol, "127.0.0.1", 0, ssl=for_server)
    host, port = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port, ssl=for_client, server_hostname="localhost")
    await protocol.made
    try:
        await scene(protocol, reader, writer)
    finally:
        writer.close()
        await protocol.lost
        server.close()
    return [*protocol.log, protocol.got, *complaints]


def echo(server: Server, data: bytes) -> None:
    server.transport.write(data)


async def messages(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for size in (1, 1024, 16384, 16385, 300_000, 5):
        writer.write(b"x" * size)
        assert await reader.readexactly(size) == b"x" * size


async def client_closes(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"last words")  # with close_notify behind it
    writer.close()
    await server.lost


async def client_resets(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"word")
    await reader.readexactly(4)
    writer.transport.abort()
    await server.lost


async def much_out(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for limits in ({}, {"high": 0}, {"high": 1 << 20, "low": 10}):
        server.transport.set_write_buffer_limits(**limits)
        server.transport.writelines([bytes(3_000_000), bytearray(10), memoryview(b"abc")])
        server.transport.write(bytes(70_000))
        assert len(await reader.readexactly(3_070_013)) == 3_070_013
    server.log = [entry for entry in server.log if entry not in ("pause_writing", "resume_writing")]
    server.log.append(server.transport.get_write_buffer_size())


async def paused(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What comes while reading is paused waits; more than the limit pauses the transport below."""
    server.transport.pause_reading()
    writer.write(bytes(1_000_000))
    while not server.transport._ssl_protocol._ssl_reading_paused:
        await asyncio.sleep(0)
    server.log.append(len(server.got))
    server.transport.resume_reading()
    await reader.readexactly(1_000_000)
    server.log = [entry for entry in server.log if entry not in ("pause_writing", "resume_writing")]


async def closes_and_writes(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"go")
    assert await reader.read() == b"bye"


def bye(server: Server, data: bytes) -> None:
    server.transport.write(b"bye")
    server.transport.close()
    server.transport.write(b"nothing")


async def raises(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"go")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)


def boom(server: Server, data: bytes) -> None:
    raise ZeroDivisionError("boom")


async def lines(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"go")
    assert await reader.readexactly(40_010) == b"onetwo" + bytes(40_000) + b"last"


def in_lines(server: Server, data: bytes) -> None:
    server.transport.writelines((b"one",))
    server.transport.writelines(piece for piece in (b"t", b"wo"))
    server.transport.writelines([bytes(40_000), b"la", bytearray(b"st")])
    with pytest.raises(TypeError):
        server.transport.writelines((1,))  # type: ignore[arg-type]


async def wrong_data(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """No TLS any more: a fatal alert."""
    raw = writer.transport.get_extra_info("socket")
    raw._sock.send(b"this is no record of TLS at all")  # below the transport
    await server.lost


SCENES: dict[str, tuple[Scene, Callable[[Server, bytes], object]]] = {
    "messages": (messages, echo),
    "client_closes": (client_closes, echo),
    "client_resets": (client_resets, echo),
    "much_out": (much_out, echo),
    "paused": (paused, echo),
    "closes_and_writes": (closes_and_writes, bye),
    "raises": (raises, boom),
    "lines": (lines, in_lines),
    "wrong_data": (wrong_data, echo),
}


def play(main: Any, native: bool = True) -> Any:
    with asyncio.Runner(loop_factory=lambda: asyncguest.EventLoop(native=native)) as runner:
        return runner.run(main)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("kind", [Server, BufferedServer])
@pytest.mark.parametrize("name", SCENES)
def test_a_protocol_is_told_the_same(name: str, kind: type[Server], version: ssl.TLSVersion) -> None:
    wanted = play(played(*SCENES[name], kind, version), native=False)
    assert play(played(*SCENES[name], kind, version)) == wanted


def test_a_record_is_asked_for_once() -> None:
    """That there is no more is known, without an exception that says so."""

    async def scene(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sslobj = server.transport.get_extra_info("ssl_object")
        writer.write(b"x")
        await reader.readexactly(1)  # the client's first message may come with the end of its handshake
        before = sslobj.reads
        for _ in range(10):
            writer.write(b"x")
            await reader.readexactly(1)
        assert sslobj.reads - before == 10

    play(played(scene, echo, Server, ssl.TLSVersion.TLSv1_3))
