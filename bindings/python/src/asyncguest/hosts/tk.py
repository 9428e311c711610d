"""Tk: a guest in tkinter's main loop.

Owns: its guests' places in Tcl's notifier, and what makes them yield. Everything runs on Tk's own thread, except
`post`.

Tcl serves its queue before it looks at timers and X events, and these before what waits for an idle moment, which is
where Tk redraws. A guest with much to do is in the queue again whenever its delivery ends, and the window would freeze.
So it yields (see `_yielding.py`). The idle moment only switches the watch on again: a delivery in it would run
callbacks inside any `update_idletasks()`.
"""

from __future__ import annotations

import sys
import tkinter
from collections.abc import Callable
from typing import Any

from .._errors import GuestError
from ._tcl import FdWatch, SocketNotifier, can_watch_fds
from .base import LONGEST_YIELD, Found, Notifier, YieldingHost, watches

__all__ = ["TkHost", "find"]


class TkHost(YieldingHost):
    """The main loop of tkinter, which may run already, start later, or be entered with `update()` alone.

    `root`: a `tkinter.Tk` or any widget of it. `drive`: "fd" watches the guest's fd with Tcl's file handlers, where Tcl
    has them (not on Windows); "thread" has a thread of the library wait and wake Tk; None takes the better one.
    `deadline`: seconds that a run has for its clean-up when its window is destroyed.

    Example: docs/hosts/tk.md

    When the window is destroyed first, its guests are shut down there and then: their `finally` blocks run, but find no
    widgets any more. To end a run while the window still stands, cancel it, and destroy the window when it is over:
    `root.protocol("WM_DELETE_WINDOW", guest.cancel)`, with the `done_callback` above. tkinter does not tell when
    `mainloop` returns for another reason (`quit()`, an exception): `host.mainloop()` shuts the guests down then, or
    else the interpreter when it exits. What a `done_callback` raises goes to `root.report_callback_exception`.
    """

    name = "Tk"

    def __init__(self, root: tkinter.Misc, drive: str | None = None, deadline: float = 5.0) -> None:
        if not isinstance(root, tkinter.Misc):
            raise TypeError(f"root must be a tkinter.Tk or one of its widgets, not {root!r}")
        super().__init__(deadline)
        self.watches_fds = watches(drive, can_watch_fds(root.tk), "Tcl cannot watch fds on this system")
        self._root: Any = root.nametowidget(".")
        self._tk: Any = root.tk
        self._name = f"asyncguest_{id(self)}"
        self._alarms: tuple[Any, ...] = ()

    def mainloop(self) -> None:
        """`root.mainloop()`. Runs that have not ended when it returns, for whatever reason, are shut down."""
        self.run_mainloop(self._root.mainloop)

    # ---- what a guest asks for

    def make_watch(self, fd: int, ready: Callable[[], object]) -> FdWatch:
        return FdWatch(self._tk, fd, ready)

    def make_notifier(self, arrived: Callable[[], object]) -> Notifier:
        return super().make_notifier(arrived) if can_watch_fds(self._tk) else SocketNotifier(self._tk, arrived)

    def wait_for_idle(self) -> None:
        name = self._name
        self._alarms = (self._tk.call("after", "idle", name), self._tk.call("after", LONGEST_YIELD, name))

    def forget_idle(self) -> None:
        for alarm in self._alarms:
            self._tk.call("after", "cancel", alarm)
        self._alarms = ()

    # ---- the end

    def hook(self) -> None:
        """The first guest: what is needed of Tcl while guests live here, and leaves no cycle through Tcl after them."""
        tk = self._tk
        if not _is_here(tk):
            raise GuestError(
                "start the guest on the thread whose tkinter.Tk its TkHost was made for: root.after(0, ...)"
            )
        # A binding tag of its own: the user's bindings stay as they are, and children's <Destroy> does not come here.
        tk.call("bindtags", ".", (self._name, *tk.splitlist(tk.call("bindtags", "."))))
        tk.createcommand(self._name, self.resume)
        tk.createcommand(f"{self._name}_destroyed", self.host_ended)
        tk.call("bind", self._name, "<Destroy>", f"{self._name}_destroyed")
        super().hook()

    def unhook(self) -> None:
        tk = self._tk
        super().unhook()
        self.forget_idle()
        if not self.has_ended:
            tk.call("bindtags", ".", [tag for tag in tk.splitlist(tk.call("bindtags", ".")) if tag != self._name])
            tk.call("bind", self._name, "<Destroy>", "")
        tk.deletecommand(self._name)
        tk.deletecommand(f"{self._name}_destroyed")

    def report(self) -> None:
        self._root.report_callback_exception(*sys.exc_info())


def _is_here(tk: Any) -> bool:
    """Whether this thread is Tcl's own: it refuses calls on others, and of its calls this one asks no other thread."""
    try:
        return bool(tk.exprlong("1") == 1)
    except RuntimeError:
        return False


def find() -> Found | None:
    """tkinter's first root window, if it stands and belongs to this thread."""
    root: Any = getattr(tkinter, "_default_root", None)
    if root is None or not _is_here(root.tk):
        return None
    try:
        root.tk.call("winfo", "exists", ".")
    except tkinter.TclError:
        return None  # it was destroyed, by Tcl's own command, of which tkinter knows nothing
    # Tk does not tell whether its main loop runs.
    return Found("Tk", False, lambda: TkHost(root))
