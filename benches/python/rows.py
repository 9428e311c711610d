"""The table's rows: which two cells each compares, and its goal.

Owns: nothing. A cell is one sample in a process of its own: a loop design, the host it lives in and the work it does.
Every figure is a cost, so a ratio below 1 is better than the peer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# The work and its size: for the table, and for the smoke run.
SIZES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "ticks": ((30_000,), (500,)),
    "soon": ((100_000,), (500,)),
    "later": ((30_000,), (500,)),
    "futures": ((30_000,), (500,)),
    "wake": ((300,), (5,)),
    "pair": ((3000,), (50,)),
    "protocol": ((50, 1024, 1.0), (5, 1024, 0.05)),
    "buffered": ((50, 1024, 1.0), (5, 1024, 0.05)),
    "read": ((50, 1024, 1.0), (5, 1024, 0.05)),
    "readexactly": ((50, 1024, 1.0), (5, 1024, 0.05)),
    "one": ((1, 1024, 1.0), (1, 1024, 0.05)),
    "slot": ((1, 1024, 1.0), (1, 1024, 0.05)),
    "many": ((1000, 64, 1.0), (20, 64, 0.05)),
    "large": ((50, 65536, 1.0), (5, 65536, 0.05)),
    "datagrams": ((50, 1024, 1.0), (5, 1024, 0.05)),
    "tls": ((50, 1024, 1.0), (5, 1024, 0.05)),
    "http": ((50, 13, 1.0), (5, 13, 0.05)),
    "websockets": ((50, 1024, 1.0), (5, 1024, 0.05)),
    "select": ((10, 1.0), (2, 0.05)),
    "imports": ((20,), (1,)),
    "saturated": ((50, 1024, 1.0), (5, 1024, 0.05)),
    "connections": ((1000,), (20,)),
    "idle": ((1.0,), (0.05,)),
    "storm": ((1.5,), (0.05,)),
    "calm": ((1.5,), (0.05,)),
    "burst": ((20_000, 10), (200, 1)),
    "by_hand": ((10_000,), (200,)),
    "awaited": ((10_000,), (200,)),
    "created": ((30_000,), (500,)),
    "slots": ((30_000,), (500,)),
    "flood": ((1.5,), (0.05,)),
}


@dataclass(frozen=True)
class Cell:
    """One sample: `loop` in `host` does `work`; with malloc tuned by environment or as shipped."""

    work: str
    loop: str
    host: str
    tuned: bool = False

    def __str__(self) -> str:
        name = self.loop if self.host == "alone" else f"{self.loop} in {self.host}"
        return f"{name}, malloc tuned" if self.tuned else name


@dataclass(frozen=True)
class Row:
    """`ours` against `peer` by `figure`. `goal`: the largest ratio, or without a peer the largest figure."""

    title: str
    figure: str
    ours: Cell
    peer: Cell | None
    goal: float | None


def rows() -> Iterator[Row]:
    """All rows, in the table's order."""
    yield from _ticks()
    yield from _callbacks()
    yield from _wakes()
    yield from _echoes()
    yield from _transports()
    yield from _idle()
    yield from _host_timers()
    yield from _emissions()


def _ticks() -> Iterator[Row]:
    title, alone = "await sleep(0)", Cell("ticks", "standard", "alone", tuned=True)
    for host in ("queue", "queue-thread", "tk", "tk-thread", "qt", "qt-thread", "gtk", "gtk-thread"):
        yield Row(title, "cpu_us", Cell("ticks", "asyncguest", host), alone, 0.8)
    for host in ("asyncio", "qt-pyside"):
        yield Row(title, "cpu_us", Cell("ticks", "asyncguest", host), alone, None)
    ours = Cell("ticks", "asyncguest", "queue")
    yield Row(title, "cpu_us", ours, Cell("ticks", "standard", "alone"), None)
    for ours, peer in _field("ticks", "queue", "tk", "qt", "qt-pyside", "gtk"):
        yield Row(title + ", on the wall", "wall_us", ours, peer, 1.0 if _is_new(ours) else None)


def _callbacks() -> Iterator[Row]:
    for work, title in (
        ("ticks", "await sleep(0)"),
        ("soon", "call_soon, and its callback"),
        ("later", "call_later and cancel"),
        ("futures", "a future wakes a task"),
    ):
        for host in ("alone", "queue", "qt"):
            yield Row(title, "cpu_us", Cell(work, "asyncguest", host), Cell(work, "uvloop", "alone"), 1.0)


