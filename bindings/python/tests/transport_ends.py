"""Scenes in which a connection ends: from each callback, by what one raises, by the peer. See `transport_scenes`."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from transport_stage import Buffered, Plain, Stage, boom, reset


def ends(callback: str, how: str, kind: type = Plain) -> Callable[[Stage], Any]:
    """A scene in which `callback` ends the connection."""

    async def scene(stage: Stage) -> None:
        protocol = kind(stage, "a", **{callback: lambda transport: getattr(transport, how)()})
        peer = await stage.connect(protocol, send=8192)
        transport = protocol.transport
        if callback == "pause_writing":
            transport.write(bytes(1 << 20))
        elif callback == "eof_received":
            peer.shutdown(socket.SHUT_WR)
        elif callback == "connection_lost":
            peer.close()
        elif callback != "connection_made":
            peer.send(b"data")
        if how == "close" and callback == "pause_writing":
            await stage.drain(peer)
        await stage.heard("connection_lost")
        await stage.turns()
        if how == "abort" or callback != "pause_writing":  # there CPython's has an AttributeError
            for _ in range(7):
                transport.write(b"late")
            transport.abort()
        transport.close()
        transport.pause_reading()
        transport.resume_reading()
        stage.note(transport.is_closing(), transport.is_reading(), transport.get_write_buffer_size())

    return scene


def fails(callback: str, kind: type = Plain) -> Callable[[Stage], Any]:
    """A scene in which `callback` raises."""

    async def scene(stage: Stage) -> None:
        protocol = kind(stage, "a", **{callback: boom})
        peer = await stage.connect(protocol, tcp=True)
        peer.send(b"data")
        await stage.turns()
        peer.close()
        await stage.heard("connection_lost")
        await stage.turns()

    return scene


async def close_while_data_waits(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    peer = await stage.connect(protocol, send=8192)
    protocol.transport.write(bytes(1 << 20))
    protocol.transport.close()
    stage.note(protocol.transport.is_closing(), protocol.transport.is_reading())
    protocol.transport.write(b"more")
    stage.note("peer", len(await stage.drain(peer)))
    await stage.heard("connection_lost")


async def connection_lost_raises_when_the_last_data_is_gone(stage: Stage) -> None:
    protocol = Plain(stage, "a", connection_lost=boom)
    peer = await stage.connect(protocol, send=8192)
    protocol.transport.write(bytes(1 << 20))
    protocol.transport.close()
    await stage.drain(peer)
    await stage.heard("connection_lost")
    await stage.turns()


async def abort_while_data_waits(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    await stage.connect(protocol, send=8192)
    protocol.transport.write(bytes(1 << 20))
    protocol.transport.abort()
    stage.note(protocol.transport.get_write_buffer_size(), protocol.transport.is_closing())
    protocol.transport.abort()
    protocol.transport.close()
    await stage.heard("connection_lost")


async def everything_raises(stage: Stage) -> None:
    names = ("connection_made", "data_received", "eof_received", "pause_writing", "resume_writing", "connection_lost")
    protocol = Plain(stage, "a", **dict.fromkeys(names, boom))
    peer = await stage.connect(protocol, send=8192)
    protocol.transport.write(bytes(1 << 20))
    await stage.drain(peer, 1 << 20)
    await stage.heard("resume_writing")
    peer.send(b"x")
    await stage.heard("connection_lost")
    await stage.turns()


def gives_buffer(buffer: Callable[[], Any]) -> Callable[[Stage], Any]:
    async def scene(stage: Stage) -> None:
        protocol = Buffered(stage, "a", get_buffer=lambda _: buffer())
        peer = await stage.connect(protocol)
        peer.send(b"data")
        await stage.heard("connection_lost")

    return scene


async def reset_in_mid_write(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    peer = await stage.connect(protocol, tcp=True, send=8192)
    protocol.transport.pause_reading()
    protocol.transport.write(bytes(1 << 24))
    stage.note(protocol.transport.get_write_buffer_size() > 0)
    reset(peer)
    await stage.heard("connection_lost")
    stage.note(protocol.transport.get_write_buffer_size(), protocol.transport.is_closing())
    for _ in range(7):
        protocol.transport.write(b"late")


async def reset_while_reading(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    reset(await stage.connect(protocol, tcp=True))
    await stage.heard("connection_lost")


async def broken_pipe(stage: Stage) -> None:
    protocol = Plain(stage, "a", connection_made=lambda transport: transport.pause_reading())
    peer = await stage.connect(protocol)
    peer.close()
    protocol.transport.write(b"x")
    protocol.transport.write(b"y")
    await stage.heard("connection_lost")


async def socket_closed_by_its_owner(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    await stage.connect(protocol)
    stage.sockets[0].close()
    protocol.transport.write(b"x")
    await stage.heard("connection_lost")


ENDS: dict[str, Callable[[Stage], Any]] = {
    scene.__name__: scene
    for scene in (
        close_while_data_waits,
        connection_lost_raises_when_the_last_data_is_gone,
        abort_while_data_waits,
        everything_raises,
        reset_in_mid_write,
        reset_while_reading,
        broken_pipe,
        socket_closed_by_its_owner,
    )
}
for _how in ("close", "abort"):
    for _callback in ("connection_made", "data_received", "eof_received", "pause_writing", "connection_lost"):
        ENDS[f"{_how}_inside_{_callback}"] = ends(_callback, _how)
    for _callback in ("get_buffer", "buffer_updated"):
        ENDS[f"{_how}_inside_{_callback}"] = ends(_callback, _how, Buffered)
for _callback in ("connection_made", "data_received", "eof_received", "connection_lost"):
    ENDS[f"{_callback}_raises"] = fails(_callback)
for _callback in ("get_buffer", "buffer_updated", "eof_received"):
    ENDS[f"buffered_{_callback}_raises"] = fails(_callback, Buffered)
ENDS["buffer_of_size_0"] = gives_buffer(lambda: bytearray())
ENDS["buffer_that_is_read_only"] = gives_buffer(lambda: b"bytes")
ENDS["buffer_without_length"] = gives_buffer(lambda: 5)
ENDS["buffer_that_is_no_buffer"] = gives_buffer(lambda: ["x"])
ENDS["buffer_with_gaps"] = gives_buffer(lambda: memoryview(bytearray(10))[::2])
