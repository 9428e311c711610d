"""wxPython's events."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

from .._native import Receiver, connect
from .base import Disconnect, Toolkit, gone_already


def _wx() -> Any:
    return sys.modules["wx"]


#: On what is bound to owners of scopes: it goes with them.
_watches: set[weakref.ref[Any]] = set()


class Wx(Toolkit):
    """wxPython. What is bound goes with its window, or whatever the events are of."""

    def knows(self, source: Any, name: Any) -> bool:
        wx = _wx()
        return isinstance(source, wx.EvtHandler) and isinstance(name, wx.PyEventBinder)

    def connect(self, source: Any, name: Any, receiver: Receiver) -> Disconnect:
        return connect(_Event(source, name), receiver, kind=WxSlot)

    def until_destroyed(self, owner: Any, gone: Callable[[], object]) -> bool:
        if not isinstance(owner, _wx().EvtHandler):
            return False

        def pass_on(event: Any) -> None:
            event.Skip()

        def told(watch: weakref.ref[Any]) -> None:
            _watches.discard(watch)
            gone()

        _bind(owner, _wx().EVT_WINDOW_DESTROY, pass_on)  # which then alone holds it
        _watches.add(weakref.ref(pass_on, told))
        return True

    def hold_open(self, window: Any, may_close: Callable[[], bool]) -> Callable[[], object] | None:
        if not isinstance(window, _wx().TopLevelWindow):
            return None
        alive = weakref.ref(window)

        def asked(event: Any) -> None:
            if may_close() or not event.CanVeto():
                event.Skip()
            else:
                event.Veto()

        def close() -> None:
            window = alive()
            if window:
                window.Close()

        _bind(window, _wx().EVT_CLOSE, asked)
        return close

    def is_dialog(self, dialog: Any) -> bool:
        return isinstance(dialog, _wx().Dialog)

    def show(self, dialog: Any, receiver: Receiver) -> Disconnect:
        """The nested loop, without which most of wx's dialogs cannot be shown, stands in wx's own code."""
        if not dialog:
            raise gone_already()
        is_wanted = True

        def run() -> None:
            if is_wanted:
                receiver.arrived((dialog.ShowModal(),)) if dialog else receiver.gone()

        def end() -> None:
            if dialog and dialog.IsModal():
                dialog.EndModal(_wx().ID_CANCEL)

        def close() -> None:
            nonlocal is_wanted
            is_wanted = False
            if dialog:
                _wx().CallAfter(end)  # not while ShowModal is about to begin: it would be shown all the same

        _wx().CallAfter(run)
        return close


def _bind(source: Any, name: Any, function: Callable[[Any], object]) -> None:
    try:
        source.Bind(name, function)
    except RuntimeError as error:
        raise gone_already(error) from error


class WxSlot:
    """An event is wx's own again once it has been handled: a clone is kept."""

    __slots__ = ("__weakref__", "_receiver")

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def __call__(self, *args: Any) -> None:
        (event,) = args
        stops = self._receiver.arrived((event,), lambda args: (args[0].Clone(),))
        is_veto = isinstance(event, _wx().CloseEvent) and event.CanVeto()
        if stops and is_veto:
            event.Veto()
        elif not stops and not (is_veto and event.GetVeto()):
            event.Skip()


class _Event:
    """One of a window's, as a signal."""

    def __init__(self, source: Any, name: Any) -> None:
        self._source = weakref.ref(source)
        self._name = name

    def connect(self, slot: WxSlot) -> None:
        _bind(self._source(), self._name, slot)

    def disconnect(self, slot: WxSlot) -> None:
        sender = self._source()
        if sender:
            sender.Unbind(self._name, handler=slot)


TOOLKIT = Wx()
