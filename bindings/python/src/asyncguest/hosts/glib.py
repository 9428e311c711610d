"""GLib: a guest in a GLib.MainLoop, GTK 3 or GTK 4, by PyGObject.

Owns: the sources that wake its guests, and what makes them yield. Everything runs on the thread of one
GLib.MainContext, except `post`.

GLib serves the ready sources of the best priority alone, in turns: GDK's events and most timers are at 0, GTK lays out
at 110 and paints at 120, `idle_add` is at 200. A guest at 0 has its delivery beside events and timers however busy they
are, and is prompt; but with much to do it would keep GTK from painting for ever. So it yields then (see
`_yielding.py`), until nothing is left above 200. Every 50 ms that is a real pause, so that `while
Gtk.events_pending():` comes to its end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

from .._errors import GuestError
from .._guest import Guest
from .._resident import Resident
from . import _gio
from ._gsource import FdSource, GLib, SourceNotifier, default_application, once
from .base import LONGEST_YIELD, Found, YieldingHost, watches

__all__ = ["GLibHost", "find"]

# Seconds of yields that were only idle moments, after which one is a pause of a millisecond.
_PAUSE_EVERY = 0.05


class GLibHost(YieldingHost):
    """The main loop of GLib, and with it GTK 3 and GTK 4. It may run already, or start later.

    `context`: the GLib.MainContext; None: the one of this thread, which is the default context unless the thread has
    pushed one. Make the host, and start guests, on the thread that runs it. `application`: the Gio.Application or
    Gtk.Application whose end is the guests' too; None: the program's, if there is one when the first guest starts.
    `drive`: "fd" has GLib watch the guest's fd (not on Windows); "thread" has a thread of the library wait and wake
    GLib; None takes the better one. `deadline`: seconds that a run has for its clean-up when its host ends first.

    Example: docs/hosts/gtk.md

    When the last window of an application is closed, or it is quit, its guests are shut down in its "shutdown" signal:
    their `finally` blocks run. GLib does not tell when a plain loop ends (`loop.quit()`, `Gtk.main_quit()`):
    `host.run(loop)` shuts them down then, or else the interpreter when it exits. To let a run end before its window
    goes, stop the window's "delete-event" ("close-request" in GTK 4), cancel the run, and let `done_callback` destroy
    the window.

    PyGObject lets no exception through GLib: it prints what a `done_callback` raises and goes on, but ends the process
    at SystemExit. `host.run(loop)` quits the loop instead, and raises SystemExit or KeyboardInterrupt when that has
    ended.
    """

    name = "GLib"
    #: PyGObject has its own in every main loop that it runs on the main thread.
    uses_wakeup_fd = True

    def __init__(
        self,
        context: Any = None,
        application: Any = None,
        drive: str | None = None,
        deadline: float = 5.0,
    ) -> None:
        if context is not None and not isinstance(context, GLib.MainContext):
            raise TypeError(f"context must be a GLib.MainContext or None, not {context!r}")
        if application is not None and not (hasattr(application, "connect") and hasattr(application, "quit")):
            raise TypeError(f"application must be a Gio.Application or None, not {application!r}")
        super().__init__(deadline)
        self.watches_fds = watches(drive, hasattr(GLib.Source, "add_unix_fd"), "GLib cannot watch fds on this system")
        self._context = context or GLib.MainContext.ref_thread_default()
        self._application = application
        self._unhook_application: Callable[[], object] | None = None
        self._alarms: list[Any] = []
        self._last_pause = 0.0

    def run(self, loop: Any = None, *arguments: Any) -> Any:
        """Runs the main loop; runs that have not ended when it returns, for whatever reason, are shut down.

        `loop`: a GLib.MainLoop, a Gio.Application (which takes the program's `arguments`), or for `Gtk.main` of GTK 3
        the module Gtk; None: the host's application, or a new GLib.MainLoop. Returns what that returns, an
        application's exit status. Raises SystemExit or KeyboardInterrupt that came out of a `done_callback`.
        """
        loop = loop or self._application or GLib.MainLoop(self._context)
        start, leave = (loop.run, loop.quit) if hasattr(loop, "run") else (loop.main, loop.main_quit)
        return self.run_mainloop(partial(start, *arguments), leave)

    # ---- what a guest asks for

    def attached(self, guest: Resident) -> None:
        super().attached(guest)
        if isinstance(guest, Guest):
            _gio.serve(guest.loop, self._context)

    def make_watch(self, fd: int, ready: Callable[[], object]) -> FdSource:
        return FdSource(self._context, fd, ready)

    def make_notifier(self, arrived: Callable[[], object]) -> SourceNotifier:
        return SourceNotifier(self._context, arrived)

    # ---- yielding

    def wait_for_idle(self) -> None:
        now = monotonic()
        if now - self._last_pause > _PAUSE_EVERY:
            self._last_pause = now
            first = GLib.Timeout(1, GLib.PRIORITY_DEFAULT_IDLE)
        else:
            first = GLib.Idle(GLib.PRIORITY_DEFAULT_IDLE)
        self._alarms = [first, GLib.Timeout(LONGEST_YIELD)]
        for alarm in self._alarms:
            once(self._context, alarm, self.resume)

    def forget_idle(self) -> None:
        for alarm in self._alarms:
            alarm.destroy()
        self._alarms = []

    # ---- the end

    def hook(self) -> None:
        if not self._context.acquire():
            raise GuestError("another thread runs this GLib.MainContext: start the guest there, in a GLib.idle_add()")
        self._context.release()
        super().hook()
        application = self._application or default_application(self._context)
        if application is not None:
            handler = application.connect("shutdown", lambda application: self.host_ended())
            self._unhook_application = partial(application.disconnect, handler)

    def unhook(self) -> None:
        super().unhook()
        if self._unhook_application is not None:
            self._unhook_application()
            self._unhook_application = None


def find() -> Found | None:
    """The loop that dispatches on this thread, or the context that a program here can be expected to run."""
    source = GLib.main_current_source()  # its context need not be the thread's default one
    context = GLib.MainContext.ref_thread_default() if source is None else source.get_context()
    is_here = GLib.MainContext.get_thread_default() is not None or threading.current_thread() is threading.main_thread()
    running = source is not None
    return Found("GLib, GTK", running, partial(GLibHost, context)) if running or is_here else None
