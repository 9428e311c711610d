"""GLFW by way of the package glfw: its loop is the program's own, around `glfw.wait_events()`.

Owns: whether GLFW waits right now; only then it is woken. Host thread only, except `post`.

GLFW watches no fds, but any thread may end its wait. Events come first: GLFW calls the program's handlers for all that
there are, then the guests have their deliveries for 5 ms at the most, then the program paints.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable
from importlib import import_module
from typing import Any

from .base import Found, JobHost, watches

__all__ = ["GlfwHost", "find"]

glfw: Any = import_module("glfw")


class GlfwHost(JobHost):
    """The main loop of a GLFW program.

    `drive`: "thread" or None: a thread of the library waits and posts. `deadline`: seconds that a run has for its
    clean-up when `run` returns.

    Example: docs/hosts/glfw.md

    A program with a loop of its own calls `host.wait_events()` or `host.poll_events()` where it called GLFW's, and
    `guest.shutdown()` before `glfw.terminate()`; `run` does that. What a `done_callback` raises goes to
    `sys.excepthook`; SystemExit and KeyboardInterrupt come out of the call that gave the delivery. On Windows and macOS
    GLFW does not return while the user moves or resizes the window: the guests stand still then, unless a handler for
    the window's size or refresh calls `host.step()`.
    """

    name = "GLFW"

    def __init__(self, drive: str | None = None, deadline: float = 5.0) -> None:
        super().__init__(deadline)
        watches(drive, False, "GLFW cannot watch fds")
        self._is_waiting = False
        self._lock = threading.RLock()  # else the program might call glfw.terminate() while another thread is in there
        # Not glfw.post_empty_event: each function of that package raises what a handler of the program has raised on
        # the host thread just now, and this one is called on another.
        self._post_empty_event = ctypes.cast(glfw._glfw.glfwPostEmptyEvent, ctypes.CFUNCTYPE(None))
        _made["last"] = self

    def run(self, window: Any, frame: Callable[[], float | None] | None = None) -> None:
        """Runs until `window` is to be closed, then shuts down the runs that have not ended.

        `frame()` paints, and returns after how many seconds it is to be called again: 0 for at once, None for when
        something has happened. It is called after events and deliveries in any case.
        """

        def start() -> None:
            while not glfw.window_should_close(window):
                timeout = None if frame is None else frame()
                if not glfw.window_should_close(window):  # else nothing may ever happen any more
                    self.wait_events(timeout)

        self.run_mainloop(start)

    def wait_events(self, timeout: float | None = None) -> None:
        """`glfw.wait_events()`, or for `timeout` seconds at the most; then the deliveries that are due."""
        before = self._is_waiting
        self._is_waiting = True  # before the look at the jobs: one that this misses ends the wait
        try:
            if self.jobs or timeout == 0:
                glfw.poll_events()
            elif timeout is None:
                glfw.wait_events()
            else:
                glfw.wait_events_timeout(timeout)
        finally:
            with self._lock:
                self._is_waiting = before
        self.step()

    def poll_events(self) -> None:
        """`glfw.poll_events()`, then the deliveries that are due. For once per frame."""
        self.wait_events(0)

    def step(self) -> bool:
        """The deliveries that are due, for about 5 ms in all. Returns whether there is more to do."""
        return self.deliver_jobs() or bool(self.jobs)

    def wake(self) -> None:
        with self._lock:
            if self._is_waiting:
                self._post_empty_event()


# The host that was made last.
_made: weakref.WeakValueDictionary[str, GlfwHost] = weakref.WeakValueDictionary()


def find() -> Found | None:
    """GLFW, if it is initialised and this is the main thread, to which its events belong."""
    if threading.current_thread() is not threading.main_thread():
        return None
    errors: list[int] = []
    before = glfw.set_error_callback(lambda code, text: errors.append(code))
    try:
        glfw.get_time()
    finally:
        glfw.set_error_callback(before)
    if errors:
        return None
    host = _made.get("last")
    # The program gives deliveries by the host that it has made, or is to give them by `guest.host`.
    return Found("GLFW", False, GlfwHost if host is None else lambda: host)
