"""GLFW on stage: a window that OpenGL paints, and a loop that waits for events."""

from __future__ import annotations

import ctypes
import heapq
import itertools
from collections.abc import Callable
from time import monotonic
from typing import Any

import stages
from extra_glfw import EXTRA

GL_SCISSOR_TEST, GL_COLOR_BUFFER_BIT = 0x0C11, 0x4000


class Glfw(stages.Stage):
    """The frames are painted by the loop itself, which waits no longer than until the next one."""

    name = "glfw"
    drives = ("thread",)
    imports = ("glfw", "asyncguest.hosts.glfw")
    extra = EXTRA

    def __init__(self, drive: str) -> None:
        import glfw
        from asyncguest.hosts.glfw import GlfwHost

        super().__init__(drive)
        self.glfw = glfw
        if not glfw.init():
            raise RuntimeError("GLFW does not start here")
        self.window = glfw.create_window(300, 120, self.text, None, None)
        if not self.window:
            raise RuntimeError("GLFW finds no OpenGL here: install libgl1-mesa-dri")
        glfw.make_context_current(self.window)
        glfw.swap_interval(0)
        self.gl = {
            name: ctypes.CFUNCTYPE(None, *kinds)(glfw.get_proc_address(name))
            for name, kinds in {
                "glEnable": [ctypes.c_uint],
                "glClear": [ctypes.c_uint],
                "glClearColor": [ctypes.c_float] * 4,
                "glScissor": [ctypes.c_int] * 4,
            }.items()
        }
        self.gl["glEnable"](GL_SCISSOR_TEST)
        self.host = GlfwHost(drive)
        self.next_frame = monotonic()
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self.paint()

    def version(self) -> str:
        glfw = self.glfw
        return f"glfw {glfw.__version__} / GLFW {'.'.join(map(str, glfw.get_version()))}"

    def run(self, first: object = None) -> None:
        self.glfw.set_window_should_close(self.window, False)
        self.next_frame = monotonic()
        self.host.run(self.window, self.step)

    def step(self) -> float | None:
        """What the program does after events and deliveries; returns in how many seconds it wants to be called."""
        if monotonic() >= self.next_frame:
            self.next_frame = max(self.next_frame + 1 / 60, monotonic()) if self.paint() else float("inf")
        for _ in range(len(self._due)):
            if self._due and self._due[0][0] <= monotonic():
                heapq.heappop(self._due)[2]()
        wanted = min(self.next_frame, self._due[0][0] if self._due else float("inf"))
        return None if wanted == float("inf") else max(0.0, wanted - monotonic())

    def paint(self) -> bool:
        goes_on = self.frame()
        steps = int("".join(filter(str.isdigit, self.text)) or 0) % 250
        self.rectangle(0, 0, 300, 120, 1, 1, 1)
        self.rectangle(int(260 * self.at), 20, 40, 40, 0, 0, 0.5)
        self.rectangle(0, 90, steps, 10, 0.8, 0.2, 0.1)
        self.glfw.swap_buffers(self.window)
        return goes_on

    def rectangle(self, x: int, y: int, width: int, height: int, *colour: float) -> None:
        self.gl["glScissor"](x, y, width, height)
        self.gl["glClearColor"](*colour, 1.0)
        self.gl["glClear"](GL_COLOR_BUFFER_BIT)

    def quit(self) -> None:
        self.glfw.set_window_should_close(self.window, True)

    def close_window(self) -> None:
        # What GLFW's own handler of WM_DELETE_WINDOW does.
        self.glfw.set_window_should_close(self.window, True)

    def click(self, function: Callable[[], object]) -> None:
        """The server reports the window's new size, as it does when a user pulls at its edge. The function itself is
        called by the loop: what GLFW's handlers raise goes through C."""

        def resized(window: Any, width: int, height: int) -> None:
            self.glfw.set_window_size_callback(window, None)
            self.later(0, function)

        width, height = self.glfw.get_window_size(self.window)
        self.glfw.set_window_size_callback(self.window, resized)
        self.glfw.set_window_size(self.window, width, height + 1)

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        heapq.heappush(self._due, (monotonic() + seconds, next(self._numbers), function))

    def destroy(self) -> None:
        self.gl.clear()
        self.glfw.terminate()
