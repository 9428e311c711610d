"""Windows: the proactor's loop and the selector's in one, alone and as a guest."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncguest
import pytest
from helpers import Dialog, Run, host_until, run_anywhere
from test_tls import contexts

pytestmark = [
    pytest.mark.skipif(sys.platform != "win32", reason="completion ports and message loops are Windows' own"),
    pytest.mark.once,
]


@asynccontextmanager
async def echo_server(**options: Any) -> AsyncIterator[tuple[str, int]]:
    """The address of a server that sends back what comes."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, **options)
    async with server:
        yield server.sockets[0].getsockname()[:2]


def pair() -> tuple[socket.socket, socket.socket]:
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    return ends


# ---- what the loop can do


@pytest.mark.parametrize("native", [True, False])
def test_streams(where: str, native: bool) -> None:
    async def main() -> int:
        async with echo_server() as address:
            reader, writer = await asyncio.open_connection(*address)
            sent = os.urandom(1_000_000)
            writer.write(sent)
            writer.write_eof()
            assert await reader.read(-1) == sent
            writer.close()
            await writer.wait_closed()
            return 7

    assert run_anywhere(where, main, loop_factory=lambda: asyncguest.EventLoop(native=native)) == 7


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("native", [True, False])
def test_tls(where: str, native: bool, version: str) -> None:
    for_server, for_client = contexts()
    for_server.maximum_version = ssl.TLSVersion[version]

    async def main() -> str | None:
        async with echo_server(ssl=for_server) as (host, port):
            reader, writer = await asyncio.open_connection(host, port, ssl=for_client, server_hostname="localhost")
            for size in (1, 16384, 16385, 1_000_000):
                sent = os.urandom(size)
                writer.write(sent)
                assert await reader.readexactly(size) == sent
            writer.close()
            await writer.wait_closed()
            return str(writer.get_extra_info("ssl_object").version())

    loop_factory = lambda: asyncguest.EventLoop(native=native)  # noqa: E731
    assert run_anywhere(where, main, loop_factory=loop_factory) == version.replace("_", ".")


def test_a_subprocess_with_pipes_and_its_exit_code(where: str) -> None:
    async def main() -> tuple[bytes, int | None]:
        code = "import sys; print(sys.stdin.read().upper(), end=''); sys.exit(7)"
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        out, _ = await child.communicate(b"hello")
        return out, child.returncode

    assert run_anywhere(where, main) == (b"HELLO", 7)


def test_a_program_that_does_not_exist(where: str) -> None:
    async def main() -> None:
        await asyncio.create_subprocess_exec("no such program.exe")

    with pytest.raises(FileNotFoundError):
        run_anywhere(where, main)


def test_named_pipes_both_ways(where: str) -> None:
    name = rf"\\.\pipe\asyncguest-{os.getpid()}-{where}"

    class Echo(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

    class Client(asyncio.Protocol):
        def __init__(self, expected: int) -> None:
            self.left = expected
            self.done = asyncio.get_running_loop().create_future()

        def data_received(self, data: bytes) -> None:
            self.left -= len(data)
            if self.left == 0:
                self.done.set_result(None)

    async def main() -> int:
        loop: Any = asyncio.get_running_loop()
        [server] = await loop.start_serving_pipe(Echo, name)
        transport, client = await loop.create_pipe_connection(lambda: Client(300_000), name)
        transport.write(b"x" * 300_000)
        await client.done
        transport.close()
        server.close()
        await asyncio.sleep(0)
        return int(client.left)

    assert run_anywhere(where, main) == 0


def test_a_socket_that_was_closed_under_its_transport(where: str) -> None:
    """The error is the system's own, by its own number."""
    ours, theirs = pair()

    async def main() -> BaseException | None:
        loop = asyncio.get_running_loop()
        lost = loop.create_future()

        class Told(asyncio.Protocol):
            def connection_lost(self, error: BaseException | None) -> None:
                lost.set_result(error)

        transport, _ = await loop.create_connection(Told, sock=ours)
        ours.close()
        transport.write(b"x")
        return await lost  # type: ignore[no-any-return]

    error = run_anywhere(where, main, loop_factory=lambda: asyncguest.EventLoop(native=True))
    theirs.close()
    assert isinstance(error, OSError) and error.winerror == 10038, error  # type: ignore[attr-defined]


def test_datagrams(where: str) -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        got = loop.create_future()

        class Receiver(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, address: Any) -> None:
                if not got.done():
                    got.set_result(data)

        receiver, _ = await loop.create_datagram_endpoint(Receiver, ("127.0.0.1", 0))
        sender, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=receiver.get_extra_info("sockname")
        )
        sender.sendto(b"datagram")
        try:
            return bytes(await got)
        finally:
            sender.close()
            receiver.close()

    assert run_anywhere(where, main) == b"datagram"


