"""Scenes of a transport's life, for two transports to be compared by what their protocols are told.

Each scene is a coroutine that is given a `Stage`. What happens goes into `stage.log`; data that arrives in pieces counts as
one, since where it is cut is the system's business.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
import struct
from collections.abc import Callable
from typing import Any

Action = Callable[[asyncio.Transport], object]

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


class Stage:
    """Where a scene is played."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.loop: Any = asyncio.get_running_loop()
        self.loop.set_exception_handler(self._report)
        self.sockets: list[socket.socket] = []
        self.transports: list[Any] = []

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
            self.note("raised", type(error).__name__, str(error))

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
            if transport.get_protocol() is not None:  # else CPython's has nobody to tell
                transport.abort()
        await self.turns()
        for sock in self.sockets:
            sock.close()


def boom(*_: object) -> Any:
    raise ZeroDivisionError("boom")


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


# ---- data


async def echo(stage: Stage) -> None:
    protocol = Plain(stage, "a", data_received=lambda transport: transport.write(protocol.got[-5:]))
    peer = await stage.connect(protocol)
    for word in (b"hello", b"world", b"again"):
        peer.send(word)
        stage.note("peer", await stage.drain(peer, 5))
    peer.close()
    await stage.heard("connection_lost")


async def echo_buffered(stage: Stage) -> None:
    protocol = Buffered(stage, "a", buffer_updated=lambda transport: transport.write(protocol.got[-5:]))
    peer = await stage.connect(protocol, tcp=True)
    for word in (b"hello", b"world"):
        peer.send(word)
        stage.note("peer", await stage.drain(peer, 5))
    peer.send(bytes(200))  # more than the buffer
    await stage.heard("buffer_updated", 5)
    peer.close()
    await stage.heard("connection_lost")


