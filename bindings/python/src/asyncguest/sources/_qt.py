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

from .._native import Receiver, connect
from .base import Disconnect, Toolkit, gone_already

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

    def knows_all_of(self, kind: type) -> bool:
        return True

    def connect(self, source: Any, name: Any, receiver: Receiver) -> Disconnect:
        kind: Any = type(source)
        pyqt = _pyqt_of(kind)
        try:
            if pyqt is None:
                return connect(source, receiver)
            copied = _copier(pyqt, source.signal)
            # PyQt crashes where a slot is disconnected from a sender that was destroyed in this round. Qt knows whether
            # it was. The disconnect after that says that it is not connected any more, and drops the slot.
            return connect(source, receiver, copied=copied, is_alive=pyqt.QObject.disconnect)
        except RuntimeError as error:
            raise gone_already(error) from error

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


@cache
def _pyqt_of(kind: type) -> Any:
    """PyQt's QtCore that a type of signals is of; None for PySide's."""
    core = sys.modules[kind.__module__]
    return core if hasattr(core, "pyqtBoundSignal") else None


#: What Python makes its own objects of, and what are its own: those that `pyqtSignal(object)` sends. In a QVariant is one of the
#: two, or a pointer.
_VALUES = frozenset(
    ("", "bool", "int", "uint", "qlonglong", "qulonglong", "double", "QString", "QVariant", "PyQt_PyObject")
)


@cache
def _copier(core: Any, signature: str) -> Callable[[tuple[Any, ...]], tuple[Any, ...]] | None:
    """PyQt hands out references into the emission: what is not a pointer has to be copied."""
    kinds = parameters(signature)
    stays = [kind in _VALUES or kind.endswith("*") for kind in kinds]
    if all(stays):
        return None
    sip = sys.modules[core.__name__.replace("QtCore", "sip")]

    def copied(args: tuple[Any, ...]) -> tuple[Any, ...]:
        if not any(isinstance(arg, sip.simplewrapper) for arg in args):
            return args
        return tuple(
            arg if as_is or not isinstance(arg, sip.simplewrapper) or sip.ispyowned(arg) else type(arg)(arg)
            for as_is, arg in zip(stays, args)
        )

    return copied


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
