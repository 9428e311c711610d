"""asyncio as a guest in somebody else's main loop, on an unpatched interpreter.

    import asyncguest

    root = tkinter.Tk()
    asyncguest.start(main, done_callback=lambda task: root.destroy())
    root.mainloop()

`start` finds the main loop that the program has; `Guest` with an adapter of `asyncguest.hosts` is the same with a host
of one's choice, and `start_guest_run` for any host that can run a function soon on its own thread. `EventLoop` and `run` are
the same loop without a host. `hostcheck` tests a host's adapter. What is promised is in the package's documentation.
"""

import typing

from . import _exit as _exit
from ._errors import GuestClosed, GuestError, NestingLimit, SourceGone, WrongThread
from ._loop import EventLoop, run
from ._native import __version__

if typing.TYPE_CHECKING:
    from ._hostcheck import Finding, Harness, HostReport, hostcheck
    from ._hosting import (
        CallbackHost,
        Guest,
        GuestStats,
        Histogram,
        Host,
        ProcessStats,
        Report,
        Resident,
        Scope,
        StallReport,
        current_guest,
        dialog,
        event,
        events,
        in_thread,
        register_host,
        slot,
        start,
        start_guest_run,
        stats,
    )
else:

    def __getattr__(name: str) -> object:
        # What a loop without a host can do without is imported with the first name of it: a half of the package.
        if name not in __all__:
            as_python_says = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(as_python_says)
        if name in ("Finding", "Harness", "HostReport", "hostcheck"):
            from . import _hostcheck as home
        else:
            from . import _hosting as home
        return globals().setdefault(name, getattr(home, name))

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


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
