"""Ends of Qt's loops that nobody expects: an `exec` that raises, one inside another, none at all.

Owns: nothing. Each function is a scenario on a stage of `stage_qt`.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Any

from scenarios_end import stay
from stages import Run

__all__ = ["ENDS"]


def a_loop_that_raises_ends_the_guests_too(stage: Any) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    run = Run(stage, asyncio.sleep, 3600, then=stay)
    try:
        stage.host.exec(fail)
    except ZeroDivisionError:
        assert run.guest.state == "ended"
    else:
        raise AssertionError("it did not come out")


def exec_inside_exec_ends_nobody(stage: Any) -> None:
    """Qt refuses it, with a line on stderr."""
    inner: list[int] = []
    stage.later(0.01, lambda: inner.append(stage.host.exec()))
    assert stage.play(asyncio.sleep, 0.05, "done") == "done"
    assert inner == [-1], inner


def sys_exit_where_no_loop_runs_is_told(stage: Any) -> None:
    """A program that calls `processEvents()` by itself: SystemExit can neither pass through Qt nor end a loop."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("asyncguest").addHandler(handler)
    run = Run(stage, asyncio.sleep, 0.01, then=lambda task: sys.exit(3))
    while not run.done:
        stage.app.processEvents(stage.QtCore.QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    assert len(said) == 1 and "host.exec() would have raised it" in said[0], said


def a_binding_that_is_forbidden(stage: Any) -> None:
    """`sys.modules[...] = None` keeps a program from importing it."""
    from asyncguest.hosts.qt import QtHost

    sys.modules["PySide2.QtCore"] = None  # type: ignore[assignment]
    assert QtHost(stage.app).watches_fds is (sys.platform != "win32")
    assert stage.play(asyncio.sleep, 0.01, "done") == "done"


ENDS: dict[str, Callable[[Any], None]] = {
    function.__name__: function
    for function in (
        a_loop_that_raises_ends_the_guests_too,
        exec_inside_exec_ends_nobody,
        sys_exit_where_no_loop_runs_is_told,
        a_binding_that_is_forbidden,
    )
}
