"""Scenes in the life of the transport of a pipe's end that is read, and of both ends. See `transport_scenes`."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import socket
import tempfile
from collections.abc import Callable
from typing import Any

from pipe_writing_scenes import WRITING
from subprocess_scenes import SUBPROCESSES
from transport_stage import Plain, Stage, boom, trace

Scene = Callable[[Stage], Any]


async def read(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    other = await stage.read_pipe(protocol)
    for word in (b"one", b"two"):
        other.write(word)
        await stage.until(lambda word=word: protocol.got.endswith(word))  # type: ignore[misc]
        stage.note("next")
    other.write(b"last")
    other.close()
    await stage.heard("connection_lost")
    protocol.transport.close()
    stage.note(protocol.transport.is_closing(), protocol.transport.is_reading())


async def read_much(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    other = await stage.read_pipe(protocol)
    data = os.urandom(1 << 20) * 10

    def write() -> None:
        with other:
            rest = memoryview(data)
            while rest:
                rest = rest[other.write(rest) :]

    await asyncio.gather(stage.loop.run_in_executor(None, write), stage.heard("connection_lost"))
    stage.log = [entry for entry in stage.log if entry[1] != "data_received"]
    stage.note(protocol.got == data)


def reader(callback: str, action: Callable[[Any], object]) -> Scene:
    async def scene(stage: Stage) -> None:
        protocol = Plain(stage, "a", **{callback: action})
        ours, theirs = os.pipe()
        other = open(theirs, "wb", 0)
        other.write(b"one")
        await stage.read_pipe(protocol, open(ours, "rb", 0))
        await stage.turns()
        other.close()
        await stage.turns()
        stage.note(protocol.transport.is_closing(), protocol.transport.is_reading())
        protocol.actions.clear()
        protocol.transport.resume_reading()
        await stage.heard("connection_lost")
        protocol.transport.pause_reading()
        await stage.turns()

    return scene


async def closed_while_paused(stage: Stage) -> None:
    """The other end is closed, and what was in the pipe is still there afterwards."""
    protocol = Plain(stage, "a")
    other = await stage.read_pipe(protocol)
    protocol.transport.pause_reading()
    protocol.transport.pause_reading()
    other.write(b"one")
    other.close()
    await stage.turns()
    stage.note("resumed")
    protocol.transport.resume_reading()
    protocol.transport.resume_reading()
    await stage.heard("connection_lost")


async def closed_and_never_resumed(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    other = await stage.read_pipe(protocol)
    protocol.transport.pause_reading()
    other.close()
    protocol.transport.close()
    await stage.heard("connection_lost")


async def switch(stage: Stage) -> None:
    second = Plain(stage, "b")
    protocol = Plain(stage, "a", data_received=lambda transport: transport.set_protocol(second))
    other = await stage.read_pipe(protocol)
    other.write(b"one")
    await stage.heard("data_received")
    other.write(b"two")
    other.close()
    await stage.heard("connection_lost")
    stage.note(protocol.transport.get_protocol())


async def read_a_terminal(stage: Stage) -> None:
    theirs, ours = pty.openpty()
    protocol = Plain(stage, "a")
    await stage.read_pipe(protocol, open(ours, "rb", 0))
    os.write(theirs, b"line\n")
    await stage.heard("data_received")
    os.close(theirs)
    await stage.heard("connection_lost")


async def master_of_a_terminal(stage: Stage) -> None:
    ours, theirs = pty.openpty()
    protocol = Plain(stage, "a")
    await stage.read_pipe(protocol, open(ours, "rb", 0))
    os.write(theirs, b"line")
    await stage.heard("data_received")
    os.close(theirs)
    await stage.heard("connection_lost")  # by EIO


async def read_a_socket(stage: Stage) -> None:
    ours, peer = socket.socketpair()
    protocol = Plain(stage, "a")
    await stage.read_pipe(protocol, ours)
    peer.send(b"one")
    await stage.heard("data_received")
    peer.close()
    await stage.heard("connection_lost")


async def read_the_wrong_end(stage: Stage) -> None:
    theirs, ours = os.pipe()
    protocol = Plain(stage, "a")
    await stage.read_pipe(protocol, open(ours, "wb", 0))
    os.close(theirs)
    await stage.heard("connection_lost")


async def closed_by_its_owner(stage: Stage) -> None:
    for open_pipe in (stage.read_pipe, stage.write_pipe):
        protocol = Plain(stage, "a")
        await open_pipe(protocol)
        pipe = protocol.transport.get_extra_info("pipe")
        if open_pipe == stage.write_pipe:
            pipe.close()
            protocol.transport.write(b"x")
        else:
            protocol.transport.close()
            pipe.close()
        await stage.turns()


def refuses(make: Callable[[], Any]) -> Scene:
    async def scene(stage: Stage) -> None:
        for kind in ("read", "write"):
            with make() as file:
                stage.sockets.append(file)
                connect = getattr(stage.loop, f"connect_{kind}_pipe")
                try:
                    transport, _ = await connect(lambda: Plain(stage, "a"), file)
                except (ValueError, OSError) as error:
                    stage.note(type(error).__name__, str(error), file.closed)
                else:
                    await stage.turns()
                    transport.close()
                    await stage.turns()
        fd = re.compile(r"fd \d+")
        stage.log = [tuple(fd.sub("FD", it) if isinstance(it, str) else it for it in entry) for entry in stage.log]

    return scene


async def do_not_block(stage: Stage) -> None:
    ours, theirs = os.pipe()
    for end, open_pipe, mode in ((ours, stage.read_pipe, "rb"), (theirs, stage.write_pipe, "wb")):
        stage.note(os.get_blocking(end))
        await open_pipe(Plain(stage, "a"), open(end, mode, 0))
        stage.note(os.get_blocking(end))


async def what_they_are(stage: Stage) -> None:
    kinds = (asyncio.ReadTransport, asyncio.WriteTransport, asyncio.Transport, asyncio.BaseTransport)
    names = ("write", "writelines", "write_eof", "abort", "pause_reading", "is_reading", "max_size", "set_protocol")
    for open_pipe in (stage.read_pipe, stage.write_pipe):
        protocol = Plain(stage, "a")
        other = await open_pipe(protocol)
        transport = protocol.transport
        pipe = transport.get_extra_info("pipe")
        fd = str(pipe.fileno())
        stage.note(type(pipe).__name__, transport.get_extra_info("socket"), transport.get_extra_info("nothing", 5))
        stage.note(*(isinstance(transport, kind) for kind in kinds), *(hasattr(transport, name) for name in names))
        stage.note(transport.get_protocol() is protocol)
        stage.attempt(lambda transport=transport: transport.is_reading())  # type: ignore[misc]
        for end in (lambda: None, transport.close, lambda: stage.heard("connection_lost")):
            ended = end()
            if ended is not None:
                await ended
            stage.note(repr(transport).replace("_Unix", "").replace(fd, "FD"))
        stage.note(pipe.closed)
        other.close()
        stage.log = [entry for entry in stage.log if entry[0] == "-"]


async def contexts(stage: Stage) -> None:
    def see(transport: Any) -> None:
        stage.note("trace", trace.get())
        trace.set(trace.get() + "+")

    names = ("connection_made", "data_received", "eof_received", "resume_writing", "connection_lost")
    for open_pipe in (stage.read_pipe, stage.write_pipe):
        protocol = Plain(stage, "a", **dict.fromkeys(names, see))
        trace.set("opener")
        other = await open_pipe(protocol)
        if open_pipe == stage.read_pipe:
            for number in range(3):
                other.write(b"%d" % number)
                await stage.until(lambda number=number: len(protocol.got) == number + 1)  # type: ignore[misc]
                stage.note("next")
            trace.set("closer")
            other.close()
        else:
            trace.set("writer")
            protocol.transport.write(bytes(1 << 20))
            trace.set("closer")
            await stage.suck(other, 1 << 20)
            await stage.heard("resume_writing")
            protocol.transport.close()
        await stage.until(lambda: protocol.transport.get_protocol() is None)


PIPES: dict[str, Scene] = {
    f"pipes_{scene.__name__}": scene
    for scene in (
        read,
        read_much,
        closed_while_paused,
        closed_and_never_resumed,
        switch,
        read_a_terminal,
        master_of_a_terminal,
        read_a_socket,
        read_the_wrong_end,
        closed_by_its_owner,
        do_not_block,
        what_they_are,
        contexts,
    )
}
for _how in ("close", "pause_reading"):
    for _callback in ("connection_made", "data_received"):
        PIPES[f"pipes_{_how}_inside_{_callback}"] = reader(
            _callback, lambda transport, how=_how: getattr(transport, how)()
        )
for _callback in ("connection_made", "data_received", "eof_received", "connection_lost"):
    PIPES[f"pipes_{_callback}_raises"] = reader(_callback, boom)
PIPES["pipes_to_a_file"] = refuses(tempfile.TemporaryFile)
PIPES["pipes_to_nothing"] = refuses(lambda: open(os.devnull, "r+b", 0))
PIPES |= WRITING | SUBPROCESSES
