"""urwid: its main loop, with an event loop of urwid's own, which watches fds.

Owns: its guests' places among the files that the event loop watches. Host thread only, except `post` and
`Notifier.notify`.

The event loop takes files before its alarms, and draws when it finds neither: a busy guest yields until it has drawn.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from .._errors import GuestError
from .base import LONGEST_YIELD, YieldingHost, watches

__all__ = ["UrwidHost"]

urwid: Any = import_module("urwid")

# Event loops of urwid that are those of another host.
_OTHERS = {
    "AsyncioEventLoop": "asyncio.AsyncioHost()",
    "TornadoEventLoop": "tornado.TornadoHost()",
    "TrioEventLoop": "trio.TrioHost()",
    "GLibEventLoop": "glib.GLibHost()",
}


class UrwidHost(YieldingHost):
    """`loop`, an `urwid.MainLoop` with urwid's own event loop, which may run already or start later.

    `drive`: "fd" (or None) has the loop watch the guest's fd; "thread" has a thread of the library wait and post.
    `deadline`: seconds that a run has for its clean-up when the loop ends first.

    Example: docs/hosts/urwid.md

    urwid tells nobody of the loop's end: run it by `host.run()`, which shuts the guests down then. A `done_callback` may
    raise `urwid.ExitMainLoop`, or be `host.quit`; what else it raises goes to `sys.excepthook`, and SystemExit and
    KeyboardInterrupt come out of `run`.
    """

    name = "urwid"

    def __init__(self, loop: Any, drive: str | None = None, deadline: float = 5.0) -> None:
        super().__init__(deadline)
        if not isinstance(loop, urwid.MainLoop):
            raise TypeError(f"loop must be an urwid.MainLoop, not {loop!r}")
        for kind in type(loop.event_loop).__mro__:
            if kind.__name__ in _OTHERS:
                raise GuestError(
                    f"a guest of this loop lives in what it stands on: give host=asyncguest.hosts.{_OTHERS[kind.__name__]}"
                )
        self.watches_fds = watches(drive)
        self._loop = loop
        self._events: Any = loop.event_loop
        self._idle: Any = None
        self._alarm: Any = None

    def run(self) -> None:
        """`loop.run()`. Runs that have not ended when it returns, for whatever reason, are shut down."""

        def start() -> None:
            try:
                self._loop.run()
            finally:
                self.has_ended = True

        self.run_mainloop(start)

    def quit(self, *_: object) -> None:
        """Ends the loop, soon. It can be the `done_callback`. Host thread."""
        self._events.alarm(0, _exit)

    def make_watch(self, fd: int, ready: Callable[[], object]) -> _Watch:
        return _Watch(self._events, fd, ready)

    def wait_for_idle(self) -> None:
        self._alarm = self._events.alarm(LONGEST_YIELD / 1000, self.resume)

    def forget_idle(self) -> None:
        self._events.remove_alarm(self._alarm)

    def report(self) -> None:
        if not isinstance(sys.exc_info()[1], urwid.ExitMainLoop):
            super().report()
        elif not self.has_ended:
            raise  # that is how a program ends this loop

    def hook(self) -> None:
        super().hook()
        self._idle = self._events.enter_idle(self.resume)

    def unhook(self) -> None:
        super().unhook()
        self._events.remove_enter_idle(self._idle)


class _Watch:
    """A file of the event loop."""

    def __init__(self, events: Any, fd: int, ready: Callable[[], object]) -> None:
        self._watch = partial(events.watch_file, fd, ready)
        self._forget: Callable[[Any], object] = events.remove_watch_file
        self._handle: Any = None

    @property
    def is_on(self) -> bool:
        return self._handle is not None

    def on(self) -> None:
        if self._handle is None:
            self._handle = self._watch()

    def off(self) -> None:
        if self._handle is not None:
            self._forget(self._handle)
            self._handle = None

    def close(self) -> None:
        """`off` was all."""


def _exit() -> None:
    raise urwid.ExitMainLoop
