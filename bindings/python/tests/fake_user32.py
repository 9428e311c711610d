"""A stand-in for user32, for tests of `asyncguest.hosts.win32` where there is no Windows.

Owns: one thread's message queue. The host thread, except `PostMessageW` and `input`.

It hands messages out in the order that Microsoft documents: posted ones, WM_QUIT, input, timers.
"""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic

WM_DESTROY, WM_INPUT, WM_TIMER = 0x0002, 0x00FF, 0x0113


class FakeUser32:
    def __init__(self, room=10_000):
        self.room = room
        self.posted, self.inputs = deque(), deque()
        self.status = None
        self.timers = {}
        self.procedures, self.windows = {}, {}
        self.refused = 0
        self.changed = threading.Condition()

    def RegisterClassExW(self, kind):
        kind = kind._obj
        assert kind.class_name not in self.procedures
        self.procedures[kind.class_name] = kind.procedure
        return 1

    def CreateWindowExW(self, style, name, title, *rest):
        assert rest[5] == -3, "a message-only window"
        window = 100 + len(self.windows)
        self.windows[window] = self.procedures[name]
        return window

    def IsGUIThread(self, convert):
        assert not convert
        return int(bool(self.windows))

    def DestroyWindow(self, window):
        self.windows[window](window, WM_DESTROY, 0, 0)
        del self.windows[window]
        self.timers = {key: due for key, due in self.timers.items() if key[0] != window}
        return 1

    def DefWindowProcW(self, window, message, wparam, lparam):
        return 0

    def PostMessageW(self, window, message, wparam, lparam):
        with self.changed:
            if len(self.posted) >= self.room:
                self.refused += 1
                return 0
            self.posted.append((window, message, wparam))
            self.changed.notify()
            return 1

    def input(self, function):
        """The user does something: `function()` is its handler."""
        with self.changed:
            self.inputs.append(function)
            self.changed.notify()

    def PostQuitMessage(self, status):
        self.status = status

    def SetTimer(self, window, number, milliseconds, function):
        self.timers[window, number] = monotonic() + milliseconds / 1000
        return number

    def KillTimer(self, window, number):
        return int(self.timers.pop((window, number), None) is not None)

    def GetMessageW(self, message, window, lowest, highest):
        message = message._obj
        with self.changed:
            while True:
                if self.posted:
                    message.hWnd, message.message, message.wParam = self.posted.popleft()
                    return 1
                if self.status is not None:
                    message.wParam, self.status = self.status, None
                    return 0
                if self.inputs:
                    message.hWnd, message.message = None, WM_INPUT
                    return 1
                (window, number), due = min(self.timers.items(), key=lambda item: item[1], default=((0, 0), None))
                if due is not None and due <= monotonic():
                    message.hWnd, message.message, message.wParam = window, WM_TIMER, number
                    self.timers[window, number] = due + 0.01
                    return 1
                self.changed.wait(None if due is None else max(0, due - monotonic()))

    def TranslateMessage(self, message):
        return 0

    def DispatchMessageW(self, message):
        message = message._obj
        if message.message == WM_INPUT:
            self.inputs.popleft()()
            return 0
        procedure = self.windows.get(message.hWnd)
        return 0 if procedure is None else procedure(message.hWnd, message.message, message.wParam, 0)