def _wakes() -> Iterator[Row]:
    title = "wake latency, p50"

    def cell(loop: str, host: str = "alone") -> Cell:
        return Cell("wake", loop, host, tuned=True)

    yield Row(title, "p50_us", cell("asyncguest"), cell("standard"), 1.1)
    yield Row(title, "p50_us", cell("asyncguest"), cell("uvloop"), None)
    goals = {"queue": 1.3, "asyncio": 1.3, "qt": 1.3, "qt-pyside": 1.3, "gtk": 1.3, "tk": 2.0}
    threads = {f"{host}-thread": 3.0 for host in ("queue", "tk", "qt", "gtk")}
    for host, goal in {**goals, **threads}.items():
        yield Row(title, "p50_us", cell("asyncguest", host), cell("standard"), goal)
    for host in ("queue", "tk", "qt", "qt-pyside"):
        yield Row(f"{title}, by posts alone", "p50_us", cell("asyncguest-posts", host), cell("semaphore", host), 1.0)
    for host in ("queue-thread", "tk-thread", "qt", "gtk"):
        kind = host.removesuffix("-thread")
        for design in _DESIGNS[kind]:
            yield Row(title, "p50_us", cell("asyncguest", host), cell(design, kind), 1.0)


def _echoes() -> Iterator[Row]:
    title = "echo round trip, both ends in the guest"
    for host in ("queue", "queue-thread", "tk", "qt", "gtk"):
        ours = Cell("pair", "asyncguest", host)
        yield Row(title, "cpu_us", ours, Cell("pair", "standard", "alone", tuned=True), 1.1)
    ours = Cell("pair", "asyncguest", "queue")
    yield Row(title, "cpu_us", ours, Cell("pair", "standard", "alone"), None)
    yield Row(title, "cpu_us", ours, Cell("pair", "uvloop", "alone"), None)
    for ours, peer in _field("pair", "queue", "tk", "qt", "gtk"):
        yield Row(title + ", on the wall", "wall_us", ours, peer, 1.0 if _is_new(ours) else None)

    title = "echo, 50 connections, 1 KiB, processor time"
    for host in ("queue", "queue-thread", "tk", "qt", "qt-pyside", "gtk"):
        ours = Cell("protocol", "asyncguest", host)
        yield Row(title, "cpu_us", ours, Cell("protocol", "standard", "alone"), 1 / 3)
        yield Row(title, "cpu_us", ours, Cell("protocol", "standard", "alone", tuned=True), 1.0)
    yield Row(title, "cpu_us", Cell("protocol", "asyncguest", "queue"), Cell("protocol", "uvloop", "alone"), None)
    for tuned in (False, True):
        for ours, peer in _field("protocol", "queue", "tk", "qt", "gtk", tuned=tuned):
            yield Row(title, "cpu_us", ours, peer, 1.0 if _is_new(ours) else None)


def _transports() -> Iterator[Row]:
    goals = {"one": (1.0, None), **dict.fromkeys(("tls", "http", "websockets", "select"), (None, 1.0))}
    for work, title in (
        ("protocol", "echo, Protocol, 50 x 1 KiB"),
        ("buffered", "echo, BufferedProtocol, 50 x 1 KiB"),
        ("read", "echo, read, 50 x 1 KiB"),
        ("readexactly", "echo, readexactly, 50 x 1 KiB"),
        ("one", "echo, Protocol, 1 x 1 KiB"),
        ("many", "echo, Protocol, 1,000 x 64 B"),
        ("large", "echo, Protocol, 50 x 64 KiB"),
        ("datagrams", "echo, UDP, 50 x 1 KiB"),
        ("tls", "echo, TLS, 50 x 1 KiB"),
        ("http", "aiohttp, hello world, 50"),
        ("websockets", "websockets, echo, 50 x 1 KiB"),
        ("select", "asyncpg, select, 10"),
    ):
        peer = Cell(work, "uvloop", "alone", tuned=True)
        alone, in_qt = goals.get(work, (0.91, 1.0))
        for host, goal in (("alone", alone), ("qt", in_qt)):
            yield Row(title, "cpu_us", Cell(work, "asyncguest", host, tuned=True), peer, goal)
    for host in ("qt", "qt-pyside"):
        ours, peer = Cell("one", "asyncguest", host, tuned=True), Cell("slot", "nothing", host, tuned=True)
        yield Row("echo, Protocol, 1 x 1 KiB, against a bare notifier's slot", "cpu_us", ours, peer, 1 / 0.95)
    for work, title, figure in (
        ("connections", "an idle connection", "resident_KiB"),
        ("imports", "the import of the package", "import_ms"),
    ):
        yield Row(title, figure, Cell(work, "asyncguest", "alone"), Cell(work, "uvloop", "alone"), 1.0)


