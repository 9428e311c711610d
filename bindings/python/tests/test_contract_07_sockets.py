"""Contract point 7: UDP, sock_* methods, sendfile, pipes, getaddrinfo and the executor, everywhere."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers import run_anywhere


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.got: asyncio.Queue[tuple[object, object]] = asyncio.Queue()

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.got.put_nowait((data, address))

    def error_received(self, error: Exception) -> None:
        self.got.put_nowait((error, None))


def test_udp(where: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        one, first = await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
        other, second = await loop.create_datagram_endpoint(Datagrams, remote_addr=one.get_extra_info("sockname"))
        for number in range(50):
            other.sendto(b"%d" % number)
        got = [await first.got.get() for _ in range(50)]
        assert [data for data, _ in got] == [b"%d" % number for number in range(50)]
        one.sendto(b"answer", got[0][1])
        assert (await second.got.get())[0] == b"answer"
        one.close()
        await asyncio.sleep(0)
        other.sendto(b"to nobody")
        assert isinstance((await second.got.get())[0], ConnectionRefusedError)
        other.close()
        await asyncio.sleep(0)

    run_anywhere(where, main)


def test_sock_methods(where: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as listener, socket.socket() as client:
            for sock in (listener, client):
                sock.setblocking(False)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            accept = asyncio.create_task(loop.sock_accept(listener))
            await asyncio.sleep(0)
            await loop.sock_connect(client, listener.getsockname())
            server, _ = await accept
            with server:
                buffer = bytearray(4)
                recv = asyncio.create_task(loop.sock_recv_into(server, buffer))
                await asyncio.sleep(0)
                await loop.sock_sendall(client, b"four")
                assert await recv == 4 and buffer == b"four"
                big = bytes(4 << 20)
                send = asyncio.create_task(loop.sock_sendall(client, big))
                received = 0
                while received < len(big):
                    received += len(await loop.sock_recv(server, 1 << 20))
                await send
                cancelled = asyncio.create_task(loop.sock_recv(server, 1))
                await asyncio.sleep(0)
                cancelled.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await cancelled
                client.close()
                assert await loop.sock_recv(server, 1) == b""

    run_anywhere(where, main)


def test_sock_datagrams(where: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
            for sock in (one, other):
                sock.setblocking(False)
                sock.bind(("127.0.0.1", 0))
            recv = asyncio.create_task(loop.sock_recvfrom(one, 100))
            await asyncio.sleep(0)
            await loop.sock_sendto(other, b"datagram", one.getsockname())
            assert await recv == (b"datagram", other.getsockname())

    run_anywhere(where, main)


@pytest.mark.parametrize("fallback", [False, True])
def test_sendfile(where: str, tmp_path: Path, fallback: bool) -> None:
    path = tmp_path / "file"
    content = os.urandom(1 << 20)
    path.write_bytes(content)

    async def main() -> bytes:
        loop = asyncio.get_running_loop()

        async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with path.open("rb") as file:
                assert await loop.sendfile(writer.transport, file, 100, fallback=fallback) == len(content) - 100
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(send, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            got = await reader.read()
            writer.close()
            await writer.wait_closed()
        return got

    assert run_anywhere(where, main) == content[100:]


def test_sock_sendfile(where: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1 << 20))

    async def main() -> int:
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        with left, right, path.open("rb") as file:
            left.setblocking(False)
            right.setblocking(False)
            send = asyncio.create_task(loop.sock_sendfile(left, file))
            got = 0
            while got < 1 << 20:
                got += len(await loop.sock_recv(right, 1 << 20))
            return await send

    assert run_anywhere(where, main) == 1 << 20


def test_pipes(where: str) -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        reading, writing = os.pipe()
        reader = asyncio.StreamReader()
        read_transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0)
        )
        write_transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(writing, "wb", 0))
        write_transport.write(bytes(1 << 19))
        write_transport.close()
        data = await reader.read()
        read_transport.close()
        await asyncio.sleep(0)
        return data

    assert run_anywhere(where, main) == bytes(1 << 19)


def test_a_pipe_whose_reader_goes_away(where: str) -> None:
    class Lost(asyncio.BaseProtocol):
        def __init__(self) -> None:
            self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

        def connection_lost(self, error: Exception | None) -> None:
            self.lost.set_result(error)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        reading, writing = os.pipe()
        _, protocol = await loop.connect_write_pipe(Lost, os.fdopen(writing, "wb", 0))
        os.close(reading)
        assert isinstance(await asyncio.wait_for(protocol.lost, 10), (BrokenPipeError, type(None)))

    run_anywhere(where, main)


def test_readers_and_writers_as_plain_asyncio_has_them(where: str, tmp_path: Path) -> None:
    """With fds and with objects; replaced, removed, removed twice; an fd that cannot be polled."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        left.setblocking(False)
        with left, right:
            for fileobj in (left, left.fileno()):
                heard = asyncio.Event()
                loop.add_reader(fileobj, lambda: None)
                loop.add_reader(fileobj, heard.set)
                loop.add_writer(fileobj, lambda: None)
                assert loop.remove_writer(fileobj) is True and loop.remove_writer(fileobj) is False
                right.send(b"x")
                await asyncio.wait_for(heard.wait(), 10)
                assert left.recv(10) == b"x"
                assert loop.remove_reader(fileobj) is True and loop.remove_reader(fileobj) is False
            loop.add_reader(left, lambda: None)
            assert loop.remove_reader(left.fileno()) is True
            with pytest.raises(ValueError):
                loop.add_reader(object(), lambda: None)  # type: ignore[arg-type]
            with pytest.raises(ValueError):
                loop.add_reader(-1, lambda: None)
        with (tmp_path / "file").open("wb") as file, pytest.raises(PermissionError):
            loop.add_reader(file, lambda: None)  # epoll refuses plain files
        with pytest.raises(OSError):
            loop.add_reader(9999, lambda: None)

    run_anywhere(where, main)


