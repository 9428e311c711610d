"""Scenes in the life of the transport of a pipe's end that is written to. See `transport_scenes`."""

from __future__ import annotations

import os
import pty
import socket
from collections.abc import Callable
from typing import Any

from transport_stage import Plain, Stage, boom

Scene = Callable[[Stage], Any]


async def write(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    other = await stage.write_pipe(protocol)
    transport = protocol.transport
    for data in (b"bytes", bytearray(b"bytearray"), memoryview(b"memoryview"), b"", bytearray(), memoryview(b"")):
        transport.write(data)
    transport.writelines([b"one", bytearray(b"two"), memoryview(b"three")])
    for data in ("text", 1, None, [b"x"]):
        stage.attempt(lambda data=data: transport.write(data))  # type: ignore[misc]
    stage.note(transport.can_write_eof(), transport.get_write_buffer_size())
    transport.write_eof()
    transport.write_eof()
    stage.note("other", await stage.suck(other))
    await stage.heard("connection_lost")
    transport.close()
    for _ in range(8):
        transport.write(b"late")


async def bytes_with_gaps(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    await stage.write_pipe(protocol)
    protocol.transport.write(memoryview(b"abcdef")[::2])
    await stage.heard("connection_lost")


def nobody_reads(then: Callable[[Stage, Plain, Any], Any], **actions: Any) -> Scene:
    async def scene(stage: Stage) -> None:
        protocol = Plain(stage, "a", **actions)
        other = await stage.write_pipe(protocol)
        transport = protocol.transport
        transport.write(bytes(1 << 20))
        stage.note(transport.get_write_buffer_size())
        transport.write(bytearray(100))
        transport.write(memoryview(bytearray(b"end")))
        stage.note(transport.get_write_buffer_size(), transport.get_write_buffer_limits())
        await then(stage, protocol, other)

    return scene


async def drained(stage: Stage, protocol: Plain, other: Any) -> None:
    data = await stage.suck(other, (1 << 20) + 103)
    stage.note("other", data == bytes((1 << 20) + 100) + b"end")
    await stage.heard("resume_writing")
    stage.note(protocol.transport.get_write_buffer_size(), protocol.transport.is_closing())
    protocol.transport.write(b"again")
    stage.note("other", await stage.suck(other, 5))


async def limits(stage: Stage, protocol: Plain, other: Any) -> None:
    for high, low in ((None, None), (100, None), (None, 100), (100, 10), (0, 0), (10, 100), (-1, None)):
        stage.attempt(lambda high=high, low=low: protocol.transport.set_write_buffer_limits(high, low))  # type: ignore[misc]
        stage.note(protocol.transport.get_write_buffer_limits())
    protocol.transport.set_write_buffer_limits(1 << 30)
    await stage.suck(other, 1 << 20)  # below the limit, and not told
    await stage.turns()
    await stage.suck(other, 103)
    await stage.heard("resume_writing")


async def closed(stage: Stage, protocol: Plain, other: Any) -> None:
    protocol.transport.close()
    stage.note(protocol.transport.is_closing(), protocol.transport.get_write_buffer_size())
    for _ in range(7):
        protocol.transport.write(b"late")
    stage.note("other", len(await stage.suck(other)))
    await stage.heard("connection_lost")


async def closed_and_aborted(stage: Stage, protocol: Plain, other: Any) -> None:
    protocol.transport.close()
    protocol.transport.abort()
    stage.note(protocol.transport.get_write_buffer_size())
    await stage.heard("connection_lost")
    stage.note("other", len(await stage.suck(other)))


async def aborted(stage: Stage, protocol: Plain, other: Any) -> None:
    protocol.transport.abort()
    for _ in range(7):
        protocol.transport.write(b"late")
    await stage.heard("connection_lost")
    stage.note("other", len(await stage.suck(other)))


async def reader_gone(stage: Stage, protocol: Plain, other: Any) -> None:
    other.close()
    await stage.heard("connection_lost")
    stage.note(protocol.transport.get_write_buffer_size(), protocol.transport.is_closing())
    for _ in range(7):
        protocol.transport.write(b"late")


async def closed_and_reader_gone(stage: Stage, protocol: Plain, other: Any) -> None:
    protocol.transport.close()
    other.close()
    await stage.heard("connection_lost")


async def idle_and_reader_gone(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    other = await stage.write_pipe(protocol)
    other.close()
    await stage.heard("connection_lost")


async def broken(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    other = await stage.write_pipe(protocol)
    other.close()
    for _ in range(9):
        protocol.transport.write(b"x")
    await stage.heard("connection_lost")


def writer(callback: str, action: Callable[[Any], object]) -> Scene:
    async def scene(stage: Stage) -> None:
        protocol = Plain(stage, "a", **{callback: action})
        other = await stage.write_pipe(protocol)
        protocol.transport.write(bytes(1 << 20))
        await stage.turns()
        stage.note(protocol.transport.is_closing())
        if not protocol.transport.is_closing():
            await stage.suck(other, 1 << 20)
            await stage.heard("resume_writing")
            other.close()
        elif protocol.transport.get_write_buffer_size():
            await stage.suck(other)
        await stage.heard("connection_lost")
        await stage.turns()

    return scene


async def write_to_a_socket(stage: Stage) -> None:
    for end in (lambda peer: peer.send(b"x"), lambda peer: peer.close(), lambda peer: peer.shutdown(socket.SHUT_WR)):
        ours, peer = socket.socketpair()
        stage.sockets.append(peer)
        protocol = Plain(stage, "a")
        await stage.write_pipe(protocol, ours)
        protocol.transport.write(b"hello")
        stage.note("peer", peer.recv(10))
        end(peer)
        await stage.turns()
        stage.note(protocol.transport.is_closing())


async def _until(stage: Stage, fd: int, end: bytes) -> bytes:
    """Reads up to `end`."""
    read = b""
    while not read.endswith(end):
        try:
            read += os.read(fd, 100)
        except BlockingIOError:
            await stage.turns()
    return read


async def write_to_a_terminal(stage: Stage) -> None:
    """That there is something to be read does not matter."""
    theirs, ours = pty.openpty()
    protocol = Plain(stage, "a")
    await stage.write_pipe(protocol, open(ours, "wb", 0))
    os.set_blocking(theirs, False)
    os.write(theirs, b"typed\n")
    shown = await _until(stage, theirs, b"typed\r\n")  # the system echoes it when it comes to it
    protocol.transport.write(b"shown")
    shown += await _until(stage, theirs, b"shown")
    stage.note(shown, protocol.transport.is_closing())
    protocol.transport.close()
    await stage.heard("connection_lost")
    os.close(theirs)


WRITING: dict[str, Scene] = {
    f"pipes_{scene.__name__}": scene
    for scene in (
        write,
        bytes_with_gaps,
        idle_and_reader_gone,
        broken,
        write_to_a_socket,
        write_to_a_terminal,
    )
}
for _then in (drained, limits, closed, closed_and_aborted, aborted, reader_gone, closed_and_reader_gone):
    WRITING[f"pipes_full_{_then.__name__}"] = nobody_reads(_then)
WRITING["pipes_full_callbacks_raise"] = nobody_reads(drained, pause_writing=boom, resume_writing=boom)
for _callback in ("connection_made", "pause_writing"):
    for _how in ("close", "abort"):
        WRITING[f"pipes_{_how}_inside_writing_{_callback}"] = writer(
            _callback, lambda transport, how=_how: getattr(transport, how)()
        )
for _callback in ("connection_made", "pause_writing", "resume_writing", "connection_lost"):
    WRITING[f"pipes_writing_{_callback}_raises"] = writer(_callback, boom)
