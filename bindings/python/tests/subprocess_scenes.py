"""Scenes of subprocesses, whose pipes have transports. See `transport_scenes`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from transport_stage import Stage

COPY = """
import sys, threading
data = sys.stdin.buffer.read()
def write(fd, data): # all of it, also where PYTHONUNBUFFERED is set and the system takes less
    with open(fd, "wb") as file:
        file.write(data)
other = threading.Thread(target=write, args=(2, data[::-1]))
other.start()
write(1, data)
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


SUBPROCESSES: dict[str, Callable[[Stage], Any]] = {
    scene.__name__: scene for scene in (subprocess_both_ways, subprocess_that_reads_nothing, subprocess_protocol)
}