def _idle() -> Iterator[Row]:
    for host in ("queue", "queue-thread", "asyncio", *_WINDOWS):
        cell = Cell("idle", "asyncguest", host)
        yield Row("idle, processor time in a second", "cpu_ms", cell, None, 0.1)
        yield Row("idle, wake-ups in a second", "wakes", cell, None, 0)


def _host_timers() -> Iterator[Row]:
    for work, title in (("storm", "sleep(0) without end"), ("burst", "bursts of 20 000 x 5 us")):
        for host in ("queue", "queue-thread", "asyncio", *_WINDOWS):
            ours = Cell(work, "asyncguest", host)
            yield Row(f"{title}: host timer late, p99", "late_ms", ours, None, 5.0)
            unbudgeted = Cell(work, "asyncguest-unbudgeted", host)
            yield Row(f"{title}: cost with the budget", "cpu_us", ours, unbudgeted, 1.25)
        for ours, peer in _field(work, "qt", "qt-pyside", "gtk"):
            yield Row(f"{title}: host timer late, p99", "late_ms", ours, peer, None)
    for host in ("queue", "queue-thread", "qt", "qt-pyside"):
        ours = Cell("saturated", "asyncguest", host, tuned=True)
        yield Row("an echo server under full load: host timer late, p99", "late_ms", ours, None, 5.0)
    for host in ("qt", "qt-pyside", "gtk"):
        ours, nothing = Cell("storm", "asyncguest", host), Cell("calm", "nothing", host)
        yield Row(
            "host timer late, p99: beside sleep(0) without end, and beside nothing", "late_ms", ours, nothing, None
        )


def _emissions() -> Iterator[Row]:
    for work, by_hand, title, goal in (
        ("awaited", "by_hand", "await event(signal), against a future by hand", 1.2),
        ("slots", "created", "a slot's start, against create_task", 1.5),
    ):
        for host in ("queue", "qt", "qt-pyside"):
            peer = Cell(by_hand, "asyncguest", host)
            yield Row(title, "cpu_us", Cell(work, "asyncguest", host), peer, goal)
    for host in ("tk", "qt", "qt-pyside"):
        ours = Cell("flood", "asyncguest", host)
        yield Row("10 000 emissions a second, the latest kept: host timer late, p99", "late_ms", ours, None, 5.0)


_WINDOWS = ("tk", "tk-thread", "qt", "qt-thread", "qt-pyside", "gtk", "gtk-thread")

# The guest designs of the field, by the kind of host.
_DESIGNS = {
    "queue": ("semaphore", "aioguest"),
    "tk": ("semaphore", "aioguest"),
    "qt": ("semaphore", "aioguest", "qasync"),
    "qt-pyside": ("qtasyncio",),
    "gtk": ("semaphore", "aioguest", "gbulb", "pygobject"),
}


_CANNOT = (
    ("gbulb", "protocol"),  # gbulb 0.6 cannot read from a pipe, and the load generator reports by one
    ("semaphore", "protocol", "qt"),  # it comes to a standstill there
)


def _is_new(ours: Cell) -> bool:
    """In a host whose goal is to be ahead of every peer on every row."""
    return ours.host.startswith(("qt", "gtk"))


def _field(work: str, *hosts: str, tuned: bool = False) -> Iterator[tuple[Cell, Cell]]:
    """Ours, and each of them in the same kind of host."""
    for host in hosts:
        kind = host.removesuffix("-thread")
        for design in _DESIGNS[kind]:
            if (design, work) in _CANNOT or (design, work, kind) in _CANNOT:
                continue
            yield Cell(work, "asyncguest", host), Cell(work, design, kind, tuned)
