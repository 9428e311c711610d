"""Wake latency of many loops at once: all are alive side by side, each in its process, and one client wakes them in random
order, every time from idle.

So whatever else the machine does, and how cold its caches are, is the same for all, and the ratio of two medians can be trusted
to a few per cent, where samples taken one after the other scatter by half. Owns: the client's ends of the connections.
"""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Iterable, Iterator

from process import PATIENCE, Outcome, begin, outcome
from rows import Cell

_WARM_UP = 20

# Seconds: a loop that has answered is asleep again after this.
_PAUSE = 0.0006


def duel(cells: Iterable[Cell], count: int) -> Iterator[tuple[Cell, Outcome]]:
    """Wakes the loop of each cell `count` times."""
    servers = [Server(cell) for cell in cells]
    for server in servers:  # those that need not be here end by themselves, before their first answer
        for _ in range(_WARM_UP):
            server.wake()
        server.latencies.clear()
    present = [server for server in servers if server.answers]
    for _ in range(count):
        for server in random.sample(present, len(present)):
            time.sleep(_PAUSE)
            server.wake()
    for server in servers:
        server.hang_up()
    for server in servers:
        yield server.cell, server.outcome()


class Server:
    """A cell that sends back what it gets."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.answers = True
        self.latencies: list[float] = []
        self._socket, theirs = socket.socketpair()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", PATIENCE, 0))
        self._process = begin(cell, [theirs.fileno()], [theirs.fileno()])
        theirs.close()

    def wake(self) -> None:
        """Sends a byte and waits, asleep, for its answer."""
        if not self.answers:
            return
        began = time.perf_counter()
        try:
            self._socket.send(b"x")
            self.answers = self._socket.recv(1) == b"x"
        except OSError:  # it has ended, or does not answer in time
            self.answers = False
        self.latencies.append(time.perf_counter() - began)

    def hang_up(self) -> None:
        """It is to end."""
        self._socket.close()

    def outcome(self) -> Outcome:
        """Its own figures, and the percentiles of its latencies in microseconds."""
        kind, figures = outcome(self._process)
        if not isinstance(figures, dict):
            return kind, figures
        if not self.answers:
            return "failed", "it has stopped answering"
        ordered = sorted(self.latencies)
        p50, p99 = (ordered[int(len(ordered) * share)] * 1e6 for share in (0.5, 0.99))
        return kind, {**figures, "p50_us": p50, "p99_us": p99}
