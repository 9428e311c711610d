"""GObject's signals, with what GTK 3 and GTK 4 tell of their widgets' ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from .._native import Receiver
from .base import Disconnect, Toolkit, gone_already


def _gobject() -> Any:
    return sys.modules["gi.repository.GObject"]


def _gtk() -> Any:
    """Gtk, if the program has imported it."""
    return sys.modules.get("gi.repository.Gtk")


class GObject(Toolkit):
    def knows(self, source: Any, name: Any) -> bool:
        gobject = _gobject()
        if not isinstance(source, gobject.Object) or not isinstance(name, str):
            return False
        return bool(gobject.signal_lookup(name.partition("::")[0], source))

    def connect(self, source: Any, name: Any, receiver: Receiver) -> Disconnect:
        def arrived(sender: Any, *args: Any) -> bool | None:
            if not receiver.arrived(args, _copied):
                return None
            gobject = _gobject()
            signal = name.partition("::")[0]
            if gobject.signal_query(signal, sender).return_type == gobject.TYPE_BOOLEAN:
                return True
            sender.stop_emission_by_name(name)
            return None

        ends = _watch_end(source, receiver.gone)
        ends.callback(_handler(source, name, arrived))
        return ends.close

    def until_destroyed(self, owner: Any, gone: Callable[[], object]) -> bool:
        if not isinstance(owner, _gobject().Object):
            return False

        def destroyed() -> None:
            ends.close()
            gone()

        ends = _watch_end(owner, destroyed)
        return True

    def hold_open(self, window: Any, may_close: Callable[[], bool]) -> Callable[[], object] | None:
        gtk = _gtk()
        if gtk is None or not isinstance(window, gtk.Window):
            return None
        alive = window.weak_ref()
        lets_go = False

        def asked(*_: object) -> bool:
            nonlocal lets_go
            now, lets_go = lets_go, False
            return not (now or may_close())

        def close() -> None:
            nonlocal lets_go
            window = alive()
            if window is not None and not _is_destroyed(window):
                lets_go = True  # GTK 3 asks later
                window.close()

        window.connect("close-request" if _is_4() else "delete-event", asked)
        return close

    def is_dialog(self, dialog: Any) -> bool:
        gtk = _gtk()
        return gtk is not None and isinstance(dialog, (gtk.Dialog, gtk.NativeDialog))

    def show(self, dialog: Any, receiver: Receiver) -> Disconnect:
        disconnect = self.connect(dialog, "response", receiver)
        dialog.set_modal(True)
        dialog.show()

        def close() -> None:
            disconnect()
            if not _is_destroyed(dialog):
                dialog.hide()

        return close


def _copied(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """What is boxed may be the emission's own memory."""
    boxed = _gobject().GBoxed
    return tuple(arg.copy() if isinstance(arg, boxed) else arg for arg in args)


def _handler(source: Any, name: str, function: Callable[..., object]) -> Disconnect:
    """Connects; the Disconnect keeps `source` no more alive than the connection does."""
    alive = source.weak_ref()
    handler = source.connect(name, function)

    def disconnect() -> None:
        sender = alive()
        if sender is not None and sender.handler_is_connected(handler):
            sender.disconnect(handler)

    return disconnect


def _watch_end(source: Any, gone: Callable[[], object]) -> ExitStack:
    """Has `gone()` called when `source` is finalized, or, of a widget, destroyed. Raises SourceGone if it was."""
    ends = ExitStack()
    if _is_destroyed(source):
        raise gone_already()
    watch = source.weak_ref(lambda: gone())

    def unwatch() -> None:
        with suppress(ValueError):  # it has told
            watch.unref()

    ends.callback(unwatch)
    gtk = _gtk()
    if gtk is not None and isinstance(source, gtk.Widget):
        ends.callback(_handler(source, "destroy", lambda *_: gone()))
        if _is_4():  # a window that somebody still refers to emits no "destroy", and goes out of this list
            alive = source.weak_ref()
            windows = gtk.Window.get_toplevels()
            handler = windows.connect("items-changed", lambda *_: gone() if _is_destroyed(alive()) else None)
            ends.callback(windows.disconnect, handler)
    return ends


def _is_destroyed(source: Any) -> bool:
    """Of a window, and of GTK 4's widgets in one."""
    gtk = _gtk()
    if gtk is None or not isinstance(source, gtk.Widget):
        return False
    window = source.get_root() if _is_4() else source
    windows = gtk.Window.get_toplevels() if _is_4() else gtk.Window.list_toplevels()
    return isinstance(window, gtk.Window) and window not in list(windows)


def _is_4() -> bool:
    return bool(_gtk().get_major_version() >= 4)


TOOLKIT = GObject()
