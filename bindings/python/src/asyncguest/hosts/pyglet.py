"""pyglet: its event loop, which on Linux waits with select() and else is woken by what is posted.

Owns: its guests' places among the devices that pyglet selects. Host thread only, except `post`.

In each iteration pyglet runs what its clock has due, the redraw of the windows too, and then the devices that have
something to say, of which the display is one. A guest has one delivery in an iteration, in either drive, so input and
paint come between any two.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from importlib import import_module
from typing import Any

from .base import Found, JobHost, watches

__all__ = ["PygletHost", "find"]

pyglet: Any = import_module("pyglet")

# pyglet waits with select(), which knows no higher fds.
_FD_SETSIZE = 1024


class PygletHost(JobHost):
    """The event loop of pyglet, which may run already or start later.

    `drive`: "fd" has pyglet select the guest's fd beside its display's, on X11; "thread" has a thread of the library
    wait and post; None takes the better one. `deadline`: seconds that a run has for its clean-up when the loop ends.

    Example: docs/hosts/pyglet.md

    When the loop ends, by `pyglet.app.exit()` or because the last window was closed, its guests are shut down, in its
    event `on_exit`. pyglet does not tell of an end by an exception: `host.run()` shuts them down then too, or else the
    interpreter when it exits. What a `done_callback` raises goes to `sys.excepthook`; SystemExit and KeyboardInterrupt
    come out of `pyglet.app.run()`.
    """

    name = "pyglet"

    def __init__(self, drive: str | None = None, deadline: float = 5.0) -> None:
        super().__init__(deadline)
        self._platform_loop: Any = pyglet.app.platform_event_loop
        can_watch = hasattr(self._platform_loop, "select_devices")
        self.watches_fds = watches(drive, can_watch, "pyglet watches fds on X11 alone")
        self._me = weakref.proxy(self)  # pyglet keeps what is posted until its loop runs
        self._devices: dict[int, _Device] = {}
        self._loop: Any = None
        self._is_yielding = False

    def run(self, interval: float | None = 1 / 60) -> None:
        """`pyglet.app.run(interval)`. Runs that have not ended when it returns, for whatever reason, are shut down."""
        self.run_mainloop(lambda: pyglet.app.run(interval))

    def watch(self, fd: int, ready: Callable[[], bool]) -> None:
        if fd >= _FD_SETSIZE:
            raise OSError(
                f"pyglet cannot watch fd {fd}, only those below {_FD_SETSIZE}: start the guest before the program "
                'opens so many files, or give it PygletHost(drive="thread")'
            )
        device = self._devices[fd] = _Device(fd, lambda: self.deliver(ready))
        self._platform_loop.select_devices.add(device)

    def unwatch(self, fd: int) -> None:
        device = self._devices.pop(fd)
        device.ready = None  # pyglet may have it in its hand
        self._platform_loop.select_devices.discard(device)

    def wake(self) -> None:
        self._platform_loop.post_event(self._me, "on_jobs")

    def dispatch_event(self, event: str) -> None:
        """pyglet calls it for what `wake` posts.

        It would call it again and again while more is posted: a guest that has had its delivery waits for the next
        iteration, which begins with the clock.
        """
        if self._loop is not None and not self._is_yielding and self.jobs:
            self._is_yielding = True
            self._loop.clock.schedule_once(self._has_yielded, 0)
            self.deliver_jobs()

    def _has_yielded(self, dt: float) -> None:
        self._is_yielding = False
        if self.jobs:
            self.wake()

    def hook(self) -> None:
        self._loop = pyglet.app.event_loop
        self._loop.push_handlers(on_exit=self.host_ended)

    def unhook(self) -> None:
        super().unhook()
        self._loop.remove_handlers(on_exit=self.host_ended)
        self._loop.clock.unschedule(self._has_yielded)
        self._is_yielding = False
        self._loop = None


class _Device:
    """What pyglet wants of a thing that it selects."""

    def __init__(self, fd: int, ready: Callable[[], object]) -> None:
        self._fd = fd
        self.ready: Callable[[], object] | None = ready

    def fileno(self) -> int:
        return self._fd

    def poll(self) -> bool:
        """Nothing is known without a select, which also looks at the display."""
        return False

    def select(self) -> None:
        """The fd is readable, or was when pyglet looked."""
        if self.ready is not None:
            self.ready()


def find() -> Found | None:
    """pyglet's event loop, if it runs or a window is open. On the main thread: pyglet does not tell of another one."""
    app: Any = getattr(pyglet, "app", None)
    if app is None or threading.current_thread() is not threading.main_thread():
        return None
    if not (app.event_loop.is_running or len(app.windows)):
        return None
    return Found("pyglet", app.event_loop.is_running, PygletHost)
