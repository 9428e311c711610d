"""Signals of no toolkit's: whatever has `connect(function)` and `disconnect(function)`."""

from __future__ import annotations

from typing import Any

from .._native import Receiver, connect
from .base import Disconnect, Toolkit


class Slot:
    """What is connected. In Python, for some of these libraries look at the signature, or hold its method `__call__`."""

    __slots__ = ("__weakref__", "_arrived")

    def __init__(self, receiver: Receiver) -> None:
        self._arrived = receiver.arrived

    def __call__(self, *args: Any) -> None:
        self._arrived(args)


class Connectable(Toolkit):
    """Libraries such as psygnal, which hold what is connected, or blinker, which hold it weakly."""

    def knows(self, source: Any, name: Any) -> bool:
        return (
            name is None
            and callable(getattr(source, "connect", None))
            and callable(getattr(source, "disconnect", None))
        )

    def knows_all_of(self, kind: type) -> bool:
        return self.knows(kind, None)

    def connect(self, source: Any, name: Any, receiver: Receiver) -> Disconnect:
        return connect(source, receiver, kind=Slot)


TOOLKIT = Connectable()