def test_readers_and_a_subprocess_in_one_loop(where: str) -> None:
    """CPython makes one choose between the two."""

    async def main() -> tuple[bytes, int]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, asyncio.ProactorEventLoop)
        ours, theirs = pair()
        writable, readable = asyncio.Event(), asyncio.Event()
        loop.add_writer(theirs, writable.set)
        await writable.wait()
        assert loop.remove_writer(theirs)
        loop.add_reader(ours, readable.set)
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", "raise SystemExit(3)")
        theirs.send(b"ready")
        await readable.wait()
        assert loop.remove_reader(ours)
        try:
            return ours.recv(99), await child.wait()
        finally:
            ours.close()
            theirs.close()

    assert run_anywhere(where, main) == (b"ready", 3)


def test_what_is_no_socket_cannot_be_watched(where: str) -> None:
    async def main() -> None:
        with open(os.devnull, "rb") as file, pytest.raises(OSError, match="socket"):
            asyncio.get_running_loop().add_reader(file, print)

    run_anywhere(where, main)


def test_threads_and_timers(where: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert await asyncio.to_thread(threading.get_ident) != threading.get_ident()
        soon = asyncio.Event()
        threading.Thread(target=loop.call_soon_threadsafe, args=(soon.set,)).start()
        await soon.wait()
        for seconds in (0.0, 0.001, 0.0153, 0.02):
            began = time.monotonic()
            await asyncio.sleep(seconds)
            assert time.monotonic() - began >= seconds - time.get_clock_info("monotonic").resolution

    run_anywhere(where, main)


# ---- hand-off and cancels


def test_operations_of_the_hosts_own_code_between_deliveries(drive: str) -> None:
    """R3: what a button's handler begins wakes the guest when it completes, however long that has been asleep."""
    ours, theirs = pair()
    got: list[bytes] = []

    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    async def receive(loop: Any) -> None:
        got.append(await loop.sock_recv(ours, 99))

    run = Run(drive)
    task = run.start(main)
    loop = run.guest.loop
    host_until(run, lambda: loop.idle)
    receiving = loop.create_task(receive(loop))
    host_until(run, lambda: loop.idle)
    theirs.send(b"late")
    host_until(run, receiving.done)
    assert got == [b"late"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        run.finish()
    ours.close()
    theirs.close()


def test_operations_complete_while_a_callback_stands_in_a_dialog(drive: str) -> None:
    ours, theirs = pair()
    order: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        dialog = Dialog(run.host)  # type: ignore[arg-type]

        async def beside() -> None:
            await loop.sock_recv(ours, 99)
            order.append("received")
            dialog.close()

        task = loop.create_task(beside())
        await asyncio.sleep(0)
        timer = threading.Timer(0.01, theirs.send, (b"x",))
        timer.start()
        dialog.show()
        order.append("closed")
        timer.join()
        await task

    run = Run(drive)
    run.start(main)
    run.finish()
    assert order == ["received", "closed"]
    ours.close()
    theirs.close()


def test_the_end_with_operations_pending(where: str) -> None:
    """Each is cancelled, and has come back before its memory goes."""
    pairs = [pair() for _ in range(100)]
    outcomes: list[str] = []

    async def receive(end: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().sock_recv(end, 99)
        except asyncio.CancelledError:
            outcomes.append("cancelled")
            raise

    async def main() -> None:
        tasks = [asyncio.ensure_future(receive(end)) for end, _ in pairs]
        await asyncio.sleep(0)
        assert len(tasks) == 100

    run_anywhere(where, main)
    assert outcomes == ["cancelled"] * 100
    for ends in pairs:
        for end in ends:
            end.close()
