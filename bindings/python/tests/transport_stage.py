"""The stage on which a transport plays a scene, the kinds of protocol that listen to it, and what they write down.

What happens goes into `stage.log`; data that arrives in pieces counts as one, since where it is cut is the system's business.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

import asyncguest
from helpers import run_guest

Action = Callable[[asyncio.Transport], object]

#: An address of this machine, with a port of the system's choice.
HERE = ("127.0.0.1", 0)

#: What is set by the protocols' callbacks and by those who schedule them.
trace: contextvars.ContextVar[str] = contextvars.ContextVar("trace", default="none")


class Heard:
    """What both kinds of protocol have in common: each callback is written down, and then does what it was given to do."""

    def __init__(self, stage: Stage, name: str, **actions: Any) -> None:
        self.stage = stage
        self.name = name
        self.actions = actions
        self.transport: Any = None
        self.got = b""

    def hear(self, callback: str, *what: object) -> Any:
        self.stage.log.append((self.name, callback, *what))
        action = self.actions.get(callback)
        return action(self.transport) if callable(action) else action

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.hear("connection_made")

    def eof_received(self) -> Any:
        return self.hear("eof_received")

    def pause_writing(self) -> None:
        self.hear("pause_writing")

    def resume_writing(self) -> None:
        self.hear("resume_writing")

    def connection_lost(self, error: Exception | None) -> None:
        self.hear("connection_lost", repr(error))


class Plain(Heard, asyncio.Protocol):
    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.got += data
        last = self.stage.log[-1] if self.stage.log else ()
        if last[:2] == (self.name, "data_received"):
            self.stage.log.pop()
            data = last[2] + data
        self.hear("data_received", data)


class Buffered(Heard, asyncio.BufferedProtocol):
    def __init__(self, stage: Stage, name: str, size: int = 64, **actions: Any) -> None:
        super().__init__(stage, name, **actions)
        self.buffer = bytearray(size)

    def get_buffer(self, sizehint: int) -> Any:
        assert sizehint == -1
        instead = self.hear("get_buffer")
        return self.buffer if instead is None else instead

    def buffer_updated(self, nbytes: int) -> None:
        self.got += self.buffer[:nbytes]
        self.hear("buffer_updated", bytes(self.buffer[:nbytes]))


class Datagrams(Heard, asyncio.DatagramProtocol):
    def datagram_received(self, data: bytes, addr: Any) -> None:
        assert type(data) is bytes
        self.got += data
        self.hear("datagram_received", data, self.stage.names.get(addr, addr))

    def error_received(self, error: Exception) -> None:
        self.hear("error_received", repr(error))


class Stage:
    """Where a scene is played."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.loop: Any = asyncio.get_running_loop()
        self.loop.set_exception_handler(self._report)
        self.loop.slow_callback_duration = float("inf")  # what takes how long is nobody's business here
        self.sockets: list[Any] = []
        self.transports: list[Any] = []
        #: What addresses are called in the log.
        self.names: dict[Any, str] = {}

    def _report(self, loop: object, context: dict[str, Any]) -> None:
        error = context.get("exception")
        said = context["message"]
        if said.startswith(
            "Exception in callback"
        ):  # asyncio's handle has forgotten which, if it was cancelled meanwhile
            said = "Exception in callback"
        self.log.append(("handler", said, repr(error), sorted(key for key in context if key != "source_traceback")))

    def note(self, *what: object) -> None:
        self.log.append(("-", *what))

    def attempt(self, what: Callable[[], object]) -> None:
        try:
            self.note("returned", what())
        except Exception as error:
            # Newer releases of CPython name the types, in one of their two texts.
            said = str(error).replace("a bytes, bytearray, or memoryview object", "a bytes-like object")
            self.note("raised", type(error).__name__, said)

    async def connect(self, protocol: Any, tcp: bool = False, **buffers: int) -> socket.socket:
        """A transport for `protocol`, and the other end of it."""
        if tcp:
            with socket.create_server(("127.0.0.1", 0)) as server:
                ours, peer = socket.create_connection(server.getsockname()), server.accept()[0]
        else:
            ours, peer = socket.socketpair()
        if buffers:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers["send"])
        ours.setblocking(False)
        peer.settimeout(20)
        self.sockets += [ours, peer]
        transport, _ = await self.loop.create_connection(lambda: protocol, sock=ours)
        self.transports.append(transport)
        return peer

    def bound(self, family: int, address: Any, name: str) -> socket.socket:
        """A socket for datagrams."""
        sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sockets.append(sock)
        if address is not None:
            sock.bind(address)
            self.names[sock.getsockname()] = name
        sock.settimeout(20)
        return sock

    async def endpoint(self, protocol: Any, **options: Any) -> None:
        """A transport for `protocol`."""
        transport, _ = await self.loop.create_datagram_endpoint(lambda: protocol, **options)
        self.transports.append(transport)
        self.names[transport.get_extra_info("sockname")] = "ours"

    async def read_pipe(self, protocol: Any, file: Any = None) -> Any:
        """A transport for `protocol`, and the end to write to."""
        other = None
        if file is None:
            ours, theirs = os.pipe()
            file, other = open(ours, "rb", 0), open(theirs, "wb", 0)
        self.sockets += [file, *filter(None, [other])]
        self.transports.append((await self.loop.connect_read_pipe(lambda: protocol, file))[0])
        return other

    async def write_pipe(self, protocol: Any, file: Any = None) -> Any:
        """A transport for `protocol`, and the end to read from."""
        other = None
        if file is None:
            theirs, ours = os.pipe()
            file, other = open(ours, "wb", 0), open(theirs, "rb", 0)
            os.set_blocking(theirs, False)
        self.sockets += [file, *filter(None, [other])]
        self.transports.append((await self.loop.connect_write_pipe(lambda: protocol, file))[0])
        return other

    async def suck(self, pipe: Any, count: int | None = None) -> bytes:
        """As `drain`, from a pipe that does not block."""
        got = b""
        while count is None or len(got) < count:
            data = pipe.read(1 << 16)
            if data is None:
                await asyncio.sleep(0)
                continue
            if not data:
                break
            got += data
        return got

    async def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            await asyncio.sleep(0)

    async def turns(self, count: int = 5) -> None:
        """So long that what is ready comes: each turn of a loop looks at the poller, or soon does."""
        for _ in range(count):
            await asyncio.sleep(0.001)

    async def heard(self, callback: str, count: int = 1) -> None:
        await self.until(lambda: sum(entry[1] == callback for entry in self.log) >= count)

    async def drain(self, peer: socket.socket, count: int | None = None) -> bytes:
        """Reads from the other end until its end or `count` bytes, and lets the loop work meanwhile."""
        peer.setblocking(False)
        got = b""
        while count is None or len(got) < count:
            try:
                data = peer.recv(1 << 16)
            except BlockingIOError:
                await asyncio.sleep(0)
                continue
            if not data:
                break
            got += data
        return got

    async def clear(self) -> None:
        for transport in self.transports:
            if transport.get_extra_info("pipe") is not None:
                transport.close()  # CPython's cannot be aborted twice
            elif transport.get_protocol() is not None:  # else CPython's has nobody to tell
                transport.abort()
        await self.turns()
        for sock in self.sockets:
            sock.close()


def boom(*_: object) -> Any:
    raise ZeroDivisionError("boom")


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def play(scene: Callable[[Stage], Any], mode: str) -> list[Any]:
    """Plays a scene, alone or as a guest in one of the drives; returns what was written down."""

    async def played() -> list[Any]:
        stage = Stage()
        try:
            await scene(stage)
        finally:
            await stage.clear()
        return stage.log

    if mode == "alone":
        return asyncguest.run(played())  # type: ignore[no-any-return]
    return run_guest(played, drive=mode)  # type: ignore[no-any-return]


def callbacks(log: list[Any]) -> list[str]:
    """What was called, in order."""
    return [entry[1] for entry in log]