def test_a_closed_fd_whose_number_comes_back(where: str) -> None:
    """asyncio's users forget remove_reader before close; the new owner of the number must get a working reader."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        number = left.fileno()
        loop.add_reader(number, lambda: None)
        loop.remove_reader(number)
        left.close()
        right.close()
        left, right = socket.socketpair()
        assert number in (left.fileno(), right.fileno())
        heard = asyncio.Event()
        mine, other = (left, right) if left.fileno() == number else (right, left)
        loop.add_reader(number, heard.set)
        other.send(b"x")
        await asyncio.wait_for(heard.wait(), 10)
        loop.remove_reader(number)
        mine.close()
        other.close()

    run_anywhere(where, main)


def test_getaddrinfo_and_getnameinfo(where: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
        assert found == socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
        assert await loop.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV) == (
            "127.0.0.1",
            "80",
        )
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("127.0.0.1", "no such service")

    run_anywhere(where, main)


def test_the_executor(where: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        here = threading.get_ident()
        assert await loop.run_in_executor(None, threading.get_ident) != here
        assert await asyncio.to_thread(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, lambda: 1 / 0)
        with ThreadPoolExecutor(2) as pool:
            assert await asyncio.gather(*[loop.run_in_executor(pool, pow, 2, n) for n in range(20)]) == [
                2**n for n in range(20)
            ]
        loop.set_default_executor(ThreadPoolExecutor(1, thread_name_prefix="mine"))
        assert (await loop.run_in_executor(None, lambda: threading.current_thread().name)).startswith("mine")

    run_anywhere(where, main)


def test_run_coroutine_threadsafe(where: str) -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()

        async def inside(number: int) -> int:
            assert asyncio.get_running_loop() is loop
            await asyncio.sleep(0)
            return number

        def outside(number: int) -> int:
            return asyncio.run_coroutine_threadsafe(inside(number), loop).result(10)

        return await asyncio.gather(*[asyncio.to_thread(outside, number) for number in range(10)])

    assert run_anywhere(where, main) == list(range(10))
