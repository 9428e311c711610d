"""Scenes in the life of a transport of datagrams. See `transport_scenes`."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import Callable
from typing import Any

from datagram_full_scenes import FULL, SENDS_EMPTY
from transport_stage import Datagrams, Stage, boom, trace

HERE = {socket.AF_INET: ("127.0.0.1", 0), socket.AF_INET6: ("::1", 0)}

Scene = Callable[[Stage], Any]


class Answers(Datagrams):
    def datagram_received(self, data: bytes, addr: Any) -> None:
        super().datagram_received(data, addr)
        self.transport.sendto(data, addr)


def echo(family: int) -> Scene:
    async def scene(stage: Stage) -> None:
        peer = stage.bound(family, HERE[family], "peer")
        protocol = Answers(stage, "a")
        await stage.endpoint(protocol, local_addr=HERE[family])
        peer.connect(protocol.transport.get_extra_info("sockname"))
        for word in (b"hello", bytes(60000), b"", b"again"):
            peer.send(word)
            await stage.until(lambda word=word: stage.log[-1][2:3] == (word,))  # type: ignore[misc]
        for _ in range(4 if SENDS_EMPTY else 3):
            stage.note("peer", peer.recv(1 << 16))
        stage.note(protocol.transport.get_write_buffer_size())

    return scene


async def unix_names(stage: Stage) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "ours")
        protocol = Datagrams(stage, "a")
        await stage.endpoint(protocol, local_addr=path, family=socket.AF_UNIX)
        for name, address in (("by path", os.path.join(folder, "p\udcff")), ("abstract", ""), ("nameless", None)):
            peer = stage.bound(socket.AF_UNIX, address, name)
            peer.sendto(name.encode(), path)
            await stage.until(lambda name=name: protocol.got.endswith(name.encode()))  # type: ignore[misc]
            if address is not None:
                protocol.transport.sendto(b"back", peer.getsockname())
                stage.note(peer.recvfrom(10) == (b"back", path))
        protocol.transport.sendto(b"x", os.path.join(folder, "nobody"))
        stage.note(protocol.transport.is_closing())


async def kinds_of_data(stage: Stage) -> None:
    peer = stage.bound(socket.AF_INET, HERE[socket.AF_INET], "peer")
    protocol = Datagrams(stage, "a")
    await stage.endpoint(protocol, remote_addr=peer.getsockname())
    transport = protocol.transport
    for data in (b"bytes", bytearray(b"bytearray"), memoryview(b"memoryview"), b"", bytearray(), memoryview(b"")):
        transport.sendto(data)
    for data in ("text", 1, None, [b"x"]):
        stage.attempt(lambda data=data: transport.sendto(data))  # type: ignore[misc]
    transport.sendto(b"end")
    data = b""
    while data != b"end":
        data = peer.recv(100)
        stage.note("peer", data)
    transport.sendto(bytes(70000))
    transport.sendto(b"after")
    stage.note("peer", peer.recv(100))
    transport.sendto(memoryview(b"abcdef")[::2])
    await stage.heard("connection_lost")


async def one_address(stage: Stage) -> None:
    peer = stage.bound(socket.AF_INET, HERE[socket.AF_INET], "peer")
    for options in ({}, {"allow_broadcast": True}):  # connected, and not
        protocol = Datagrams(stage, "a")
        await stage.endpoint(protocol, remote_addr=peer.getsockname(), **options)
        stage.note(protocol.transport.get_extra_info("peername") == peer.getsockname())
        for address in (None, peer.getsockname()):
            protocol.transport.sendto(b"x", address)
            stage.note("peer", peer.recv(10))
        for wrong in (("127.0.0.1", 1), "text", 5, ()):
            try:
                protocol.transport.sendto(b"x", wrong)
            except ValueError as error:
                stage.note(str(error) == f"Invalid address: must be None or {peer.getsockname()}")
        protocol.transport.close()
        for _ in range(8):
            protocol.transport.sendto(b"late")
        await stage.turns()


async def connected_by_its_owner(stage: Stage) -> None:
    """The address that is given does not matter."""
    peer = stage.bound(socket.AF_INET, HERE[socket.AF_INET], "peer")
    ours = stage.bound(socket.AF_INET, HERE[socket.AF_INET], "ours")
    ours.connect(peer.getsockname())
    protocol = Datagrams(stage, "a")
    await stage.endpoint(protocol, sock=ours)
    protocol.transport.sendto(b"x", ("127.0.0.1", 1))
    stage.note("peer", peer.recv(10))


async def addresses(stage: Stage) -> None:
    peer = stage.bound(socket.AF_INET, HERE[socket.AF_INET], "peer")
    protocol = Datagrams(stage, "a")
    await stage.endpoint(protocol, local_addr=HERE[socket.AF_INET])
    port = peer.getsockname()[1]

    class Text(str):
        pass

    for host in ("127.0.0.1", "localhost", "127.1", Text("127.0.0.1"), b"127.0.0.1", bytearray(b"127.0.0.1")):
        protocol.transport.sendto(b"x", (host, port))
        stage.note("peer", peer.recv(10))
    protocol.transport.sendto(b"x", ("127.0.0.1", 0))  # OSError
    stage.note(protocol.transport.is_closing())


async def addresses_of_ipv6(stage: Stage) -> None:
    peer = stage.bound(socket.AF_INET6, HERE[socket.AF_INET6], "peer")
    protocol = Datagrams(stage, "a")
    await stage.endpoint(protocol, local_addr=HERE[socket.AF_INET6])
    port = peer.getsockname()[1]
    for address in (("::1", port), ("::1", port, 0), ("0:0::1", port, 0, 0), ("::1", port, 5, 0)):
        protocol.transport.sendto(b"x", address)
        stage.note("peer", peer.recv(10))


def refuses(address: Any) -> Scene:
    """What is no address is the end."""

    async def scene(stage: Stage) -> None:
        protocol = Datagrams(stage, "a")
        await stage.endpoint(protocol, local_addr=HERE[socket.AF_INET])
        stage.attempt(lambda: protocol.transport.sendto(b"x", address))
        await stage.heard("connection_lost")

    return scene


async def nobody_there(stage: Stage) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(HERE[socket.AF_INET])
        address = gone.getsockname()
    protocol = Datagrams(stage, "a")
    await stage.endpoint(protocol, remote_addr=address)
    protocol.transport.sendto(b"one")
    await stage.heard("error_received")
    protocol.transport.sendto(b"two")
    protocol.transport.sendto(b"three")
    stage.note(protocol.transport.is_closing())
    protocol.actions["error_received"] = boom
    protocol.transport.sendto(b"four")
    await stage.heard("error_received", 3)
    protocol.transport.sendto(b"five")
    stage.attempt(lambda: protocol.transport.sendto(b"six"))
    stage.note(protocol.transport.is_closing())
    protocol.actions["error_received"] = lambda transport: transport.abort()
    protocol.transport.sendto(b"seven")
    await stage.heard("connection_lost")


def acts(callback: str, action: Callable[[Any], object], sent: int = 3) -> Scene:
    """Several datagrams wait when `callback` acts."""

    async def scene(stage: Stage) -> None:
        peer = stage.bound(socket.AF_INET, HERE[socket.AF_INET], "peer")
        ours = stage.bound(socket.AF_INET, HERE[socket.AF_INET], "ours")
        for number in range(sent):
            peer.sendto(b"%d" % number, ours.getsockname())
        protocol = Datagrams(stage, "a", **{callback: action})
        await stage.endpoint(protocol, sock=ours)
        await stage.turns(10)
        transport = protocol.transport
        stage.note(transport.is_closing(), transport.is_reading())
        protocol.actions.clear()
        transport.resume_reading()
        await stage.turns(10)
        transport.close()
        transport.pause_reading()
        await stage.heard("connection_lost")

    return scene


async def order_of_callbacks(stage: Stage) -> None:
    """What a callback schedules comes before the next datagram, and datagrams of two sockets take turns."""
    peer = stage.bound(socket.AF_INET, HERE[socket.AF_INET], "peer")
    protocols = []
    for name in ("a", "b"):
        ours = stage.bound(socket.AF_INET, HERE[socket.AF_INET], "ours")
        for number in range(5):
            peer.sendto(b"%d" % number, ours.getsockname())
        protocol = Datagrams(stage, name)
        protocol.actions["datagram_received"] = lambda _, name=name: stage.loop.call_soon(stage.note, "after", name)
        protocols.append((protocol, ours))
    await asyncio.gather(*(stage.endpoint(protocol, sock=ours) for protocol, ours in protocols))
    await stage.heard("datagram_received", 10)
    await stage.turns()


async def switch_inside_datagram_received(stage: Stage) -> None:
    peer = stage.bound(socket.AF_INET, HERE[socket.AF_INET], "peer")
    ours = stage.bound(socket.AF_INET, HERE[socket.AF_INET], "ours")
    for word in (b"one", b"two"):
        peer.sendto(word, ours.getsockname())
    second = Datagrams(stage, "b")
    first = Datagrams(stage, "a", datagram_received=lambda transport: transport.set_protocol(second))
    await stage.endpoint(first, sock=ours)
    await stage.heard("datagram_received", 2)
    stage.note(first.transport.get_protocol() is second)


async def cut_short(stage: Stage) -> None:
    peer = stage.bound(socket.AF_INET, HERE[socket.AF_INET], "peer")
    protocol = Datagrams(stage, "a")
    await stage.endpoint(protocol, local_addr=HERE[socket.AF_INET])
    stage.note(protocol.transport.max_size)
    protocol.transport.max_size = 4
    for word in (b"datagram", b"next"):
        peer.sendto(word, protocol.transport.get_extra_info("sockname"))
    await stage.heard("datagram_received", 2)


async def socket_closed_by_its_owner(stage: Stage) -> None:
    ours = stage.bound(socket.AF_INET, HERE[socket.AF_INET], "ours")
    protocol = Datagrams(stage, "a")
    await stage.endpoint(protocol, sock=ours)
    address = ours.getsockname()
    ours.close()
    protocol.transport.sendto(b"x", address)
    stage.note(protocol.transport.is_closing())
    protocol.transport.close()
    await stage.heard("connection_lost")


async def closed_and_sent(stage: Stage) -> None:
    """An unconnected socket sends until it is closed."""
    peer = stage.bound(socket.AF_INET, HERE[socket.AF_INET], "peer")
    protocol = Datagrams(stage, "a")
    await stage.endpoint(protocol, local_addr=HERE[socket.AF_INET])
    protocol.transport.close()
    protocol.transport.close()
    protocol.transport.sendto(b"last", peer.getsockname())
    stage.note("peer", peer.recv(10))
    await stage.heard("connection_lost")


async def what_it_is(stage: Stage) -> None:
    protocol = Datagrams(stage, "a")
    await stage.endpoint(protocol, local_addr=HERE[socket.AF_INET])
    transport = protocol.transport
    sock = transport.get_extra_info("socket")
    stage.note(type(sock).__name__, sock.type, sock.family, transport.get_extra_info("peername"))
    stage.note(transport.get_extra_info("sockname") == sock.getsockname(), transport.get_extra_info("nothing", 5))
    for kind in (asyncio.DatagramTransport, asyncio.Transport, asyncio.BaseTransport):
        stage.note(isinstance(transport, kind))
    for call in (lambda: transport.write(b"x"), transport.write_eof, transport.can_write_eof, transport.is_reading):
        stage.attempt(call)
    stage.note(hasattr(transport, "_sendfile_compatible"))
    try:
        stage.loop.add_reader(sock.fileno(), boom)
    except RuntimeError:
        stage.note("the fd is taken")
    fd = str(sock.fileno())
    for end in (lambda: None, transport.close, lambda: stage.heard("connection_lost")):
        ended = end()
        if ended is not None:
            await ended
        stage.note(repr(transport).replace("_Selector", "").replace(fd, "FD"))


async def contexts(stage: Stage) -> None:
    def see(transport: Any) -> None:
        stage.note("trace", trace.get())
        trace.set(trace.get() + "+")

    names = ("connection_made", "datagram_received", "connection_lost")
    protocol = Datagrams(stage, "a", **dict.fromkeys(names, see))
    peer = stage.bound(socket.AF_INET, HERE[socket.AF_INET], "peer")
    trace.set("opener")
    await stage.endpoint(protocol, local_addr=HERE[socket.AF_INET])
    for number in range(3):
        peer.sendto(b"%d" % number, protocol.transport.get_extra_info("sockname"))
    await stage.heard("datagram_received", 3)
    trace.set("closer")
    protocol.transport.close()
    await stage.heard("connection_lost")


DATAGRAMS: dict[str, Scene] = {
    f"datagrams_{scene.__name__}": scene
    for scene in (
        unix_names,
        kinds_of_data,
        one_address,
        connected_by_its_owner,
        addresses,
        addresses_of_ipv6,
        nobody_there,
        order_of_callbacks,
        switch_inside_datagram_received,
        cut_short,
        socket_closed_by_its_owner,
        closed_and_sent,
        what_it_is,
        contexts,
    )
}
DATAGRAMS["datagrams_echo"] = echo(socket.AF_INET)
DATAGRAMS["datagrams_echo_ipv6"] = echo(socket.AF_INET6)
for _address in (None, "text", ("127.0.0.1",), ("127.0.0.1", 70000), ("127.0.0.1", -1), ("127.0.0.1", "1"), (1, 1)):
    DATAGRAMS[f"datagrams_to_{_address!r}"] = refuses(_address)
for _how in ("close", "abort", "pause_reading"):
    for _callback in ("connection_made", "datagram_received"):
        DATAGRAMS[f"datagrams_{_how}_inside_{_callback}"] = acts(
            _callback, lambda transport, how=_how: getattr(transport, how)()
        )
for _callback in ("connection_made", "datagram_received", "connection_lost"):
    DATAGRAMS[f"datagrams_{_callback}_raises"] = acts(_callback, boom)
DATAGRAMS |= FULL
