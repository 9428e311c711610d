"""What stands on a connection, and beside it: sendfile, TLS and the host's dialogs, alone and as a guest."""

from __future__ import annotations

import asyncio
import gc
import os
import ssl
import tempfile
from pathlib import Path
from typing import Any

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import FULL, Run, nothing_left_behind, run_guest
from transport_stage import Plain, Stage, play

DATA = Path(__file__).parent / "data"


pytestmark = pytest.mark.parametrize("mode", ["alone", "fd", "thread"])


@pytest.mark.parametrize("fallback", [False, True])
def test_a_file_is_sent_after_what_waits(mode: str, fallback: bool) -> None:
    data = os.urandom(1 << 20)

    async def scene(stage: Stage) -> None:
        protocol = Plain(stage, "a")
        peer = await stage.connect(protocol, send=8192, tcp=True)
        transport = protocol.transport
        if fallback:
            transport._sendfile_compatible = asyncio.constants._SendfileMode.FALLBACK  # type: ignore[attr-defined]
        transport.write(data)
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            sending = asyncio.create_task(stage.loop.sendfile(transport, file))
            await asyncio.sleep(0)
            if not fallback:
                with pytest.raises(RuntimeError, match="unable to write; sendfile is in progress"):
                    transport.write(b"x")
                with pytest.raises(RuntimeError, match="unable to writelines; sendfile is in progress"):
                    transport.writelines([b"x"])
            assert await stage.drain(peer, 2 << 20) == 2 * data
            assert await sending == 1 << 20
        assert transport.is_reading() and transport.get_protocol() is protocol
        transport.write(b"end")
        assert await stage.drain(peer, 3) == b"end"

    play(scene, mode)


def test_a_connection_that_is_lost_ends_a_sendfile(mode: str) -> None:
    async def scene(stage: Stage) -> None:
        protocol = Plain(stage, "a")
        await stage.connect(protocol, send=8192, tcp=True)
        protocol.transport.write(bytes(1 << 24))
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
            file.seek(0)
            sending = asyncio.create_task(stage.loop.sendfile(protocol.transport, file))
            await asyncio.sleep(0)
            protocol.transport.abort()
            with pytest.raises(ConnectionError, match="Connection is closed by peer"):
                await sending

    assert "handler" not in [entry[0] for entry in play(scene, mode)]


def test_a_connection_becomes_encrypted(mode: str) -> None:
    here = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    here.load_cert_chain(DATA / "localhost.pem", DATA / "localhost.key")
    there = ssl.create_default_context(cafile=DATA / "localhost.pem")
    data = os.urandom(1 << 20)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(5) == b"start"
        writer.write(b"go")
        await writer.start_tls(here)
        writer.write(await reader.readexactly(len(data)))
        await writer.drain()
        writer.close()

    async def scene(stage: Stage) -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        native = writer.transport
        writer.write(b"start")
        assert await reader.readexactly(2) == b"go"
        await writer.start_tls(there, server_hostname="localhost")
        assert writer.transport is not native and type(native).__name__ == "SocketTransport"
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    assert play(scene, mode) == []


def test_a_dialog_inside_data_received(mode: str) -> None:
    """Other connections go on in a nested host loop; this one waits until its callback has returned."""
    if mode == "alone":
        pytest.skip("there is no host to open a dialog in")
    run = Run(mode)
    host = run.host
    assert isinstance(host, QueueHost)

    async def main() -> list[Any]:
        stage = Stage()
        one, two = Plain(stage, "one"), Plain(stage, "two")
        peers = [await stage.connect(one), await stage.connect(two)]

        def dialog(_: object) -> None:
            one.actions.clear()
            peers[0].send(b"second")
            peers[1].send(b"other")
            while not two.got:
                host.run_once()
            stage.note("the dialog is closed")

        one.actions["data_received"] = dialog
        peers[0].send(b"first")
        await stage.until(lambda: b"second" in one.got)
        await stage.clear()
        return stage.log[2:6]

    run.start(main)
    assert run.finish() == [
        ("one", "data_received", b"first"),
        ("two", "data_received", b"other"),
        ("-", "the dialog is closed"),
        ("one", "data_received", b"second"),
    ]


def test_nothing_is_left_of_many_connections(mode: str) -> None:
    rounds, at_once = (200, 100) if FULL else (4, 25)

    async def once(address: Any) -> None:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"x")
        await reader.readexactly(100)
        writer.close()
        await writer.wait_closed()

    async def main() -> list[int]:
        stage = Stage()
        server = await stage.loop.create_server(
            lambda: Plain(stage, "a", data_received=lambda transport: transport.write(b"x" * 100)), "127.0.0.1", 0
        )
        address = server.sockets[0].getsockname()
        counts = []
        for _ in range(rounds):
            await asyncio.gather(*(once(address) for _ in range(at_once)))
            await stage.heard("connection_lost", at_once)
            stage.log.clear()
            gc.collect()
            counts.append(sum(1 for thing in gc.get_objects() if "asyncguest" in type(thing).__module__))
        server.close()
        await server.wait_closed()
        return counts

    gc.collect()
    gc.freeze()  # what other tests have left is not counted, nor what becomes of it meanwhile
    try:
        with nothing_left_behind():
            counts = asyncguest.run(main()) if mode == "alone" else run_guest(main, drive=mode)
    finally:
        gc.unfreeze()
    assert counts == counts[:1] * rounds
