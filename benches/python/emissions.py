"""Waiting for emissions, and starting tasks from them: `asyncguest.event`, `events` and `slot` against what is written by hand.

Owns: nothing. Each function gets the host that it lives in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import asyncguest
from work import Costs, Figures

if TYPE_CHECKING:
    from hosts import BenchHost


class Signal:
    """Of a host that has none."""

    def __init__(self) -> None:
        self._slots: list[Callable[..., object]] = []

    def connect(self, slot: Callable[..., object]) -> None:
        self._slots.append(slot)

    def disconnect(self, slot: Callable[..., object]) -> None:
        self._slots.remove(slot)

    def emit(self, *args: object) -> None:
        for slot in list(self._slots):
            slot(*args)


def _signal(host: BenchHost | None) -> Any:
    """The toolkit's own: of Qt, with one int."""
    core = getattr(host, "core", None)
    if core is None:
        return Signal()
    kind = getattr(core, "pyqtSignal", None) or core.Signal
    sender = type("Sender", (core.QObject,), {"told": kind(int)})()
    signal = sender.told
    _kept.append(sender)
    return signal


_kept: list[object] = []


async def by_hand(host: BenchHost | None, count: int) -> Figures:
    """A future for each emission, connected and disconnected."""
    loop, signal = asyncio.get_running_loop(), _signal(host)
    costs = Costs()
    for number in range(count):
        future = loop.create_future()

        def arrived(value: int, future: asyncio.Future[int] = future) -> None:
            if not future.done():
                future.set_result(value)

        signal.connect(arrived)
        loop.call_soon(signal.emit, number)
        try:
            await future
        finally:
            signal.disconnect(arrived)
    return costs.per(count)


async def awaited(host: BenchHost | None, count: int) -> Figures:
    """The same by `event`."""
    loop, signal = asyncio.get_running_loop(), _signal(host)
    costs = Costs()
    for number in range(count):
        loop.call_soon(signal.emit, number)
        await asyncguest.event(signal)
    return costs.per(count)


async def _nothing(value: int) -> None:
    pass


async def created(host: BenchHost | None, count: int) -> Figures:
    """Tasks that end at once, made by `create_task`, a hundred at a time."""
    loop = asyncio.get_running_loop()
    costs = Costs()
    for number in range(count // 100):
        for _ in range(100):
            loop.create_task(_nothing(number))
        await asyncio.sleep(0)
    return costs.per(count)


async def slots(host: BenchHost | None, count: int) -> Figures:
    """The same by a slot."""
    click = asyncguest.slot(_nothing)
    costs = Costs()
    for number in range(count // 100):
        for _ in range(100):
            click(number)
        await asyncio.sleep(0)
    return costs.per(count)


async def flood(host: BenchHost | None, seconds: float) -> Figures:
    """10 000 emissions a second, of which the latest is kept, while the host has timers."""
    assert host is not None
    loop, signal, probe = asyncio.get_running_loop(), _signal(host), host.probe()
    began, sent = loop.time(), 0

    def send() -> None:
        nonlocal sent
        while sent < (loop.time() - began) * 10_000:
            signal.emit(sent)
            sent += 1
        if loop.time() < began + seconds:
            host.later(0.001, send)

    costs = Costs()
    with asyncguest.events(signal, keep="latest") as stream:
        host.later(0.001, send)
        while loop.time() < began + seconds:
            await stream.next()
    return {**costs.per(sent), "late_ms": probe.late_ms(99)}


EMISSIONS: dict[str, Callable[..., Coroutine[Any, Any, Figures]]] = {
    work.__name__: work for work in (by_hand, awaited, created, slots, flood)
}
