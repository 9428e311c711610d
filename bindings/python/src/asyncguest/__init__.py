"""asyncio as a guest in somebody else's main loop, on an unpatched interpreter.

    import asyncguest

    root = tkinter.Tk()
    asyncguest.start(main, done_callback=lambda task: root.destroy())
    root.mainloop()

`start` finds the main loop that the program has; `Guest` with an adapter of `asyncguest.hosts` is the same with a host
of one's choice, and `start_guest_run` for any host that can run a function soon on its own thread. `EventLoop` and `run` are
the same loop without a host. `hostcheck` tests a host's adapter. What is promised is in the package's documentation.
"""

from ._dialog import dialog
from ._errors import GuestClosed, GuestError, NestingLimit, SourceGone, WrongThread
from ._events import event, events
from ._guest import Guest, StallReport
from ._host import CallbackHost, Host
from ._hostcheck import Finding, Harness, HostReport, hostcheck
from ._in_thread import Report, in_thread
from ._loop import EventLoop, run
from ._native import __version__
from ._process import ProcessStats, stats
from ._resident import Resident
from ._scope import Scope
from ._slot import slot
from ._start import current_guest, start, start_guest_run
from ._stats import GuestStats, Histogram
from ._toolkits import register_host

__all__ = [
    "CallbackHost",
    "EventLoop",
    "Finding",
    "Guest",
    "GuestClosed",
    "GuestError",
    "GuestStats",
    "Harness",
    "Histogram",
    "Host",
    "HostReport",
    "NestingLimit",
    "ProcessStats",
    "Report",
    "Resident",
    "Scope",
    "SourceGone",
    "StallReport",
    "WrongThread",
    "__version__",
    "current_guest",
    "dialog",
    "event",
    "events",
    "hostcheck",
    "in_thread",
    "register_host",
    "run",
    "slot",
    "start",
    "start_guest_run",
    "stats",
]
