"""wx: a guest in the main loop of wxPython.

Owns: what wakes its guests, and what makes them yield. Everything runs on the main thread of wx, except `post`.

wx handles posted events before it paints, or, where it stands on GTK, not before it has painted and every timer of the
program has had its turn: then a busy program would starve its guests. So on GTK they are woken beside the input, by the
GLib below. On Windows it handles none while a menu is up or a window is moved: there they are woken by messages. A guest
with much to do would keep the window from being painted, and yields (see `_yielding.py`) until wx sends an idle event,
which it does after painting. `wx.Yield()` sends none, and so comes to its end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from .._errors import GuestError
from . import _wxgtk
from ._wxgtk import wx
from .base import LONGEST_YIELD, Found, Notifier, PostedNotifier, YieldingHost, watches

__all__ = ["WxHost", "find"]


class WxHost(YieldingHost):
    """The main loop of wxPython. It may run already, or start later.

    `app`: the wx.App; None: the one that there is. `drive`: "fd" watches the guest's fd with the GLib under wxGTK;
    "thread" has a thread of the library wait and wake wx, on all platforms; None takes the better one. `deadline`:
    seconds that a run has for its clean-up when its host ends first.

    Example: docs/hosts/wx.md

    When the last window is destroyed, and wx is about to leave its main loop for it, the guests are shut down: their
    `finally` blocks run, but find no widgets any more. wx does not tell when the loop ends otherwise
    (`ExitMainLoop()`): `host.MainLoop()` shuts them down then, or else the interpreter when it exits. To let a run end
    before its window goes, bind wx.EVT_CLOSE, veto it, cancel the run, and let `done_callback` destroy the window.

    wxPython lets no exception through wx: it prints what a `done_callback` raises and goes on, but ends the process at
    SystemExit. `host.MainLoop()` leaves the loop instead, and raises SystemExit or KeyboardInterrupt when it has ended.
    Ctrl-C: `wx.App()` has it kill the process; with `clearSigInt=False` the first one cancels the run.
    """

    name = "wx"

    def __init__(self, app: Any = None, drive: str | None = None, deadline: float = 5.0) -> None:
        if app is not None and not isinstance(app, wx.AppConsole):
            raise TypeError(f"app must be a wx.App or None, not {app!r}")
        super().__init__(deadline)
        self.watches_fds = watches(drive, _wxgtk.glib() is not None, "wx can watch fds where it stands on GTK alone")
        self._app: Any = app or wx.GetApp()
        if not self._app:
            raise GuestError("there is no wx.App: make it before the WxHost, and keep it")
        self._alarm: Any = None

    def MainLoop(self) -> Any:
        """`app.MainLoop()`. Runs that have not ended when it returns, for whatever reason, are shut down.

        Raises SystemExit or KeyboardInterrupt that came out of a `done_callback`.
        """
        return self.run_mainloop(self._app.MainLoop, self._app.ExitMainLoop)

    # ---- what a guest asks for

    def make_watch(self, fd: int, ready: Callable[[], object]) -> _wxgtk.FdSource:
        return _wxgtk.FdSource(fd, ready)

    def make_notifier(self, arrived: Callable[[], object]) -> Notifier:
        if sys.platform == "win32":
            from .win32 import MessageNotifier

            return MessageNotifier(arrived)
        return EventNotifier(arrived) if _wxgtk.glib() is None else _wxgtk.GtkNotifier(arrived)

    def deliver(self, ready: Callable[[], object]) -> bool:
        more = super().deliver(ready)
        wx.WakeUpIdle()  # then wx does what guest code has asked of it, as after an event: Destroy, UpdateUI
        return more

    def leave(self, error: BaseException) -> None:
        wx.CallAfter(_raise, error)  # in a handler of wx: it is wxPython's affair

    # ---- yielding

    def wait_for_idle(self) -> None:
        self._alarm.StartOnce(LONGEST_YIELD)

    def forget_idle(self) -> None:
        if self._app:
            self._alarm.Stop()

    def _idle(self, event: Any) -> None:
        event.Skip()
        self.resume()

    # ---- the end

    def hook(self) -> None:
        if not wx.IsMainThread():
            raise GuestError("wx has its loop on the main thread: start the guest there, by wx.CallAfter()")
        self._alarm = wx.PyTimer(self.resume)
        self._app.Bind(wx.EVT_IDLE, self._idle)
        self._app.Bind(wx.EVT_WINDOW_DESTROY, self._destroyed)
        super().hook()

    def unhook(self) -> None:
        super().unhook()
        if self._app:  # else it was deleted, with all that was bound to it
            self._alarm.Stop()
            self._app.Unbind(wx.EVT_IDLE, handler=self._idle)
            self._app.Unbind(wx.EVT_WINDOW_DESTROY, handler=self._destroyed)
        self._alarm = None

    def _destroyed(self, event: Any) -> None:
        """A window of the program is going. With the last one at top level, wx leaves its main loop."""
        event.Skip()
        app, window = self._app, event.GetEventObject()
        if app.IsMainLoopRunning() and app.GetExitOnFrameDelete() and window.IsTopLevel():
            others = list(
                wx.GetTopLevelWindows()
            )  # whose iterator has no __iter__, which some CPythons want in a comprehension
            if not [other for other in others if other != window and not other.IsBeingDeleted()]:
                self.host_ended()


class EventNotifier(PostedNotifier):
    """By events of wx."""

    def __init__(self, arrived: Callable[[], object]) -> None:
        super().__init__(arrived)
        self._type = wx.NewEventType()
        self._handler: Any = wx.EvtHandler()
        self._handler.Connect(-1, -1, self._type, lambda event: self.came())

    def send(self) -> None:
        wx.QueueEvent(self._handler, wx.CommandEvent(self._type))

    def close(self) -> None:
        super().close()
        self._handler.Disconnect(-1, -1, self._type)


def _raise(error: BaseException) -> None:
    raise error


def find() -> Found | None:
    """The wx.App, if it was made and this is its thread."""
    app = wx.GetApp()
    if app is None or not wx.IsMainThread():
        return None
    return Found("wx", app.IsMainLoopRunning(), lambda: WxHost(app))
