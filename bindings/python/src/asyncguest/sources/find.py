"""Which toolkit an object is of.

Owns: the one table of them. Any thread. A module of this folder is imported once the program has imported its toolkit.
"""

from __future__ import annotations

import importlib
import sys
import weakref
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from .base import Toolkit


class Row(NamedTuple):
    #: Any of these in `sys.modules` shows that the program has imported it. None needed: it is no toolkit's own.
    shown_by: tuple[str, ...]
    #: The module of this folder.
    module: str
    #: What `event` takes of it.
    form: str


#: In the order in which they are asked.
ROWS = (
    Row(
        tuple(f"{name}.QtCore" for name in ("PySide6", "PyQt6", "PyQt5", "PySide2")), "_qt", "Qt: event(button.clicked)"
    ),
    Row(("tkinter",), "_tk", 'Tk: event(widget, "<Button-1>"), event(variable)'),
    Row(("gi.repository.GObject",), "_gobject", 'GObject and GTK: event(button, "clicked")'),
    Row(("wx",), "_wx", "wx: event(button, wx.EVT_BUTTON)"),
    Row((), "_connectable", "any object with connect(function) and disconnect(function): event(signal)"),
)

#: By the type of a source: the toolkit that has known the last one, and whether it knows all that come without a name. Not a
#: WeakKeyDictionary: that makes up half of a search. The reference takes the type out.
_last: dict[int, tuple[Toolkit, bool, weakref.ref[type]]] = {}


def toolkits() -> Iterator[Toolkit]:
    """Those whose objects can be there."""
    for row in ROWS:
        if not row.shown_by or any(name in sys.modules for name in row.shown_by):
            yield _toolkit(row.module)


def _forget(kind: Any) -> None:
    _last.pop(kind.key, None)


def toolkit_of(source: Any, name: Any) -> Toolkit:
    """The one that can connect to that; TypeError if none can."""
    kind = type(source)
    last = _last.get(id(kind))
    if last is not None and ((last[1] and name is None) or last[0].knows(source, name)):
        return last[0]
    for toolkit in toolkits():
        if toolkit.knows(source, name):
            knows_all = name is None and toolkit.knows_all_of(kind)
            _last[id(kind)] = (toolkit, knows_all, weakref.KeyedRef(kind, _forget, id(kind)))
            return toolkit
    what = f"{source!r}" if name is None else f"{source!r} with {name!r}"
    raise TypeError(f"nothing can be waited for at {what}. What can: {'; '.join(row.form for row in ROWS)}")


def toolkit_of_dialog(dialog: Any) -> Toolkit:
    """The one that can show that; TypeError if none can."""
    for toolkit in toolkits():
        if toolkit.is_dialog(dialog):
            return toolkit
    raise TypeError(
        f"{dialog!r} is no dialog that can be waited for: a QDialog, a Gtk.Dialog or Gtk.NativeDialog, a wx.Dialog or a "
        "tkinter.Toplevel is one"
    )


def until_destroyed(owner: Any, gone: Callable[[], object]) -> None:
    """Has `gone()` called when `owner` is destroyed; TypeError if it has no end that could be told."""
    if not any(toolkit.until_destroyed(owner, gone) for toolkit in toolkits()):
        raise TypeError(
            f"nobody tells of the end of {owner!r}: a scope can belong to a QObject of Qt, a GObject, a widget of Tk or an "
            "EvtHandler of wx; without an owner, Scope(), it ends by its cancel()"
        )


def hold_open(window: Any, may_close: Callable[[], bool]) -> Callable[[], object]:
    """Has `may_close()` asked when the user closes `window`; TypeError if it is none. Returns what closes it."""
    for toolkit in toolkits():
        close = toolkit.hold_open(window, may_close)
        if close is not None:
            return close
    raise TypeError(f"closes=True is for a window with a close button, not for {window!r}: leave it out")


@cache
def _toolkit(module: str) -> Toolkit:
    found: Toolkit = importlib.import_module(f"{__package__}.{module}").TOOLKIT
    return found
