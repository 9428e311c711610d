"""Qt's signals, in each of its bindings.

Neither binding tells a signal's sender. Both drop what is connected when the sender is destroyed, PyQt a round of the
loop later.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
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
        core = sys.modules[type(source).__module__]
        slot = Slot(receiver) if signature is None else PyQtSlot(receiver, signature, core)
        try:
            made = source.connect(slot)
        except RuntimeError as error:
            raise gone_already(error) from error
        if signature is None:
            return Connection(source, slot, receiver).end
        return PyQtConnection(source, slot, receiver, core, made).end

    def until_destroyed(self, owner: Any, gone: Callable[[], object]) -> bool:
        if _binding_of(owner) is None:
            return False
        try:
            owner.destroyed.connect(lambda *_: gone())
        except RuntimeError as error:
            raise gone_already(error) from error
        return True

    def hold_open(self, window: Any, may_close: Callable[[], bool]) -> Callable[[], object] | None:
        binding = _binding_of(window)
        if binding is None or not (window.isWidgetType() or window.isWindowType()):
            return None
        guard = _guard_of(binding)(window)
        guard.may_close = may_close
        window.installEventFilter(guard)

        def close() -> None:
            with suppress(RuntimeError):  # it is gone, and `guard` with it
                guard.parent().close()

        return close

    def is_dialog(self, dialog: Any) -> bool:
        return _binding_of(dialog) is not None and bool(dialog.inherits("QDialog"))

    def show(self, dialog: Any, receiver: Receiver) -> Disconnect:
        try:
            disconnect = self.connect(dialog.finished, None, receiver)
        except RuntimeError as error:
            raise gone_already(error) from error
        dialog.open()

        def close() -> None:
            disconnect()
            with suppress(RuntimeError):  # it is gone
                if dialog.isVisible():
                    dialog.done(0)

        return close


class PyQtSlot(Slot):
    """PyQt hands out references into the emission: what is not a pointer has to be copied."""

    __slots__ = ("_core", "_signature")

    def __init__(self, receiver: Receiver, signature: str, core: Any) -> None:
        super().__init__(receiver)
        self._signature = signature
        self._core = core

    def __call__(self, *args: Any) -> None:
        self.receiver.arrived(args, self._copied)

    def _copied(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        sip = sys.modules[self._core.__name__.replace("QtCore", "sip")]
        if not any(isinstance(arg, sip.simplewrapper) for arg in args):
            return args
        return tuple(
            arg
            if not isinstance(arg, sip.simplewrapper) or sip.ispyowned(arg) or kind.endswith("*")
            else type(arg)(arg)
            for kind, arg in zip(parameters(self._signature), args)
        )


class PyQtConnection(Connection):
    """PyQt crashes where a slot is disconnected from a sender that was destroyed in this round. Qt knows whether it was."""

    def __init__(self, source: Any, slot: Slot, receiver: Receiver, core: Any, made: Any) -> None:
        super().__init__(source, slot, receiver)
        self._core = core
        self._made = made

    def disconnect(self, slot: Slot) -> None:
        if self._core.QObject.disconnect(self._made):
            super().disconnect(slot)  # which says that it is not connected any more, and drops the slot


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


def _binding_of(thing: Any) -> str | None:
    """The binding of a QObject."""
    return next((binding for binding, core in _cores() if isinstance(thing, core.QObject)), None)


@cache
def _guard_of(binding: str) -> Any:
    """The type of the event filter that a window's close button is held back by; it is the window's child."""
    core = sys.modules[f"{binding}.QtCore"]
    closing = core.QEvent.Type.Close

    class Guard(core.QObject):  # type: ignore[misc, name-defined]
        may_close: Callable[[], bool]

        def eventFilter(self, watched: object, event: Any) -> bool:
            if event.type() != closing or self.may_close():
                return False
            event.ignore()
            return True

    return Guard


@cache
def _signal_of(binding: str) -> type:
    """The type of `button.clicked`."""
    core = sys.modules[f"{binding}.QtCore"]
    found: type = core.pyqtBoundSignal if binding.startswith("PyQt") else core.SignalInstance
    return found


TOOLKIT = Qt()
