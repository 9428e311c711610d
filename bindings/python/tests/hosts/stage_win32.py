"""Windows' own message loop on stage, by ctypes and by pywin32."""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
from collections.abc import Callable
from typing import Any

import stages

WM_DESTROY, WM_CLOSE, WM_TIMER, WM_CLICK = 0x0002, 0x0010, 0x0113, 0x8001
WS_VISIBLE_WINDOW = 0x10CF0000
FRAME = 1


class Win32(stages.Stage):
    """A window with a timer, whose title is what it shows. Its dialogs are message boxes."""

    name = "win32"
    system = "win32"
    drives = ("thread",)
    imports = ("asyncguest.hosts.win32",)

    def __init__(self, drive: str) -> None:
        from asyncguest.hosts.win32 import Win32Host

        super().__init__(drive)
        any_: Any = ctypes
        self.user32 = user32 = any_.WinDLL("user32")
        word, size = ctypes.c_size_t, ctypes.c_ssize_t
        user32.DefWindowProcW.argtypes = [word, ctypes.c_uint, word, size]
        user32.DefWindowProcW.restype = size
        user32.CreateWindowExW.restype = word
        user32.FindWindowW.restype = word
        for name in ("PostMessageW", "DestroyWindow", "SetTimer", "KillTimer", "SetWindowTextW", "MessageBoxW"):
            getattr(user32, name).argtypes = None
        self.procedure = any_.WINFUNCTYPE(size, word, ctypes.c_uint, word, size)(self.handle)
        self.numbers = itertools.count(FRAME + 1)
        self.timers: dict[int, Callable[[], object]] = {}
        self.clicks: list[Callable[[], object]] = []

        class Kind(ctypes.Structure):
            """WNDCLASSW."""

            _fields_ = [
                ("style", ctypes.c_uint),
                ("procedure", ctypes.c_void_p),
                ("extra", ctypes.c_int * 2),
                ("handles", ctypes.c_void_p * 4),
                ("menu", ctypes.c_wchar_p),
                ("name", ctypes.c_wchar_p),
            ]

        self.kind = f"asyncguest stage {os.getpid()} {id(self)}"
        kind = Kind(procedure=ctypes.cast(self.procedure, ctypes.c_void_p).value, name=self.kind)
        assert user32.RegisterClassW(ctypes.byref(kind))
        place = (0, 0, 300, 120)
        self.window = word(
            user32.CreateWindowExW(0, self.kind, self.text, WS_VISIBLE_WINDOW, *place, None, None, None, None)
        )
        assert self.window.value
        user32.SetTimer(self.window, word(FRAME), 16, None)
        self.host = Win32Host(drive)

    def version(self) -> str:
        any_: Any = sys
        return f"Windows {'.'.join(map(str, any_.getwindowsversion()[:3]))}"

    def handle(self, window: int, message: int, word: int, long: int) -> int:
        """The window's procedure. What a handler raises ends the loop, as `Win32Host` has it."""
        if message == WM_TIMER and word == FRAME:
            if not self.frame():
                self.user32.KillTimer(self.window, ctypes.c_size_t(FRAME))
            self.user32.SetWindowTextW(self.window, self.text)
        elif message == WM_TIMER and word in self.timers:
            self.user32.KillTimer(self.window, ctypes.c_size_t(word))
            self.call(self.timers.pop(word))
        elif message == WM_CLICK:
            self.call(self.clicks.pop(0))
        elif message == WM_DESTROY:
            if self.window.value:  # in the loop: else the next loop of this thread would find WM_QUIT
                self.window = ctypes.c_size_t(0)
                self.user32.PostQuitMessage(0)
        else:
            return int(self.user32.DefWindowProcW(window, message, word, long))
        return 0

    def call(self, function: Callable[[], object]) -> None:
        """No exception passes through Windows: a program's own handler ends its loop, and raises after it."""
        try:
            function()
        except SystemExit as error:
            self.left = error
            self.user32.PostQuitMessage(int(str(error.code or 0)))

    left: SystemExit | None = None

    def run(self, first: object = None) -> None:
        self.host.run()
        if self.left is not None:
            raise self.left

    def quit(self) -> None:
        self.user32.PostQuitMessage(0)

    def close_window(self) -> None:
        self.user32.PostMessageW(self.window, WM_CLOSE, ctypes.c_size_t(0), ctypes.c_ssize_t(0))

    def click(self, function: Callable[[], object]) -> None:
        self.clicks.append(function)
        self.user32.PostMessageW(self.window, WM_CLICK, ctypes.c_size_t(0), ctypes.c_ssize_t(0))

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        number = next(self.numbers)
        self.timers[number] = function
        self.user32.SetTimer(self.window, ctypes.c_size_t(number), max(1, round(seconds * 1000)), None)

    def dialog(self, seconds: float) -> None:
        title = f"asyncguest {os.getpid()} {next(self.numbers)}"

        def close() -> None:
            if box := self.user32.FindWindowW(None, title):
                self.user32.PostMessageW(ctypes.c_size_t(box), WM_CLOSE, ctypes.c_size_t(0), ctypes.c_ssize_t(0))
            else:
                self.later(0.01, close)

        self.later(seconds, close)
        self.message_box(title)

    def message_box(self, title: str) -> None:
        self.user32.MessageBoxW(None, "text", title, 0)

    def destroy(self) -> None:
        window, self.window = self.window, ctypes.c_size_t(0)
        if window.value:
            self.user32.DestroyWindow(window)
        self.user32.UnregisterClassW(self.kind, None)


class PyWin32(Win32):
    """The same in a loop of the program's own, `win32gui.PumpMessages()`, with pywin32's message boxes."""

    name = "win32-pywin32"
    variant = True
    imports = ("win32gui", "asyncguest.hosts.win32")
    #: What goes by `Win32Host.run` is left out: this program does not call it.
    only = (
        "a_burst_of_wakes_from_four_threads",
        "a_click_calls_loop_methods_of_an_idle_guest",
        "others_tick_while_a_dialog_stands",
        "dialogs_three_deep",
        "starts_before_the_loop",
        "starts_inside_the_loop",
        "start_finds_the_host_by_itself",
        "timers_and_sockets_go_on_while_the_window_moves",
        "two_guests_share_the_host",
        "the_window_is_closed_in_mid_run",
    )

    def __init__(self, drive: str) -> None:
        import win32gui

        self.win32gui: Any = win32gui
        super().__init__(drive)

    def run(self, first: object = None) -> None:
        self.win32gui.PumpMessages()
        for run in self.runs:
            run.guest.shutdown()

    def quit(self) -> None:
        self.win32gui.PostQuitMessage(0)

    def message_box(self, title: str) -> None:
        self.win32gui.MessageBox(None, "text", title, 0)
