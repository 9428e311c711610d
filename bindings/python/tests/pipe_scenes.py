"""Scenes in the life of the transports of pipes, and of subprocesses that have some. See `transport_scenes`."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from transport_stage import Plain, Stage, boom, trace

Scene = Callable[[Stage], Any]

# ---- the end that is read


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


# ---- the end that is written to


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


async def write_to_a_terminal(stage: Stage) -> None:
    """That there is something to be read does not matter."""
    theirs, ours = pty.openpty()
    protocol = Plain(stage, "a")
    await stage.write_pipe(protocol, open(ours, "wb", 0))
    os.write(theirs, b"typed\n")
    await stage.turns()
    protocol.transport.write(b"shown")
    shown = b""
    while not shown.endswith(b"shown"):
        shown += os.read(theirs, 100)
    stage.note(shown, protocol.transport.is_closing())
    protocol.transport.close()
    await stage.heard("connection_lost")
    os.close(theirs)


# ---- what else there is


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


COPY = """
import sys, shutil, threading
data = sys.stdin.buffer.read()
other = threading.Thread(target=lambda: sys.stderr.buffer.write(data[::-1]))
other.start()
sys.stdout.buffer.write(data)
sys.stdout.close()
other.join()
"""


async def subprocess_both_ways(stage: Stage) -> None:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", COPY, **pipes)  # type: ignore[arg-type]
    stage.transports += [child._transport.get_pipe_transport(fd) for fd in range(3)]  # type: ignore[attr-defined]
    data = os.urandom(1 << 20) * 10
    out, err = await child.communicate(data)
    stage.note(out == data, err == data[::-1], await child.wait())


async def subprocess_that_reads_nothing(stage: Stage) -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "", stdin=subprocess.PIPE)
    assert child.stdin is not None
    stage.transports.append(child.stdin.transport)
    child.stdin.write(bytes(1 << 20))
    try:
        await child.stdin.drain()
    except (BrokenPipeError, ConnectionResetError) as error:
        stage.note(type(error).__name__)
    stage.note(await child.wait())
    child.stdin.write(b"late")
    stage.note(child.stdin.is_closing())


async def subprocess_protocol(stage: Stage) -> None:
    class Told(asyncio.SubprocessProtocol):
        got: dict[int, bytes] = {}

        def pipe_data_received(self, fd: int, data: bytes) -> None:
            self.got[fd] = self.got.get(fd, b"") + data

        def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
            stage.log.append((f"pipe {fd}", "pipe_connection_lost", repr(exc)))

        def process_exited(self) -> None:
            stage.log.append(("process", "process_exited"))

        def connection_lost(self, exc: Exception | None) -> None:
            stage.log.append(("process", "connection_lost", repr(exc)))

    transport, protocol = await stage.loop.subprocess_exec(Told, sys.executable, "-c", COPY)
    stage.transports += [transport.get_pipe_transport(fd) for fd in range(3)]
    stage.transports[0].write(b"some data")
    stage.transports[0].write_eof()
    await stage.heard("connection_lost")
    stage.log = sorted(stage.log)  # which pipe ends first is the child's business
    stage.note(sorted(protocol.got.items()))
    transport.close()


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
        write,
        bytes_with_gaps,
        idle_and_reader_gone,
        broken,
        write_to_a_socket,
        write_to_a_terminal,
        what_they_are,
        contexts,
        subprocess_both_ways,
        subprocess_that_reads_nothing,
        subprocess_protocol,
    )
}
for _how in ("close", "pause_reading"):
    for _callback in ("connection_made", "data_received"):
        PIPES[f"pipes_{_how}_inside_{_callback}"] = reader(
            _callback, lambda transport, how=_how: getattr(transport, how)()
        )
for _callback in ("connection_made", "data_received", "eof_received", "connection_lost"):
    PIPES[f"pipes_{_callback}_raises"] = reader(_callback, boom)
for _then in (drained, limits, closed, closed_and_aborted, aborted, reader_gone, closed_and_reader_gone):
    PIPES[f"pipes_full_{_then.__name__}"] = nobody_reads(_then)
PIPES["pipes_full_callbacks_raise"] = nobody_reads(drained, pause_writing=boom, resume_writing=boom)
for _callback in ("connection_made", "pause_writing"):
    for _how in ("close", "abort"):
        PIPES[f"pipes_{_how}_inside_writing_{_callback}"] = writer(
            _callback, lambda transport, how=_how: getattr(transport, how)()
        )
for _callback in ("connection_made", "pause_writing", "resume_writing", "connection_lost"):
    PIPES[f"pipes_writing_{_callback}_raises"] = writer(_callback, boom)
PIPES["pipes_to_a_file"] = refuses(tempfile.TemporaryFile)
PIPES["pipes_to_nothing"] = refuses(lambda: open(os.devnull, "r+b", 0))
