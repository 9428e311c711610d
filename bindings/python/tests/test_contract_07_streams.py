"""Contract point 7: streams over TCP and Unix sockets, TLS, and their flow control, as a guest in both drives and alone."""

from __future__ import annotations

import asyncio
import contextvars
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import run_anywhere, unix_only

DATA = Path(__file__).parent / "data"  # a self-signed certificate for localhost, good for a hundred years


def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(DATA / "localhost.pem", DATA / "localhost.key")
    return server, ssl.create_default_context(cafile=str(DATA / "localhost.pem"))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int = 1 << 20) -> None:
    """Lines, then more than any buffer holds, both ways at once, and a clean end."""
    writer.write(b"one\ntwo\n")
    assert await reader.readline() == b"one\n"
    assert await reader.readuntil(b"o\n") == b"two\n"
    payload = bytes(range(256)) * (size // 256)

    async def send() -> None:
        for start in range(0, size, 1 << 18):
            writer.write(payload[start : start + (1 << 18)])
            await writer.drain()

    received, _ = await asyncio.gather(reader.readexactly(size), send())
    assert received == payload
    if writer.can_write_eof():
        writer.write_eof()
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


def test_tcp(where: str) -> None:
    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            address = server.sockets[0].getsockname()[:2]
            await asyncio.gather(*[talk(*await asyncio.open_connection(*address)) for _ in range(3)])

    run_anywhere(where, main)


@unix_only("asyncio has no Unix sockets there")
def test_unix_sockets(where: str, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "socket")
        server = await asyncio.start_unix_server(echo, path)
        async with server:
            await talk(*await asyncio.open_unix_connection(path))

    run_anywhere(where, main)


def test_tls(where: str) -> None:
    async def main() -> None:
        for_server, for_client = tls()
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=for_server)
        async with server:
            address = server.sockets[0].getsockname()[:2]
            reader, writer = await asyncio.open_connection(*address, ssl=for_client, server_hostname="localhost")
            assert writer.get_extra_info("ssl_object").version() in ("TLSv1.2", "TLSv1.3")
            await talk(reader, writer)

    run_anywhere(where, main)


def test_tls_with_a_wrong_name_is_refused(where: str) -> None:
    async def main() -> None:
        for_server, for_client = tls()
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # the server's side of it
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=for_server)
        async with server:
            address = server.sockets[0].getsockname()[:2]
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection(*address, ssl=for_client, server_hostname="example.org")

    run_anywhere(where, main)


def test_start_tls(where: str) -> None:
    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go\n")
        await writer.drain()
        await writer.start_tls(tls()[0])
        await echo(reader, writer)

    async def main() -> None:
        server = await asyncio.start_server(upgrade, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            writer.write(b"STARTTLS\n")
            assert await reader.readline() == b"go\n"
            await writer.start_tls(tls()[1], server_hostname="localhost")
            await talk(reader, writer)

    run_anywhere(where, main)


def test_a_slow_reader_holds_the_writer_back(where: str) -> None:
    """drain() waits while the peer does not read, and goes on when it does."""
    release = asyncio.Event

    async def main() -> int:
        go = release()
        read = 0

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal read
            await go.wait()
            while data := await reader.read(1 << 16):
                read += len(data)
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(slow, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            writer.write(bytes(16 << 20))
            drain = asyncio.create_task(writer.drain())
            await asyncio.sleep(0.01)
            assert not drain.done(), "drain() did not wait"
            go.set()
            await drain
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        return read

    assert run_anywhere(where, main) == 16 << 20


@unix_only("asyncio has no Unix sockets there")
def test_what_goes_wrong_is_what_plain_asyncio_says(where: str) -> None:
    async def main() -> None:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", 1)
        with pytest.raises(FileNotFoundError):
            await asyncio.open_unix_connection("/nonexistent/socket")
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            with pytest.raises(OSError):
                await asyncio.start_server(echo, *server.sockets[0].getsockname()[:2])
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            writer.write(b"short")
            writer.write_eof()
            with pytest.raises(asyncio.IncompleteReadError):
                await reader.readexactly(100)
            writer.close()
            await writer.wait_closed()

    run_anywhere(where, main)


@unix_only("CPython's proactor shuts a socket down before it closes it: the peer reads its end")
def test_a_connection_that_is_reset(where: str) -> None:
    import socket
    import struct

    async def main() -> None:
        accepted: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(lambda reader, writer: accepted.append(writer), "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            while not accepted:
                await asyncio.sleep(0)
            raw = accepted[0].get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted[0].transport.abort()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
            with pytest.raises(ConnectionResetError):
                await writer.wait_closed()

    run_anywhere(where, main)


@pytest.mark.skipif(sys.version_info < (3, 15), reason="a connection has one context from 3.15 on")
@pytest.mark.parametrize("encrypted", [False, True])
def test_a_connection_has_a_context_of_its_own(where: str, encrypted: bool) -> None:
    """What a server's protocol sets is there in each of its methods, and nowhere else."""
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody's")
    heard: list[str] = []

    class Named(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            heard.append(name.get())
            name.set(f"connection {len(heard)}")

        def data_received(self, data: bytes) -> None:
            self.transport.write(name.get().encode())
            self.transport.pause_reading()
            self.transport.resume_reading()  # is watched anew

        def connection_lost(self, error: Exception | None) -> None:
            heard.append(name.get())

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server_tls, client_tls = tls() if encrypted else (None, None)
        server = await loop.create_server(Named, "127.0.0.1", 0, ssl=server_tls)
        async with server:
            port = server.sockets[0].getsockname()[1]
            ends = [
                await asyncio.open_connection(
                    "127.0.0.1", port, ssl=client_tls, server_hostname=encrypted and "localhost" or None
                )
                for _ in range(2)
            ]
            for number in (1, 2, 1):
                reader, writer = ends[number - 1]
                writer.write(b"?")
                assert await reader.readexactly(12) == b"connection %d" % number
            for _, writer in ends:
                writer.close()
                await writer.wait_closed()
            while len(heard) < 4:
                await asyncio.sleep(0.001)
        assert name.get() == "nobody's"
        assert heard[:2] == ["nobody's"] * 2 and sorted(heard[2:]) == ["connection 1", "connection 2"]

    run_anywhere(where, main)
