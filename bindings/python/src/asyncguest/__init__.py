"""asyncio as a guest in somebody else's main loop, on an unpatched interpreter.

    import asyncguest
    from asyncguest.hosts.tk import TkHost

    guest = asyncguest.Guest(TkHost(root), done_callback=lambda task: root.destroy())
    guest.start(main)
    root.mainloop()

`start_guest_run` does the same for any host that can run a function soon on its own thread. `EventLoop` and `run` are
the same loop without a host. `hostcheck` tests a host's adapter. What is promised is in the package's documentation.
"""

from ._errors import GuestClosed, GuestError, NestingLimit, WrongThread
from ._guest import Guest
from ._host import CallbackHost, Host
from ._hostcheck import Finding, Harness, HostReport, hostcheck
from ._loop import EventLoop, run
from ._stall import StallReport
from ._start import current_guest, start_guest_run
from ._stats import GuestStats, Histogram, ProcessStats, stats
from ._version import __version__

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
    "StallReport",
    "WrongThread",
    "__version__",
    "current_guest",
    "hostcheck",
    "run",
    "start_guest_run",
    "stats",
]
