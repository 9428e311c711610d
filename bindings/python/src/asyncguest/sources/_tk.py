"""Tk's events, and tkinter's variables."""

from __future__ import annotations

import itertools
import tkinter
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .._native import Receiver
from .base import Disconnect, Toolkit, gone_already

_numbers = itertools.count(1)


class Tk(Toolkit):
    def knows(self, source: Any, name: Any) -> bool:
        if isinstance(source, tkinter.Variable):
            return name in (None, "write", "read", "unset", "array")
        return isinstance(source, tkinter.Misc) and isinstance(name, str)

    def connect(self, source: Any, name: Any, receiver: Receiver) -> Disconnect:
        if isinstance(source, tkinter.Variable):
            return _trace(source, name or "write", receiver)
        return _bind(source, name, receiver)

    def until_destroyed(self, owner: Any, gone: Callable[[], object]) -> bool:
        if not isinstance(owner, tkinter.Misc):
            return False
        bindings = _Bindings(owner)

        def destroyed() -> None:
            gone()
            bindings.end()

        bindings.add_destroyed(destroyed)
        return True

    def hold_open(self, window: Any, may_close: Callable[[], bool]) -> Callable[[], object] | None:
        if not isinstance(window, tkinter.Wm):
            return None
        alive = weakref.ref(window)
        before = window.protocol("WM_DELETE_WINDOW")

        def close() -> None:
            window: Any = alive()
            with suppress(tkinter.TclError):
                if window is not None and window.winfo_exists():
                    window.tk.eval(before) if before else window.destroy()

        window.protocol("WM_DELETE_WINDOW", lambda: close() if may_close() else None)
        return close

    def is_dialog(self, dialog: Any) -> bool:
        return isinstance(dialog, tkinter.Toplevel)

    def show(self, dialog: Any, receiver: Receiver) -> Disconnect:
        def grab(*_: object) -> None:
            if dialog.winfo_viewable():
                dialog.grab_set()

        bindings = _Bindings(dialog)
        bindings.add_destroyed(lambda: receiver.arrived((getattr(dialog, "result", None),)))
        bindings.add("<Map>", grab)  # before, Tk refuses
        before: Any = None  # the dialog below this one
        with suppress(KeyError):  # it is none of tkinter's
            before = dialog.grab_current()
        dialog.deiconify()
        grab()

        def close() -> None:
            bindings.end()
            with suppress(tkinter.TclError):
                dialog.destroy()
            with suppress(tkinter.TclError):
                if before is not None and before.winfo_viewable():
                    before.grab_set()

        return close


def _bind(widget: tkinter.Misc, sequence: str, receiver: Receiver) -> Disconnect:
    def arrived(event: tkinter.Event[Any]) -> str | None:
        return "break" if receiver.arrived((event,)) else None

    bindings = _Bindings(widget)
    try:
        bindings.add(sequence, arrived)
        bindings.add_destroyed(receiver.gone)
    except BaseException:
        bindings.end()
        raise
    return bindings.end


def _trace(variable: tkinter.Variable, mode: Any, receiver: Receiver) -> Disconnect:
    """A variable ends when its program lets it go, or with all of its Tk."""
    alive = weakref.ref(variable, lambda _: receiver.gone())

    def arrived(*_: object) -> None:
        variable: Any = alive()
        if variable is not None:
            receiver.arrived((variable.get(),))

    bindings = _Bindings(variable._root)  # type: ignore[attr-defined]
    try:
        bindings.add_destroyed(receiver.gone)
        name = variable.trace_add(mode, arrived)
    except BaseException:
        bindings.end()
        raise

    def end() -> None:
        bindings.end()
        variable = alive()
        with suppress(tkinter.TclError):
            if variable is not None:
                variable.trace_remove(mode, name)

    return end


class _Bindings:
    """Bindings of our own: nobody else's `unbind` takes them away, and `end` not theirs.

    Up to CPython 3.12 `widget.unbind(sequence, id)` takes them all away. So a widget gets a bindtag of its own for us,
    right behind the one that `widget.bind` is for. Not so a window: what its widgets get arrives by the tag of its name.
    Nothing here keeps the widget alive but the commands that Tcl holds until `end`.
    """

    def __init__(self, widget: tkinter.Misc) -> None:
        self._widget = weakref.ref(widget)
        self._root = weakref.ref(widget.nametowidget("."))  # to which tkinter gives commands for bindtags
        self._tk: Any = widget.tk
        self._name = self._tag = str(widget)
        self._bound: list[tuple[str, str]] = []
        try:
            if widget.winfo_toplevel() is not widget:
                self._tag = f"asyncguest{next(_numbers)}"
                tags = list(widget.bindtags())
                tags.insert(tags.index(self._name) + 1 if self._name in tags else 0, self._tag)
                widget.bindtags(tuple(tags))
        except tkinter.TclError as error:
            raise gone_already(error) from error

    def add(self, sequence: str, function: Callable[[tkinter.Event[Any]], str | None]) -> None:
        widget = self._widget()
        assert widget is not None
        # For a sequence that Tk does not know, tkinter's bind leaves a command behind. This tag is nobody's.
        self._tk.call("bind", "asyncguest", sequence, "#")
        self._bound.append((sequence, widget.bind_class(self._tag, sequence, function, add="+")))

    def add_destroyed(self, gone: Callable[[], object]) -> None:
        def destroyed(event: tkinter.Event[Any]) -> None:
            if str(event.widget) == self._name:  # those of a window's widgets come here too
                gone()

        self.add("<Destroy>", destroyed)

    def end(self) -> None:
        for sequence, command in self._bound:
            with suppress(tkinter.TclError):
                script = str(self._tk.call("bind", self._tag, sequence))
                others = [line for line in script.split("\n") if f"[{command} " not in line]
                self._tk.call("bind", self._tag, sequence, "\n".join(others) if any(others) else "")
            root = self._root()
            with suppress(tkinter.TclError):
                if root is not None:
                    root.deletecommand(command)
        self._bound.clear()
        widget = self._widget()
        if widget is not None and self._tag != self._name:
            with suppress(tkinter.TclError):
                widget.bindtags(tuple(tag for tag in widget.bindtags() if tag != self._tag))


TOOLKIT = Tk()
