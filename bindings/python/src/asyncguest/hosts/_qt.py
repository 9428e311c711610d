"""The Qt bindings: which of them a program uses, and what of it can wake a guest.

Owns: the notifiers and the receivers of events. The thread of Qt's loop, except `EventNotifier.notify`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

from .._errors import GuestError
from .base import PostedNotifier

#: All that have QSocketNotifier and QCoreApplication at the same places.
BINDINGS = ("PySide6", "PyQt6", "PyQt5", "PySide2")


class Binding:
    """One of them. Looked up once, as PySide makes its names when they are first used, and not thread-safely."""

    def __init__(self, name: str, core: Any) -> None:
        class Receiver(core.QObject):  # type: ignore[misc, name-defined, unused-ignore]
            def customEvent(self, event: object) -> None:
                self.came()

        self.name = name
        self.App, self.Thread = core.QCoreApplication, core.QThread
        self.Receiver, self.Notifier = Receiver, core.QSocketNotifier
        self.readable = core.QSocketNotifier.Type.Read
        self.direct = core.Qt.ConnectionType.DirectConnection
        self._event, self._user = core.QEvent, core.QEvent.Type.User
        self._dispatcher = core.QAbstractEventDispatcher.instance

    def home(self) -> Any:
        """What runs the main loop of this thread: the application or a QThread; None if Qt has no loop here."""
        app, thread = self.App.instance(), self.Thread.currentThread()
        if app is not None and app.thread() == thread:
            return app
        return thread if self._dispatcher() is not None else None

    def post(self, receiver: Any, priority: int = 0) -> None:
        """Any thread. A `priority` below 0: after what has been posted so far, painting included."""
        self.App.postEvent(receiver, self._event(self._user), priority)


class FdNotifier:
    """Calls `ready()` whenever `fd` is readable, while it is on; also in a loop inside of that call."""

    def __init__(self, binding: Binding, fd: int, ready: Callable[[], object]) -> None:
        self._notifier = binding.Notifier(fd, binding.readable)
        # How many calls of `ready` are on the stack. PyQt frees what is connected in the loop in which it is disconnected, also
        # inside of such a call.
        self._depth = 0
        self._closed = False
        self.is_on = True

        def activated(*_: object) -> None:
            self._depth += 1
            try:
                ready()
            finally:
                self._depth -= 1
                if self._closed and not self._depth:
                    self._delete()

        # PySide makes an object for each parameter that a slot takes; PyQt finds out by trying with all of them first.
        self._notifier.activated.connect(ready if binding.name.startswith("PySide") else activated)

    def on(self) -> None:
        self.is_on = True
        self._notifier.setEnabled(True)

    def off(self) -> None:
        self.is_on = False
        with if_it_lives():
            self._notifier.setEnabled(False)

    def close(self) -> None:
        self._closed = True
        if not self._depth:
            self._delete()

    def _delete(self) -> None:
        with if_it_lives():
            self._notifier.activated.disconnect()
            self._notifier.deleteLater()


class EventNotifier(PostedNotifier):
    """By posted events of a priority. Belongs to the thread that makes it."""

    def __init__(self, binding: Binding, arrived: Callable[[], object], priority: int = 0) -> None:
        super().__init__(arrived)
        self._binding = binding
        self._priority = priority
        self._receiver = binding.Receiver()
        self._receiver.came = self.came

    def send(self) -> None:
        with if_it_lives():  # else the application goes right now, which ends the guests
            self._binding.post(self._receiver, self._priority)

    def close(self) -> None:
        super().close()
        self._receiver.came = bool
        with if_it_lives():
            self._receiver.deleteLater()


_looking_up = threading.Lock()


@cache
def _binding(name: str) -> Binding:
    return Binding(name, sys.modules[f"{name}.QtCore"])


def _imported() -> list[Binding]:
    with _looking_up:
        # One that another thread is just importing has no notifiers yet; None stands for one that is forbidden.
        return [_binding(name) for name in BINDINGS if hasattr(sys.modules.get(f"{name}.QtCore"), "QSocketNotifier")]


def applications() -> list[Binding]:
    """The bindings that are imported and have an application."""
    return [binding for binding in _imported() if binding.App.instance() is not None]


def binding_of(app: Any) -> Binding:
    """That of an application; without one, that which has one."""
    imported = _imported()
    if app is not None:
        for binding in imported:
            if isinstance(app, (binding.App, binding.Thread)):
                return binding
        raise TypeError(f"app must be a QApplication or QCoreApplication, or a QThread, not {app!r}")
    made = [binding for binding in imported if binding.App.instance() is not None]
    if len(made) == 1:
        return made[0]
    names = " and ".join(binding.name for binding in made or imported)
    if made:
        raise GuestError(f"{names} have an application each: say which one, by QtHost(app)")
    if imported:
        raise GuestError(f"{names} has no application yet: make a QApplication before the QtHost")
    raise GuestError(f"no Qt binding is imported: import one of {', '.join(BINDINGS)} and make a QApplication first")


def if_it_lives() -> suppress:
    """For the last steps: when an application is deleted, its binding deletes other objects with it."""
    return suppress(RuntimeError)  # the Python object has no Qt object any more
