"""Scenes in which nobody takes a transport's datagrams for a while. See `transport_scenes`."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from transport_stage import Datagrams, Stage, boom

Scene = Callable[[Stage], Any]

#: CPython before 3.13 sends no empty datagrams.
SENDS_EMPTY = sys.version_info >= (3, 13)


def full(then: Callable[[Stage, Datagrams, Any], Any], **actions: Any) -> Scene:
    """The peer takes no more for now: that there is no room is told by Unix sockets alone."""

    async def scene(stage: Stage) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "peer")
            peer = stage.bound(socket.AF_UNIX, path, "peer")
            peer.setblocking(False)
            protocol = Datagrams(stage, "a", **actions)
            await stage.endpoint(protocol, remote_addr=path, family=socket.AF_UNIX)
            transport = protocol.transport
            while not transport.get_write_buffer_size():
                transport.sendto(bytes(1000))
            stage.note(transport.get_write_buffer_size())
            for size in (1, 20, 0, 300):
                transport.sendto(bytearray(size))
            stage.note(transport.get_write_buffer_size())
            await then(stage, protocol, peer)

    return scene


async def take(stage: Stage, peer: Any, last: int = 300) -> None:
    """Receives all up to one of the size `last`."""
    sizes: list[int] = []
    while last not in sizes:
        try:
            sizes.append(len(peer.recv(1 << 17)))
        except BlockingIOError:
            await asyncio.sleep(0)
    stage.note("peer", sizes)


async def drained(stage: Stage, protocol: Datagrams, peer: Any) -> None:
    await take(stage, peer)
    await stage.turns()
    protocol.transport.sendto(b"again")
    await stage.turns()
    stage.note("peer", peer.recv(10))


async def flows(stage: Stage, protocol: Datagrams, peer: Any) -> None:
    transport = protocol.transport
    stage.note(transport.get_write_buffer_limits())
    transport.set_write_buffer_limits(high=2000, low=1500)
    transport.sendto(bytes(1100))
    stage.note("told, or not yet")
    transport.sendto(bytes(700))
    await take(stage, peer, 700)
    await stage.heard("resume_writing")


async def closed(stage: Stage, protocol: Datagrams, peer: Any) -> None:
    protocol.transport.close()
    stage.note(protocol.transport.is_closing(), protocol.transport.is_reading())
    await take(stage, peer)
    await stage.heard("connection_lost")


async def aborted(stage: Stage, protocol: Datagrams, peer: Any) -> None:
    protocol.transport.abort()
    protocol.transport.abort()
    protocol.transport.close()
    await stage.heard("connection_lost")


async def peer_gone(stage: Stage, protocol: Datagrams, peer: Any) -> None:
    peer.close()
    await stage.heard("error_received", 5 if SENDS_EMPTY else 4)
    await stage.turns()
    stage.attempt(lambda: protocol.transport.sendto(b"x"))
    protocol.transport.close()
    await stage.heard("connection_lost")


FULL: dict[str, Scene] = {}
for _then in (drained, flows, closed, aborted, peer_gone):
    FULL[f"datagrams_full_{_then.__name__}"] = full(_then)
FULL["datagrams_full_callbacks_raise"] = full(flows, pause_writing=boom, resume_writing=boom)
FULL["datagrams_full_error_raises"] = full(peer_gone, error_received=boom)
