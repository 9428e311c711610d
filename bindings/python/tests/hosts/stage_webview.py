"""pywebview on stage: a window of WebKit (GTK back end) or Chromium (Qt back end), which draws a page.

The adapters below it, GLib's and Qt's, play everything on stages of their own; a browser takes seconds to start.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import threading
import warnings
from collections.abc import Callable
from typing import Any

import asyncguest
import stages

PAGE = """<body style="margin: 0; font: 16px sans-serif"><p id="text">pywebview</p>
<div id="bar" style="position: absolute; width: 40px; height: 40px; background: navy"></div>
<script>(function step(now) {
    bar.style.left = (now / 5 % 260) + "px"
    requestAnimationFrame(step)
})(0)</script></body>"""


async def loaded(stage: Any) -> None:
    """Waits for pywebview's event, whose handlers run on threads of its own."""
    event, loop = asyncio.Event(), asyncio.get_running_loop()
    stage.window.events.loaded += lambda: loop.call_soon_threadsafe(event.set)
    await event.wait()


def the_page_answers_a_thread_of_the_guest(stage: Any) -> None:
    """What waits for the GUI thread, which is the guest's, is called by `to_thread`."""

    async def main() -> list[str]:
        assert threading.current_thread() is threading.main_thread()
        answers = []
        for number in range(5):
            script = f"text.innerText = 'step {number}'; text.innerText"
            answers.append(await asyncio.to_thread(stage.window.evaluate_js, script))
        return answers

    assert stage.play(main) == [f"step {number}" for number in range(5)]


def start_finds_the_window(stage: Any) -> None:
    """`asyncguest.start`, and `webview.start` called by the program itself. On another thread there is no host."""
    from asyncguest.hosts.webview import WebviewHost

    ended = []

    async def main() -> None:
        await loaded(stage)

    refusals: list[Exception] = []

    def refused() -> None:
        try:
            WebviewHost()
        except asyncguest.GuestError as error:
            refusals.append(error)

    thread = threading.Thread(target=refused)
    thread.start()
    thread.join()
    assert "main thread" in str(refusals[0])

    guest = asyncguest.start(main, done_callback=lambda task: (ended.append(task), stage.quit()))
    assert type(guest.host) is WebviewHost
    stage.webview.start()
    assert ended == [guest.task] and guest.task.exception() is None


class Gtk(stages.Stage):
    """Its frames are GLib's timers; what moves in the window is moved by the page."""

    name = "pywebview-gtk"
    python = "system"
    gui = "gtk"
    #: What the back end wants beside pywebview: modules, and how they are called where they are not there.
    needs: tuple[str, ...] = ("gi",)
    wants = "PyGObject"
    again = False
    variant = True
    imports = ("webview",)
    only = (
        "starts_before_the_loop",
        "the_window_is_closed_in_mid_run",
        "guest_code_closes_the_window",
        "sys_exit_in_the_main_task",
        "an_exception_in_done_callback_is_reported_and_the_host_lives_on",
        "a_picture_shows_the_window_in_mid_run",
        "fork_in_a_task_whose_child_leaves_by_sys_exit",
        "fork_in_a_task_whose_child_raises",
    )
    extra = {
        function.__name__: function for function in (the_page_answers_a_thread_of_the_guest, start_finds_the_window)
    }

    def __init__(self, drive: str) -> None:
        super().__init__(drive)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)  # Debian's PyGObject comes from a time before Python 3.11
            for module in ("webview", *self.needs):
                try:
                    importlib.import_module(module)
                except ImportError as error:
                    raise ImportError(f"{error}; it needs pywebview and {self.wants}") from error
            import webview
            from asyncguest.hosts.webview import WebviewHost

            os.environ["PYWEBVIEW_GUI"] = self.gui
            self.webview = webview
            self.make_window()
            self.host = WebviewHost(drive=drive)
        self.later(1 / 60, self.paint)

    def make_window(self) -> None:
        self.window = self.webview.create_window(self.name, html=PAGE, width=300, height=160, x=0, y=0)

    def version(self) -> str:
        from importlib.metadata import version

        return f"pywebview {version('pywebview')}, {self.webview.renderer or self.gui}"

    def paint(self) -> None:
        if self.frame():
            self.later(1 / 60, self.paint)

    def run(self, first: object = None) -> None:
        if not self.webview.windows:
            self.make_window()  # for a second time
        self.host.start()

    def play(self, async_fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        async def when_loaded() -> Any:
            await loaded(self)
            return await async_fn(*args)

        return super().play(when_loaded, **options)

    def quit(self) -> None:
        threading.Thread(target=self.quit_when_loaded, daemon=True).start()

    def quit_when_loaded(self) -> None:
        # A window that goes while pywebview prepares its page leaves a thread of pywebview's, which is no daemon.
        self.window.events.loaded.wait(5)
        self.host.quit()

    def close_window(self) -> None:
        self.window.native.close()

    def destroy(self) -> None:
        if self.window in self.webview.windows:
            self.webview.windows.remove(self.window)  # it was never shown

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        from gi.repository import GLib

        GLib.timeout_add(round(seconds * 1000), lambda: function() and False)


class Qt(Gtk):
    """The same with Qt's browser, where it is installed: the wheel has 116 MB."""

    name = "pywebview-qt"
    python = "newest"
    gui = "qt"
    needs = ("qtpy", "PyQt6.QtWebEngineWidgets")
    wants = "qtpy and PyQt6-WebEngine, which has 116 MB and is left out here"

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        from PyQt6.QtCore import QTimer

        QTimer.singleShot(round(seconds * 1000), function)
