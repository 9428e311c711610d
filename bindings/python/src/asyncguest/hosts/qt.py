"""Qt: a guest in the main loop of PySide6, PyQt6, PyQt5 or PySide2, or of one of their QThreads.

Owns: its guests' socket notifiers, and the notifiers that post events. Everything runs on the thread of the
loop, except `post`.

Each round of Qt's loop has a turn for posted events (with them painting), for input, for notifiers and for timers, on
its own dispatcher as on GLib's: nobody starves. A guest with much to do yields all the same (see `_yielding.py`), until
a posted event of low priority comes by, which is after all painting that was asked for by then. So Qt has two rounds
for each delivery of a busy guest, and several such guests have theirs one by one, not all in the same round.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from .._errors import GuestError
from .._reports import log
from ._qt import EventNotifier, FdNotifier, applications, binding_of, if_it_lives
from .base import Found, YieldingHost, exit_status, watches

__all__ = ["QtHost", "find"]

# Qt.LowEventPriority, which Qt gives its own requests to paint.
_LOW = -1


class QtHost(YieldingHost):
    """The main loop of Qt, which may run already, start later, or be entered with `processEvents()` alone.

    `app`: the QApplication, QGuiApplication or QCoreApplication, or a QThread; None: the one that runs the loop of this
    thread. Make the host, and start guests, there: for a QThread in its `run`, or in a slot of its worker.
    `drive`: "fd" watches the guest's fd with a QSocketNotifier, where Qt can (not on Windows or macOS); "thread" has a
    thread of the library wait and post an event; None takes the better one. `deadline`: seconds that a run has for its
    clean-up when the loop ends first.

    Example: docs/hosts/qt.md

    When the loop ends first (`quit()`, the last window closed, `exit()` of the QThread), its guests are shut down before
    `exec()` returns: their `finally` blocks run, and still find the widgets. So they are when the application is deleted,
    but then there are no widgets any more.

    No exception can pass through Qt. What a `done_callback` raises goes to `sys.excepthook`; SystemExit and
    KeyboardInterrupt end the loop, with the status they stand for (130 for the latter), which `app.exec()` returns.
    `host.exec()` is `app.exec()` that raises them again.
    """

    name = "Qt"

    def __init__(self, app: Any = None, drive: str | None = None, deadline: float = 5.0) -> None:
        super().__init__(deadline)
        can_watch = sys.platform not in ("win32", "cygwin", "darwin")
        self.watches_fds = watches(drive, can_watch, "Qt cannot watch the guest's fd on this system")
        self._qt = binding_of(app)
        self._home = self._qt.home() if app is None else app
        if self._home is None:
            raise GuestError(
                "Qt runs no loop on this thread: make the QtHost where the QApplication lives, or in a QThread"
            )
        self._idle: EventNotifier | None = None

    def exec(self, run: Callable[[], Any] | None = None) -> int:
        """`app.exec()`, or that of the QThread. Runs that have not ended when it returns are shut down.

        `run`: what to call in its place, a function that runs that loop itself. Returns what that does.
        """
        start = run if run is not None else getattr(self._home, "exec", None) or self._home.exec_
        status: int = self.run_mainloop(start, self._exit)
        return status

    # ---- what a guest asks for

    def make_watch(self, fd: int, ready: Callable[[], object]) -> FdNotifier:
        return FdNotifier(self._qt, fd, ready)

    def make_notifier(self, arrived: Callable[[], object]) -> EventNotifier:
        return EventNotifier(self._qt, arrived)

    # ---- yielding

    def wait_for_idle(self) -> None:
        if self._idle is not None:
            self._idle.notify()

    def forget_idle(self) -> None:
        """An event that comes when nobody yields does no harm."""

    # ---- the end

    def hook(self) -> None:
        if self._qt.home() != self._home:
            raise GuestError("start the guest on the thread whose loop its QtHost was made for, while that loop lives")
        super().hook()
        self._idle = EventNotifier(self._qt, self.resume, _LOW)
        self._idle.on()
        for name in self._ends():
            getattr(self._home, name).connect(self._ended, self._qt.direct)

    def unhook(self) -> None:
        super().unhook()
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.close()
        for name in self._ends():
            with if_it_lives():
                getattr(self._home, name).disconnect(self._ended)

    def _ends(self) -> tuple[str, ...]:
        """The signals of the loop's end."""
        return ("aboutToQuit", "destroyed") if isinstance(self._home, self._qt.App) else ("finished",)

    def _ended(self, *_: object) -> None:
        self.host_ended()

    def _exit(self, status: int = 0) -> None:
        if not self.has_ended:
            self._home.exit(status)

    def leave(self, error: BaseException) -> None:
        """No exception may pass through Qt, also where `exec` is not in use: then its loop ends with a status."""
        if self.has_ended or not self._qt.Thread.currentThread().loopLevel():
            log.error(
                "%r came when no loop of Qt's was running: host.exec() would have raised it", error, exc_info=error
            )
        self._exit(exit_status(error))


def find() -> Found | None:
    """The application of the binding that is imported, or the QThread, if it runs or is to run on this thread."""
    for binding in applications():
        home = binding.home()
        if home is not None:
            return Found(f"Qt ({binding.name})", binding.Thread.currentThread().loopLevel() > 0, partial(QtHost, home))
    return None
