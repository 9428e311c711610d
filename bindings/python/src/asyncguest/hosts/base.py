"""What adapters are composed of: those of this package, and yours.

Owns: nothing. docs/python/writing_a_host.md says how an adapter is written with it.

`LoopHost` for a main loop that may end before its guests do; on top of it one of `YieldingHost`, for a toolkit that
would serve a busy guest before it paints, `JobHost`, for one that can only be woken, and `AwaitedHost`, for a program
that can await its guests. `PipeNotifier` and `PostedNotifier` wake the host from any thread.
"""

from __future__ import annotations

from .._leaving import exit_status
from ._awaited import AwaitedHost
from ._jobhost import LONGEST_ROUND, JobHost
from ._loophost import Found, LoopHost, watches
from ._notifier import Notifier, PipeNotifier, PostedNotifier, Switch
from ._yielding import LONGEST_YIELD, YieldingHost

__all__ = [
    "LONGEST_ROUND",
    "LONGEST_YIELD",
    "AwaitedHost",
    "Found",
    "JobHost",
    "LoopHost",
    "Notifier",
    "PipeNotifier",
    "PostedNotifier",
    "Switch",
    "YieldingHost",
    "exit_status",
    "watches",
]
