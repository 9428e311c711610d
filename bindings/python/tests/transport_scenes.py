"""Scenes of a transport's life, for two transports to be compared by what their protocols are told.

Each scene is a coroutine that is given a `Stage`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from datagram_scenes import DATAGRAMS
from pipe_scenes import PIPES
from transport_ends import ENDS
from transport_stage import Buffered, Plain, Stage, boom, trace

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


async def name_that_comes_back(stage: Stage) -> None:
    """What a name's hash calls finds the transport as it is."""
    protocol = Plain(stage, "a")
    await stage.connect(protocol)

    class Name(str):
        def __hash__(self) -> int:
            stage.note(protocol.transport.is_closing())
            return super().__hash__()

    stage.note(protocol.transport.get_extra_info(Name("nothing"), 1))


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


async def extra_info_afterwards(stage: Stage) -> None:
    """Nobody has asked before the end."""
    places = ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0)), (socket.AF_UNIX, b""))
    for made, (family, address) in enumerate(places, 1):
        with socket.socket(family) as server:
            server.bind(address)
            server.listen()
            ours, names = socket.socket(family), server.getsockname()
            ours.connect(names)
            names = [ours.getsockname(), names]
            peer, _ = server.accept()
        stage.sockets.append(peer)
        ours.setblocking(False)
        protocol = Plain(stage, "a")
        transport, _ = await stage.loop.create_connection(lambda protocol=protocol: protocol, sock=ours)
        stage.transports.append(transport)
        transport.close()
        await stage.heard("connection_lost", made)
        stage.note([transport.get_extra_info(name) for name in ("sockname", "peername")] == names)
        stage.note(transport.get_extra_info("socket").fileno(), sorted(transport._extra))
        transport._extra["more"] = 1
        stage.note(transport.get_extra_info("more"))


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


SCENES: dict[str, Callable[[Stage], Any]] = (
    {
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
            name_that_comes_back,
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
            extra_info,
            extra_info_afterwards,
            contexts,
        )
    }
    | ENDS
    | DATAGRAMS
    | PIPES
)
