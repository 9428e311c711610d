"""Kivy: its event loop, which draws all the time, and whose clock any thread may have a function called by.

Owns: the trigger of Kivy's clock. Host thread only, except `post`.

In each frame Kivy runs what its clock has due, of which the guests are a part, then takes its input, then draws. So a
guest has one delivery between two frames.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from .._compat import running_loop
from .._running_loop import in_trio
from .base import Found, JobHost, watches

__all__ = ["KivyHost", "find"]

_base: Any = import_module("kivy.base")
_clock: Any = import_module("kivy.clock")


class KivyHost(JobHost):
    """The event loop of Kivy, which may run already or start later.

    `drive`: "thread" or None: a thread of the library waits and posts. `deadline`: seconds that a run has for its
    clean-up when the app stops.

    Example: docs/hosts/kivy.md

    When the app stops, by `app.stop()`, by its window's close button or by an exception, the guests are shut down while
    its widgets are still there. What a `done_callback` raises goes to `sys.excepthook`; SystemExit and
    KeyboardInterrupt come out of `app.run()`.
    """

    name = "Kivy"

    def __init__(self, drive: str | None = None, deadline: float = 5.0) -> None:
        super().__init__(deadline)
        watches(drive, False, "Kivy cannot watch fds")
        # Of a bound method the clock keeps a weak reference: what is posted to no guest does not keep the host.
        self._trigger: Callable[[], object] = _clock.Clock.create_trigger(self._triggered)

    def run(self, app: Any) -> Any:
        """`app.run()`. Returns what it does; runs that have not ended when it returns are shut down."""
        return self.run_mainloop(app.run)

    def wake(self) -> None:
        self._trigger()

    def _triggered(self, seconds: float) -> None:
        self.deliver_jobs()
        if self.jobs:
            self._trigger()

    def hook(self) -> None:
        _base.EventLoop.bind(on_stop=self._stopped)

    def unhook(self) -> None:
        super().unhook()
        _base.EventLoop.unbind(on_stop=self._stopped)

    def _stopped(self, loop: Any) -> None:
        self.host_ended()


def find() -> Found | None:
    """Kivy's event loop, if it runs or its window is made. On the main thread: Kivy does not tell of another one."""
    if threading.current_thread() is not threading.main_thread() or running_loop() is not None or in_trio():
        return None  # an app that is run by `async_run` has its host below it
    loop: Any = _base.EventLoop
    if loop.status == "started":
        return Found("Kivy", True, KivyHost)
    app: Any = sys.modules.get("kivy.app")
    is_made = loop.status == "idle" or (app is not None and app.App.get_running_app() is not None)
    return Found("Kivy", False, KivyHost) if is_made and loop.window is not None else None
