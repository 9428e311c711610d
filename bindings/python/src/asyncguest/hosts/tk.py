"""Tk: a guest in tkinter's main loop.

Owns: its guests' places in Tcl's notifier, and their rests. Everything runs on Tk's own thread, except `post`.

Tcl serves its queue before it looks at timers and X events, and these before what waits for an idle moment, which is
where Tk redraws. A guest with much to do is in the queue again whenever its turn ends, and the window would freeze. So
after a turn that ran out of its time, or many short ones in a row, the guest is not watched until Tk has been idle. A
host that is never idle (a storm of `after(0)`) does not starve the guest either: it rests 10 ms at the most. The idle
moment only switches the watch on again: a turn in it would run callbacks inside any `update_idletasks()`.
"""

from __future__ import annotations

import sys
import threading
import tkinter
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from .._errors import GuestError
from ._loophost import Found, LoopHost, watches
from ._tcl import FdWatch, PipeBell, SocketBell, can_watch_fds

if TYPE_CHECKING:
    from typing import TypeAlias

    Watch: TypeAlias = FdWatch | SocketBell

__all__ = ["TkHost", "find"]

# Milliseconds that a guest rests at the most while Tk finds no idle moment.
_LONGEST_REST = 10

# Seconds of turns with pauses below _PAUSE after which Tk is given an idle moment.
_LONGEST_ROW = 0.004
_PAUSE = 0.001


class TkHost(LoopHost):
    """The main loop of tkinter, which may run already, start later, or be entered with `update()` alone.

    `root`: a `tkinter.Tk` or any widget of it. `drive`: "fd" watches the guest's fd with Tcl's file handlers, where Tcl
    has them (not on Windows); "thread" has a thread of the library wait and wake Tk; None takes the better one.
    `deadline`: seconds that a run has for its clean-up when its window is destroyed.

        import asyncio, tkinter, asyncguest
        from asyncguest.hosts.tk import TkHost

        async def main(label):
            for number in range(3):
                label["text"] = str(number)
                await asyncio.sleep(0.1)

        root = tkinter.Tk()
        label = tkinter.Label(root)
        label.pack()
        guest = asyncguest.Guest(TkHost(root), done_callback=lambda task: root.destroy())
        guest.start(main, label)
        root.mainloop()

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
        self._watches: dict[int, FdWatch] = {}
        self._resting: deque[Watch] = deque()
        self._alarms: tuple[Any, ...] = ()
        self._row_began = self._row_ended = 0.0
        self._jobs: deque[Callable[[], object]] = deque()
        self._bell: PipeBell | SocketBell | None = None
        self._bell_lock = threading.RLock()  # between a ring and the close; a signal handler may ring in between

    def mainloop(self) -> None:
        """`root.mainloop()`. Runs that have not ended when it returns, for whatever reason, are shut down."""
        try:
            self._root.mainloop()
        finally:
            self._shut_down()

    # ---- what a guest asks for

    def watch(self, fd: int, ready: Callable[[], bool]) -> None:
        watch = FdWatch(self._tk, fd, lambda: self._served(watch, ready))
        watch.on()
        self._watches[fd] = watch

    def unwatch(self, fd: int) -> None:
        self._stop(self._watches.pop(fd))

    def post(self, job: Callable[[], object]) -> None:
        """Runs `job()` on Tk's thread, soon, while a guest lives here. Any thread."""
        with self._bell_lock:
            if self._bell is None:
                raise GuestError("a TkHost takes posts while a guest lives in it, and none does")
            self._jobs.append(job)
            self._bell.ring()

    def _run_jobs(self) -> bool:
        """Runs what was posted until now. Returns whether a guest has more to do than fitted into its turn."""
        assert self._bell is not None
        self._bell.silence()
        for _ in range(len(self._jobs)):
            if not self._jobs:
                break  # a nested loop has run them, or the last guest has gone
            if self._jobs.popleft()() is True:
                if self._jobs and self._bell is not None:
                    self._bell.ring()  # the other guests' turns come after Tk's
                return True
        return False

    # ---- turns and rests

    def _served(self, watch: Watch, ready: Callable[[], object]) -> None:
        """Tcl's notifier has found `watch` readable."""
        began = monotonic()
        if began - self._row_ended > _PAUSE:
            self._row_began = began
        more = False
        try:
            more = self._turn(ready)
        finally:
            self._row_ended = ended = monotonic()
            if more or ended - self._row_began > _LONGEST_ROW:
                self._row_began = ended
                self._rest(watch)

    def _rest(self, watch: Watch) -> None:
        """Tk's own turn: `watch` is off until `_resume`."""
        if watch.is_on:
            watch.off()
            self._resting.append(watch)
            if not self._alarms:
                self._wait_for_idle()

    def _wait_for_idle(self) -> None:
        name = self._name
        self._alarms = (self._tk.call("after", "idle", name), self._tk.call("after", _LONGEST_REST, name))

    def _resume(self) -> None:
        """An idle moment, or the longest rest is over: one guest goes on, so that many do not make one long turn."""
        self._forget_alarms()
        if self._resting:
            self._resting.popleft().on()
        if self._resting:
            self._wait_for_idle()

    def _forget_alarms(self) -> None:
        for alarm in self._alarms:
            self._tk.call("after", "cancel", alarm)
        self._alarms = ()

    def _stop(self, watch: Watch) -> None:
        """`watch` is off for good."""
        watch.off()
        if watch in self._resting:
            self._resting.remove(watch)

    # ---- the end

    def _hook(self) -> None:
        """The first guest: what is needed of Tcl while guests live here, and leaves no cycle through Tcl after them."""
        tk = self._tk
        # A binding tag of its own: the user's bindings stay as they are, and children's <Destroy> does not come here.
        tk.call("bindtags", ".", (self._name, *tk.splitlist(tk.call("bindtags", "."))))
        tk.createcommand(self._name, self._resume)
        tk.createcommand(f"{self._name}_destroyed", self._over)
        tk.call("bind", self._name, "<Destroy>", f"{self._name}_destroyed")
        bell = (PipeBell if can_watch_fds(tk) else SocketBell)(tk, lambda: self._served(bell, self._run_jobs))
        bell.on()
        with self._bell_lock:
            self._bell = bell

    def _unhook(self) -> None:
        tk = self._tk
        with self._bell_lock:
            bell, self._bell = self._bell, None
        if bell is not None:
            self._stop(bell)
            bell.close()
        self._jobs.clear()
        self._forget_alarms()
        if not self._is_over:
            tk.call("bindtags", ".", [tag for tag in tk.splitlist(tk.call("bindtags", ".")) if tag != self._name])
            tk.call("bind", self._name, "<Destroy>", "")
        tk.deletecommand(self._name)
        tk.deletecommand(f"{self._name}_destroyed")

    def _report(self) -> None:
        self._root.report_callback_exception(*sys.exc_info())


def find() -> Found | None:
    """tkinter's first root window, if it stands and belongs to this thread."""
    root: Any = getattr(tkinter, "_default_root", None)
    if root is None:
        return None
    # Tk does not tell whether its main loop runs.
    return Found("Tk", False, lambda: TkHost(root))
