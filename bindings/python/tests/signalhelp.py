"""Signals of no toolkit's, which hold what is connected in each of the ways in which libraries do."""

from __future__ import annotations

import weakref
from typing import Any

import asyncguest


class Signal:
    """Holds what is connected, as Qt's do."""

    def __init__(self) -> None:
        self.slots: list[Any] = []

    def connect(self, slot: Any) -> None:
        self.slots.append(slot)

    def disconnect(self, slot: Any) -> None:
        self.slots.remove(slot)

    def emit(self, *args: Any) -> None:
        for slot in list(self.slots):
            slot(*args)


class Decorator(Signal):
    """Its `connect` can stand above a function, as psygnal's can: it returns what it was given."""

    def connect(self, slot: Any) -> Any:
        super().connect(slot)
        return slot


class WeakSignal(Signal):
    """Holds it weakly, as blinker's do."""

    def connect(self, slot: Any) -> None:
        self.slots.append(weakref.WeakMethod(slot.__call__, self.slots.remove))

    def disconnect(self, slot: Any) -> None:
        self.slots.remove(weakref.WeakMethod(slot.__call__))

    def emit(self, *args: Any) -> None:
        for slot in list(self.slots):
            slot()(*args)


def soon(function: Any, *args: Any) -> None:
    """The host's own code calls it: the task that says so waits by then."""
    asyncguest.current_guest().host.post(lambda: function(*args))
