"""Dear ImGui, by the package imgui-bundle: the loop of its runner, whose wait for events any thread may end.

Owns: whether the runner runs; only then it is woken. Host thread only, except `post`.

The runner takes the window's events, then calls the program's GUI function, in which the guests have their deliveries,
for 5 ms at the most, then draws.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable
from importlib import import_module
from typing import Any

from .._errors import GuestError
from .base import Found, JobHost, watches

__all__ = ["ImguiHost", "find"]

_runner: Any = import_module("imgui_bundle").hello_imgui


class ImguiHost(JobHost):
    """The runner of imgui-bundle, with its GLFW back end.

    `drive`: "thread" or None: a thread of the library waits and posts. `deadline`: seconds that a run has for its
    clean-up when the window is closed.

    Example: docs/hosts/imgui-bundle.md

    The program's GUI function calls `host.step()`. When the runner is about to exit, its guests are shut down, while its
    window is still there. What a `done_callback` raises goes to `sys.excepthook`; SystemExit and KeyboardInterrupt end the
    runner, and come out of `host.run`.
    """

    name = "Dear ImGui"

    def __init__(self, drive: str | None = None, deadline: float = 5.0) -> None:
        super().__init__(deadline)
        watches(drive, False, "imgui-bundle cannot watch fds")
        self._runs = False
        self._lock = threading.RLock()  # else the runner might end GLFW while another thread is in there
        self._post_empty_event = _post_empty_event()
        _made["last"] = self

    def run(self, run: Callable[..., Any], *args: Any, **options: Any) -> None:
        """`run(*args, **options)`, which is `immapp.run`, `hello_imgui.run` or the like.

        Runs that have not ended when it returns, for whatever reason, are shut down.
        """

        def start() -> None:
            try:
                run(*args, **options)
            except RuntimeError as error:
                if "glfwInit" in str(error):
                    error.add_note("There is no display for the runner's window: set DISPLAY, or WAYLAND_DISPLAY")
                raise
            finally:
                self._end()  # what the GUI function raises comes out of there without any end before

        self.run_mainloop(start, self.quit)

    def quit(self, *_: object) -> None:
        """Ends the runner after this frame. It can be the `done_callback`. Host thread."""
        if self._runs:
            _runner.get_runner_params().app_shall_exit = True

    def step(self) -> bool:
        """The deliveries that are due, for about 5 ms in all: the GUI function calls it. Returns whether there is more."""
        if not self._runs:
            if not _runner.is_using_hello_imgui():
                raise GuestError(
                    "step() belongs in the GUI function of a runner: host.run(immapp.run, gui_function=...)"
                )
            me = weakref.ref(self)  # the parameters may live on

            def exits() -> None:
                host = me()
                if host is not None:
                    host._exits()

            _runner.get_runner_params().callbacks.enqueue_before_exit(exits)
            self._runs = True
        more = self.deliver_jobs() or bool(self.jobs)
        if more:
            self.wake()
        return more

    def wake(self) -> None:
        with self._lock:
            if self._runs:
                self._post_empty_event()

    def _exits(self) -> None:
        self._end()
        self.host_ended()

    def _end(self) -> None:
        with self._lock:
            self._runs = False


def _post_empty_event() -> Callable[[], object]:
    """GLFW's, of the library itself: a function of the package glfw raises what some handler has raised just now."""
    try:
        # After imgui_bundle, which has set where its library of GLFW is: it is to be the same one.
        glfw: Any = import_module("glfw")
    except ImportError as error:
        raise GuestError("ImguiHost wakes the runner by the package glfw: pip install glfw") from error
    return ctypes.cast(glfw._glfw.glfwPostEmptyEvent, ctypes.CFUNCTYPE(None))


# The host that was made last.
_made: weakref.WeakValueDictionary[str, ImguiHost] = weakref.WeakValueDictionary()


def find() -> Found | None:
    """The runner, if it runs or a host for it is made. On the main thread, to which its window belongs."""
    if threading.current_thread() is not threading.main_thread():
        return None
    running = bool(_runner.is_using_hello_imgui())
    host = _made.get("last")
    if host is not None:  # the program gives deliveries by the host that it has made
        return Found("Dear ImGui (imgui-bundle)", running, lambda: host)
    return Found("Dear ImGui (imgui-bundle)", running, ImguiHost) if running else None  # it is to do so by `guest.host`
