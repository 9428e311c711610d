"""Qt's signals, in each of its bindings.

Neither binding tells a signal's sender. Both drop what is connected when the sender is destroyed, PyQt a round of the
loop later.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

from ._connectable import Connection, Slot
from .base import Disconnect, Receiver, Toolkit, gone_already

_BINDINGS = ("PySide6", "PyQt6", "PyQt5", "PySide2")


def _cores() -> Iterator[tuple[str, Any]]:
    """The bindings that are imported, and their QtCore."""
    for name in _BINDINGS:
        core = sys.modules.get(f"{name}.QtCore")
        if hasattr(core, "QObject"):
            yield name, core


class Qt(Toolkit):
    """PySide6, PyQt6 and PyQt5; PySide2 has the same names."""

    def knows(self, source: Any, name: Any) -> bool:
        return name is None and any(isinstance(source, _signal_of(binding)) for binding, _ in _cores())

    def connect(self, source: Any, name: Any, receiver: Receiver) -> Disconnect:
        signature = getattr(source, "signal", None)  # PyQt's
        slot = Slot(receiver) if signature is None else PyQtSlot(receiver, signature, type(source).__module__)
        try:
            source.connect(slot)
        except RuntimeError as error:
            raise gone_already(error) from error
        return Connection(source, slot, receiver).end


class PyQtSlot(Slot):
    """PyQt hands out references into the emission: what is not a pointer has to be copied."""

    __slots__ = ("_binding", "_signature")

    def __init__(self, receiver: Receiver, signature: str, module: str) -> None:
        super().__init__(receiver)
        self._signature = signature
        self._binding = module.partition(".")[0]

    def __call__(self, *args: Any) -> None:
        self.receiver.arrived(args, self._copied)

    def _copied(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        sip = sys.modules[f"{self._binding}.sip"]
        if not any(isinstance(arg, sip.simplewrapper) for arg in args):
            return args
        return tuple(
            arg
            if not isinstance(arg, sip.simplewrapper) or sip.ispyowned(arg) or kind.endswith("*")
            else type(arg)(arg)
            for kind, arg in zip(parameters(self._signature), args)
        )


def parameters(signature: str) -> list[str]:
    """The types in "2dataChanged(QModelIndex,QModelIndex,QList<int>)"."""
    inside, depth, found = signature.partition("(")[2].removesuffix(")"), 0, [""]
    for character in inside:
        depth += (character == "<") - (character == ">")
        if character == "," and not depth:
            found.append("")
        else:
            found[-1] += character
    return found


@cache
def _signal_of(binding: str) -> type:
    """The type of `button.clicked`."""
    core = sys.modules[f"{binding}.QtCore"]
    found: type = core.pyqtBoundSignal if binding.startswith("PyQt") else core.SignalInstance
    return found


TOOLKIT = Qt()
