"""What a GLib.MainContext can call for a guest: sources on an fd, and from any thread.

Owns: the sources. The context's thread, except `SourceNotifier.notify`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from .base import PostedNotifier

GLib: Any = import_module("gi.repository.GLib")  # it has no types

# Milliseconds: a timeout that does not come, so that the source waits for its fd. If it does, a delivery does no harm.
_NEVER = 24 * 60 * 60 * 1000


class FdSource:
    """Calls `ready()` whenever `fd` is readable, while it is on; also in a loop inside of that call."""

    def __init__(self, context: Any, fd: int, ready: Callable[[], object]) -> None:
        # Of all sources that PyGObject can make, a timeout is the one that costs a loop nothing while it waits, and
        # can be attached to any context, recurse, and have an fd.
        self._source = source = GLib.Timeout(_NEVER)

        def dispatch(_: object) -> bool:
            ready()
            return True

        source.set_callback(dispatch)
        source.set_can_recurse(True)
        self._tag = source.add_unix_fd(fd, GLib.IOCondition(0))
        source.attach(context)
        self.is_on = False

    def on(self) -> None:
        self.is_on = True
        self._source.modify_unix_fd(self._tag, GLib.IO_IN)

    def off(self) -> None:
        self.is_on = False
        self._source.modify_unix_fd(self._tag, GLib.IOCondition(0))

    def close(self) -> None:
        """The fd is forgotten at once."""
        self._source.destroy()


class SourceNotifier(PostedNotifier):
    """By sources that are dispatched once: a new one each time, so that a loop inside of one finds the next."""

    def __init__(self, context: Any, arrived: Callable[[], object]) -> None:
        super().__init__(arrived)
        self._context = context

    def send(self) -> None:
        once(self._context, GLib.Timeout(0), self.came)


def once(context: Any, source: Any, function: Callable[[], object]) -> None:
    """Has `source` call `function()` in `context`, one time. Any thread."""

    def dispatch(_: object) -> bool:
        function()
        return False

    source.set_callback(dispatch)
    source.attach(context)


def default_application(context: Any) -> Any:
    """The program's Gio.Application, if it has one, which runs in the default context."""
    gio = sys.modules.get("gi.repository.Gio")
    return gio.Application.get_default() if gio is not None and context == GLib.MainContext.default() else None
