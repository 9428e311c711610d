"""imgui-bundle on stage: a window of GLFW, in software OpenGL."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from time import monotonic

import stages
from extra_imgui import EXTRA


class Imgui(stages.Stage):
    """Text and a progress bar; the runner idles between events, so the stage asks for each frame."""

    name = "imgui"
    drives = ("thread",)
    variant = True
    idles = False
    forks = False
    again = False
    imports = ("imgui_bundle", "asyncguest.hosts.imgui")
    extra = EXTRA

    def __init__(self, drive: str) -> None:
        from asyncguest.hosts.imgui import ImguiHost
        from imgui_bundle import hello_imgui, imgui

        super().__init__(drive)
        self.imgui, self.runner = imgui, hello_imgui
        self.fps_idle = 60.0
        self.host = ImguiHost(drive)
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self.frame()

    def version(self) -> str:
        from importlib.metadata import version

        return f"imgui-bundle {version('imgui-bundle')}"

    def gui(self) -> None:
        if self.host is not None:
            self.host.step()
        for _ in range(len(self._due)):
            if self._due and self._due[0][0] <= monotonic():
                heapq.heappop(self._due)[2]()
        if self.moving:
            self.frame()
        self.imgui.text(self.text)
        self.imgui.progress_bar(self.at)

    def run(self, first: object = None) -> None:
        self.prepare()
        self.host.run(self.runner.run, self.params)

    def prepare(self) -> None:
        """The runner's parameters are for one run."""
        self.params = self.runner.RunnerParams()
        self.params.callbacks.show_gui = self.gui
        self.params.app_window_params.window_title = self.name
        self.params.app_window_params.window_geometry.size = (300, 120)
        self.params.fps_idling.fps_idle = self.fps_idle
        self.params.ini_disable = True

    def quit(self) -> None:
        self.params.app_shall_exit = True

    def close_window(self) -> None:
        import glfw
        from imgui_bundle.glfw_utils import glfw_window_hello_imgui

        glfw.set_window_should_close(glfw_window_hello_imgui(), True)

    def click(self, function: Callable[[], object]) -> None:
        self.later(0, function)

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        heapq.heappush(self._due, (monotonic() + seconds, next(self._numbers), function))
