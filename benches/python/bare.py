"""What hosts do without asyncio, for the design "nothing": functions that await one thing, which calls back.

Owns: the connection of `slot`. Everything runs on the host thread.
"""

from __future__ import annotations

import json
import os
import socket
import types
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeAlias

from costs import Costs, Figures
from load import generator, spawned

if TYPE_CHECKING:
    from hosts import BenchHost, Job

# Is given the function that goes on.
Begin: TypeAlias = "Callable[[Job], object]"


@types.coroutine
def _called_back(begin: Begin) -> Generator[Begin, None, None]:
    yield begin


async def calm(host: BenchHost | None, seconds: float) -> Figures:
    """The host and its timers, and nothing else."""
    assert host is not None
    probe = host.probe()
    await _called_back(lambda go_on: host.later(seconds, go_on))
    return {"late_ms": probe.late_ms(99)}


async def slot(host: BenchHost | None, connections: int, size: int, seconds: float) -> Figures:
    """An echo server that is a slot of Qt's notifier, with recv and send. Of one connection."""
    core: Any = getattr(host, "core", None)
    assert core is not None and connections == 1, "Qt's notifiers, and a slot for each connection"
    listener = socket.create_server(("127.0.0.1", 0))
    costs = Costs()
    report = spawned(generator(listener.getsockname()[1], connections, size, seconds))
    connection, _ = listener.accept()
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    notifier = core.QSocketNotifier(connection.fileno(), core.QSocketNotifier.Type.Read)

    def serve(go_on: Job) -> None:
        def readable() -> None:
            try:
                data = connection.recv(65536)
                if data:
                    connection.send(data)
            except ConnectionError:
                data = b""
            if not data:  # the load is over
                notifier.setEnabled(False)
                go_on()

        # As the adapter does it: the cheapest slot that each binding has.
        notifier.activated.connect(readable if core.__name__.startswith("PySide") else lambda *_: readable())

    await _called_back(serve)
    with os.fdopen(report) as printed:
        answered: Figures = json.load(printed)
    connection.close()
    listener.close()
    return {**answered, **costs.per(max(1, answered["requests"]))}
