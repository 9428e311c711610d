"""Signals of no toolkit's: whatever has `connect(function)` and `disconnect(function)`."""

from __future__ import annotations

import weakref
from typing import Any

from .base import Disconnect, Receiver, Toolkit


class Slot:
    """What is connected. The connection alone holds it, so that it goes when the sender does."""

    __slots__ = ("__weakref__", "receiver")

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver

    def __call__(self, *args: Any) -> None:
        self.receiver.arrived(args)


class Connectable(Toolkit):
    """Libraries such as psygnal, which hold what is connected, or blinker, which hold it weakly."""

    def knows(self, source: Any, name: Any) -> bool:
        return (
            name is None
            and callable(getattr(source, "connect", None))
            and callable(getattr(source, "disconnect", None))
        )

    def connect(self, source: Any, name: Any, receiver: Receiver) -> Disconnect:
        slot: Slot | None = Slot(receiver)
        alive = weakref.ref(slot)
        source.connect(slot)
        slot = None
        if (held := alive()) is not None:
            return Connection(source, held, receiver).end
        kept = Slot(receiver)  # this library holds it weakly: then it is held here, so long as it is waited for
        source.connect(kept)
        return lambda: source.disconnect(kept)


class Connection:
    """Of a slot that the sender alone holds: when it lets go, it is gone."""

    def __init__(self, source: Any, slot: Slot, receiver: Receiver) -> None:
        self.source = source
        self._slot: weakref.ref[Slot] | None = weakref.ref(slot, lambda _: receiver.gone())

    def end(self) -> None:
        watch, self._slot = self._slot, None  # that it goes means nothing any more
        slot = None if watch is None else watch()
        if slot is not None:
            try:
                self.disconnect(slot)
            except (TypeError, RuntimeError):
                pass  # the sender is just being destroyed

    def disconnect(self, slot: Slot) -> None:
        self.source.disconnect(slot)


TOOLKIT = Connectable()