async def large_both_ways(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    peer = await stage.connect(protocol, send=8192)
    data = bytes(range(256)) * 4096
    protocol.transport.write(data)
    stage.note(protocol.transport.get_write_buffer_size() > 0)
    stage.note("peer", await stage.drain(peer, len(data)) == data)
    await stage.heard("resume_writing")
    stage.note(protocol.transport.get_write_buffer_size())
    sender = asyncio.create_task(stage.loop.sock_sendall(peer, data))
    await stage.until(lambda: len(protocol.got) == len(data))
    await sender
    stage.log = [entry for entry in stage.log if entry[1] != "data_received"]
    stage.note(protocol.got == data)


async def all_kinds_of_data(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    peer = await stage.connect(protocol)
    transport = protocol.transport
    for data in (b"bytes", bytearray(b"bytearray"), memoryview(b"memoryview"), memoryview(bytearray(b"writable")), b""):
        transport.write(data)
    transport.write(bytearray())
    transport.write(memoryview(b""))
    for data in ("text", 1, None, [b"x"]):
        stage.attempt(lambda data=data: transport.write(data))  # type: ignore[misc]
    stage.note("peer", await stage.drain(peer, 32))
    released = memoryview(b"x")
    released.release()
    stage.attempt(lambda: transport.write(released))
    transport.write(memoryview(b"abcdef")[::2])
    await stage.heard("connection_lost")


async def lines(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    peer = await stage.connect(protocol)
    transport = protocol.transport
    transport.writelines([b"one", bytearray(b"two"), memoryview(b"three")])
    transport.writelines([])
    transport.writelines(word for word in (b"four", b"five"))
    stage.note("peer", await stage.drain(peer, 19))
    transport.writelines([b"ab"] * 3000)  # more than one call of the system takes
    stage.note("peer", await stage.drain(peer, 6000) == b"ab" * 3000)
    try:
        transport.writelines([b"ok", "text"])
    except TypeError:
        stage.note("TypeError")


async def lines_that_wait(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    peer = await stage.connect(protocol, send=8192)
    transport = protocol.transport
    piece = bytes(range(256)) * 256
    transport.write(piece)
    transport.writelines([piece] * 20)
    transport.write(b"end")
    data = await stage.drain(peer, 21 * len(piece) + 3)
    stage.note(data == piece * 21 + b"end", transport.get_write_buffer_size())
    stage.log = [entry for entry in stage.log if entry[1] not in ("pause_writing", "resume_writing")]


# ---- flow control


async def limits(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    peer = await stage.connect(protocol, send=8192)
    transport = protocol.transport
    stage.note(transport.get_write_buffer_limits())
    for high, low in ((None, None), (100, None), (None, 100), (100, 10), (0, 0), (10, 100), (-1, None), (1.5, 0.5)):
        stage.attempt(lambda high=high, low=low: transport.set_write_buffer_limits(high, low))  # type: ignore[misc]
        stage.note(transport.get_write_buffer_limits())
    transport.set_write_buffer_limits(high=10)
    while not transport.get_write_buffer_size():
        transport.write(bytes(4096))
    transport.set_write_buffer_limits(high=1 << 20)
    peer.setblocking(False)
    while "resume_writing" not in (entry[1] for entry in stage.log):
        await stage.drain(peer, 1)


async def callbacks_of_flow_raise(stage: Stage) -> None:
    protocol = Plain(stage, "a", pause_writing=boom, resume_writing=boom)
    peer = await stage.connect(protocol, send=8192)
    protocol.transport.write(bytes(1 << 20))
    stage.note("peer", len(await stage.drain(peer, 1 << 20)))
    await stage.heard("resume_writing")
    await stage.turns()
    stage.note(protocol.transport.is_closing())


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


async def name_that_comes_back(stage: Stage) -> None:
    """What a name's hash calls finds the transport as it is."""
    protocol = Plain(stage, "a")
    await stage.connect(protocol)

    class Name(str):
        def __hash__(self) -> int:
            stage.note(protocol.transport.is_closing())
            return super().__hash__()

    stage.note(protocol.transport.get_extra_info(Name("nothing"), 1))


async def abort_while_data_waits(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    await stage.connect(protocol, send=8192)
    protocol.transport.write(bytes(1 << 20))
    protocol.transport.abort()
    stage.note(protocol.transport.get_write_buffer_size(), protocol.transport.is_closing())
    protocol.transport.abort()
    protocol.transport.close()
    await stage.heard("connection_lost")


# ---- eof


async def peer_ends_its_half(stage: Stage) -> None:
    protocol = Plain(stage, "a", eof_received=True)
    peer = await stage.connect(protocol, tcp=True)
    peer.send(b"last")
    peer.shutdown(socket.SHUT_WR)
    await stage.heard("eof_received")
    await stage.turns()
    protocol.transport.write(b"still here")
    stage.note(protocol.transport.is_closing(), protocol.transport.is_reading(), await stage.drain(peer, 10))
    protocol.transport.close()
    stage.note("peer", await stage.drain(peer))
    await stage.heard("connection_lost")


async def peer_ends(stage: Stage) -> None:
    protocol = Buffered(stage, "a")
    peer = await stage.connect(protocol)
    peer.send(b"last")
    peer.shutdown(socket.SHUT_WR)
    await stage.heard("connection_lost")


async def write_eof(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    peer = await stage.connect(protocol, send=8192)
    transport = protocol.transport
    stage.note(transport.can_write_eof())
    transport.write(bytes(1 << 20))
    transport.write_eof()
    transport.write_eof()
    for call in (lambda: transport.write(b"x"), lambda: transport.writelines([b"x"]), lambda: transport.write(b"")):
        try:
            call()
        except RuntimeError:
            stage.note("RuntimeError")
    stage.note("peer", len(await stage.drain(peer)))
    await stage.until(lambda: True)
    peer.send(b"answer")
    await stage.heard("data_received")
    peer.close()
    await stage.heard("connection_lost")


async def write_eof_at_once(stage: Stage) -> None:
    protocol = Plain(stage, "a", eof_received=True)
    peer = await stage.connect(protocol)
    protocol.transport.write(b"x")
    protocol.transport.write_eof()
    stage.note("peer", await stage.drain(peer))
    protocol.transport.close()
    protocol.transport.write_eof()
    await stage.heard("connection_lost")


# ---- reading is paused


async def pause_inside_data_received(stage: Stage) -> None:
    protocol = Plain(stage, "a", data_received=lambda transport: transport.pause_reading())
    peer = await stage.connect(protocol)
    peer.send(b"one")
    await stage.heard("data_received")
    stage.note(protocol.transport.is_reading())
    peer.send(b"two")
    await stage.turns()
    stage.note("nothing more")
    protocol.transport.pause_reading()
    protocol.transport.resume_reading()
    protocol.transport.resume_reading()
    await stage.heard("data_received", 2)
    peer.send(b"three")
    peer.close()
    await stage.turns()
    protocol.actions.clear()
    stage.note("resumed")
    protocol.transport.resume_reading()
    await stage.heard("connection_lost")


async def pause_and_resume_in_one_callback(stage: Stage) -> None:
    def both(transport: asyncio.Transport) -> None:
        transport.pause_reading()
        transport.resume_reading()

    protocol = Plain(stage, "a", connection_made=both, data_received=both)
    peer = await stage.connect(protocol)
    peer.send(b"one")
    await stage.heard("data_received")
    stage.note("next")
    peer.send(b"two")
    await stage.heard("data_received", 2)


async def paused_from_the_beginning(stage: Stage) -> None:
    protocol = Plain(stage, "a", connection_made=lambda transport: transport.pause_reading())
    peer = await stage.connect(protocol)
    peer.send(b"one")
    await stage.turns()
    stage.note("resumed")
    protocol.transport.resume_reading()
    await stage.heard("data_received")


async def pause_the_other(stage: Stage) -> None:
    """Both are ready at the same time; the first one pauses the second."""
    one, two = Plain(stage, "one"), Plain(stage, "two")
    peers = [await stage.connect(one), await stage.connect(two)]
    one.actions["data_received"] = lambda _: two.transport.pause_reading()
    two.actions["data_received"] = lambda _: one.transport.pause_reading()
    for peer in peers:
        peer.send(b"x")
    await stage.turns()
    stage.log = []
    stage.note(len(one.got) + len(two.got))
    one.actions.clear()
    two.actions.clear()
    one.transport.resume_reading()
    two.transport.resume_reading()
    await stage.until(lambda: len(one.got) + len(two.got) == 2)
    stage.log = stage.log[:1]


async def close_the_other(stage: Stage) -> None:
    one, two = Plain(stage, "one"), Plain(stage, "two")
    peers = [await stage.connect(one), await stage.connect(two)]
    one.actions["data_received"] = lambda _: two.transport.close()
    two.actions["data_received"] = lambda _: one.transport.close()
    for peer in peers:
        peer.send(b"x")
    await stage.heard("connection_lost")
    stage.log = [("-", len(one.got) + len(two.got))]


# ---- protocols change


async def switch_inside_data_received(stage: Stage) -> None:
    second = Buffered(stage, "b")
    first = Plain(stage, "a", data_received=lambda transport: transport.set_protocol(second))
    peer = await stage.connect(first)
    peer.send(b"one")
    await stage.heard("data_received")
    peer.send(b"two")
    await stage.heard("buffer_updated")
    stage.note(first.transport.get_protocol() is second)
    third = Plain(stage, "c")
    first.transport.set_protocol(third)
    peer.send(b"three")
    await stage.heard("data_received", 2)
    peer.close()
    await stage.heard("connection_lost")


# ---- the end, from everywhere


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


# ---- what else there is


async def extra_info(stage: Stage) -> None:
    protocol = Plain(stage, "a")
    peer = await stage.connect(protocol, tcp=True)
    transport = protocol.transport
    sock = transport.get_extra_info("socket")
    stage.note(
        type(sock).__name__, sock.fileno() >= 0, sock.type, sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    )
    stage.note(transport.get_extra_info("sockname") == peer.getpeername())
    stage.note(transport.get_extra_info("peername") == peer.getsockname())
    stage.note(transport.get_extra_info("nothing"), transport.get_extra_info("nothing", 5))
    stage.note(isinstance(transport, asyncio.Transport), isinstance(transport, asyncio.DatagramTransport))
    transport.remark = "of a user"
    stage.note(transport.remark)
    shown = repr(transport)
    stage.note(shown.replace("_Selector", "").replace(str(sock.fileno()), "FD"))
    try:
        stage.loop.add_reader(sock.fileno(), boom)
    except RuntimeError:
        stage.note("the fd is taken")
    fd = sock.fileno()
    transport.close()
    stage.note(repr(transport).replace("_Selector", "").replace(str(fd), "FD"))
    await stage.heard("connection_lost")
    stage.note(repr(transport).replace("_Selector", "").replace(str(fd), "FD"))
    stage.note(transport.get_extra_info("peername") == peer.getsockname())


async def contexts(stage: Stage) -> None:
    """Each callback runs in the context of who asked for it."""

    def see(transport: asyncio.Transport) -> None:
        stage.note("trace", trace.get())
        trace.set(trace.get() + "+")

    names = ("connection_made", "data_received", "resume_writing", "connection_lost")
    protocol = Plain(stage, "a", **dict.fromkeys(names, see))
    trace.set("opener")
    peer = await stage.connect(protocol, send=8192)
    for number in range(3):
        peer.send(b"%d" % number)
        await stage.until(lambda: len(protocol.got) == number + 1)
        stage.note("next")
    protocol.transport.pause_reading()
    trace.set("resumer")
    protocol.transport.resume_reading()
    peer.send(b"x")
    await stage.until(lambda: len(protocol.got) == 4)
    trace.set("writer")
    protocol.transport.write(bytes(1 << 20))
    trace.set("closer")
    await stage.drain(peer, 1 << 20)
    await stage.heard("resume_writing")
    protocol.transport.close()
    await stage.heard("connection_lost")


SCENES: dict[str, Callable[[Stage], Any]] = {
    scene.__name__: scene
    for scene in (
        echo,
        echo_buffered,
        large_both_ways,
        all_kinds_of_data,
        lines,
        lines_that_wait,
        limits,
        callbacks_of_flow_raise,
        close_while_data_waits,
        connection_lost_raises_when_the_last_data_is_gone,
        name_that_comes_back,
        abort_while_data_waits,
        peer_ends_its_half,
        peer_ends,
        write_eof,
        write_eof_at_once,
        pause_inside_data_received,
        pause_and_resume_in_one_callback,
        paused_from_the_beginning,
        pause_the_other,
        close_the_other,
        switch_inside_data_received,
        everything_raises,
        reset_in_mid_write,
        reset_while_reading,
        broken_pipe,
        socket_closed_by_its_owner,
        extra_info,
        contexts,
    )
}
for _how in ("close", "abort"):
    for _callback in ("connection_made", "data_received", "eof_received", "pause_writing", "connection_lost"):
        SCENES[f"{_how}_inside_{_callback}"] = ends(_callback, _how)
    for _callback in ("get_buffer", "buffer_updated"):
        SCENES[f"{_how}_inside_{_callback}"] = ends(_callback, _how, Buffered)
for _callback in ("connection_made", "data_received", "eof_received", "connection_lost"):
    SCENES[f"{_callback}_raises"] = fails(_callback)
for _callback in ("get_buffer", "buffer_updated", "eof_received"):
    SCENES[f"buffered_{_callback}_raises"] = fails(_callback, Buffered)
SCENES["buffer_of_size_0"] = gives_buffer(lambda: bytearray())
SCENES["buffer_that_is_read_only"] = gives_buffer(lambda: b"bytes")
SCENES["buffer_without_length"] = gives_buffer(lambda: 5)
SCENES["buffer_that_is_no_buffer"] = gives_buffer(lambda: ["x"])
SCENES["buffer_with_gaps"] = gives_buffer(lambda: memoryview(bytearray(10))[::2])
