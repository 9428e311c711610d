"""Servers under the load of another process: processor time of this one per request, by the kind of receiver.

Owns: that process.
"""

from __future__ import annotations

import asyncio
import json
import resource
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from costs import Costs, Figures
from load import client, generator, started

if TYPE_CHECKING:
    from hosts import BenchHost

HERE = Path(__file__).parent
CERTIFICATE = HERE.parents[1] / "bindings" / "python" / "tests" / "data" / "localhost.pem"


class Echo(asyncio.Protocol):
    """Sends back what comes."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class BufferedEcho(asyncio.BufferedProtocol):
    """The same, in a buffer of its own."""

    def __init__(self) -> None:
        self._buffer = bytearray(256 * 1024)
        self._view = memoryview(self._buffer)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._transport.write(self._view[:nbytes])


class DatagramEcho(asyncio.DatagramProtocol):
    """The same, for datagrams."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._transport.sendto(data, addr)


async def protocol(host: BenchHost | None, connections: int, size: int, seconds: float) -> Figures:
    """A `Protocol`."""
    return await _serve(await listen(Echo), connections, size, seconds)


async def buffered(host: BenchHost | None, connections: int, size: int, seconds: float) -> Figures:
    """A `BufferedProtocol`."""
    return await _serve(await listen(BufferedEcho), connections, size, seconds)


async def read(host: BenchHost | None, connections: int, size: int, seconds: float) -> Figures:
    """`StreamReader.read`."""
    return await _serve(await _stream_server(lambda reader: reader.read(65536)), connections, size, seconds)


async def readexactly(host: BenchHost | None, connections: int, size: int, seconds: float) -> Figures:
    """`StreamReader.readexactly`."""
    return await _serve(await _stream_server(lambda reader: reader.readexactly(size)), connections, size, seconds)


async def tls(host: BenchHost | None, connections: int, size: int, seconds: float) -> Figures:
    """A `Protocol` behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_suffix(".key"))
    server = await listen(Echo, ssl=context)
    return await _under(server, client("tls", port_of(server), connections, size, seconds))


async def http(host: BenchHost | None, connections: int, size: int, seconds: float) -> Figures:
    """aiohttp's server, whose answer is `size` bytes of text."""
    from aiohttp import web

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="x" * size)

    application = web.Application()
    application.router.add_get("/", hello)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    server = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0)
    figures = await _under(server, client("http", port_of(server), connections, size, seconds))
    await runner.cleanup()
    return figures


async def websockets(host: BenchHost | None, connections: int, size: int, seconds: float) -> Figures:
    """The package of this name: its server sends back what comes."""
    from websockets.asyncio.server import ServerConnection, serve

    async def answer(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    server = await serve(answer, "127.0.0.1", 0, compression=None, ping_interval=None)
    port = int(next(iter(server.sockets)).getsockname()[1])
    return await _under(server, client("websockets", port, connections, size, seconds))


async def datagrams(host: BenchHost | None, connections: int, size: int, seconds: float) -> Figures:
    """UDP."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(DatagramEcho, ("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    return await _under(transport, generator(port, connections, size, seconds, "udp"))


async def saturated(host: BenchHost | None, connections: int, size: int, seconds: float) -> Figures:
    """A `Protocol`, while the host has timers."""
    assert host is not None
    server = await listen(Echo)
    probe = host.probe()
    figures = await _serve(server, connections, size, seconds)
    return {**figures, "late_ms": probe.late_ms(99)}


async def connections(host: BenchHost | None, count: int) -> Figures:
    """So many connections that do nothing: what each adds to this process."""
    server = await listen(Echo)
    before = resident()
    reader, writer = await started(client("idle", port_of(server), count, 0, 0.0))
    await reader.readline()  # all are connected
    after = resident()
    writer.close()
    server.close()
    return {"resident_KiB": (after - before) / count / 1024}


async def listen(protocol: Callable[[], asyncio.BaseProtocol], **options: Any) -> asyncio.Server:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return await asyncio.get_running_loop().create_server(
        protocol,  # type: ignore[arg-type]
        "127.0.0.1",
        0,
        backlog=1000,
        **options,
    )


async def _stream_server(get: Callable[[asyncio.StreamReader], Awaitable[bytes]]) -> asyncio.Server:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await get(reader):
                writer.write(data)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the load is over
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1000)


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


def resident() -> int:
    """Bytes."""
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * resource.getpagesize()


async def _serve(server: asyncio.Server, connections: int, size: int, seconds: float) -> Figures:
    return await _under(server, generator(port_of(server), connections, size, seconds))


async def _under(server: Any, command: list[str]) -> Figures:
    """What it costs while that command runs, per request that it reports."""
    costs = Costs()
    reader, transport = await started(command)
    line = await reader.readline()
    transport.close()
    server.close()
    answered = json.loads(line)
    return {**answered, **costs.per(max(1, answered["requests"]))}
