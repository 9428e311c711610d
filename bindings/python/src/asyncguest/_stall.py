"""The report of a host that is stuck, made while it is.

Owns: nothing. It is made on a thread of the library, which holds the interpreter lock for that time.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._native import lib
from ._reports import log

if TYPE_CHECKING:
    from ._guest import Guest

__all__ = ["StallReport", "StallWatch"]


@dataclass(frozen=True)
class StallReport:
    """Who blocks the host's loop."""

    #: The run that does not get its turn, or does not end it.
    guest: Guest
    #: Seconds that it has lasted so far.
    seconds: float
    #: True: a callback of the guest does not return. False: the host's own code does not.
    in_guest: bool
    #: The Python stack of the host thread at this moment, outermost call first.
    stack: traceback.StackSummary

    def __str__(self) -> str:
        where = "a callback of the guest does not return" if self.in_guest else "the host's loop does not run"
        lines = "".join(self.stack.format())
        return f"{self.guest!r}: stuck for {self.seconds:.3f} s, {where}. The host thread is at:\n{lines}"


class StallWatch:
    """Turns the library's notice into a report for one guest."""

    def __init__(self, guest: Guest, on_stall: Callable[[StallReport], object] | None) -> None:
        self._guest = guest
        self._on_stall = on_stall

    def report(self, kind: int, seconds: float) -> None:
        """The library has noticed. On its thread; must not raise."""
        frame = sys._current_frames().get(self._guest.host_thread)
        stack = traceback.StackSummary() if frame is None else traceback.extract_stack(frame)
        report = StallReport(self._guest, seconds, kind == lib.GUEST_STALL_DELIVERING, stack)
        if self._on_stall is None:
            log.warning("%s", report)
            return
        try:
            self._on_stall(report)
        except BaseException:
            log.exception("on_stall failed")
