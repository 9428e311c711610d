"""Stacks and tracebacks as an adapter's author wants them: without the frames of the checks. Any thread."""

from __future__ import annotations

import os
import sys
import traceback

_HERE = os.path.dirname(__file__) + os.sep


def stack_of(thread: int) -> str:
    """Where a thread stands at this moment, outermost call first."""
    frame = sys._current_frames().get(thread)
    if frame is None:
        return "(it has ended)"
    return _others(traceback.extract_stack(frame))


def trace_of(error: BaseException) -> str:
    """Where an exception was raised, and what it says."""
    return _others(traceback.extract_tb(error.__traceback__)) + "".join(traceback.format_exception_only(error))


def _others(frames: traceback.StackSummary) -> str:
    theirs = [frame for frame in frames if not frame.filename.startswith((_HERE, "<"))]
    return "".join(traceback.format_list(theirs))
