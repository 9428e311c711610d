"""The report of a host that is stuck, made while it is.

It is made on a thread of the library, which holds the interpreter lock for that time.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._native import STALL_DELIVERING
from ._reports import log

if TYPE_CHECKING:
    from ._run import Run


def report_stall(
    run: Run,
    make: Callable[[Any, float, bool, traceback.StackSummary], object],
    on_stall: Callable[[Any], object] | None,
    kind: int,
    seconds: float,
) -> None:
    """The library has noticed: `make(guest, seconds, in_guest, stack)` makes the report. On its thread; must not raise."""
    frame = sys._current_frames().get(run.host_thread)
    stack = traceback.StackSummary() if frame is None else traceback.extract_stack(frame)
    report = make(run.guest, seconds, kind == STALL_DELIVERING, stack)
    if on_stall is None:
        log.warning("%s", report)
        return
    try:
        on_stall(report)
    except BaseException:
        log.exception("on_stall failed")
