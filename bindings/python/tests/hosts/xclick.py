"""A click by the X server itself, on Windows by the system, for toolkits whose events cannot be made by hand.

Owns: a connection of its own to the server. Any thread.
"""

from __future__ import annotations

import ctypes
import sys

__all__ = ["click"]


def click(x: int, y: int) -> None:
    """Moves the pointer to a place on the screen, and presses and lets go its left button. The server queues it all."""
    if sys.platform == "win32":
        user32 = ctypes.WinDLL("user32")
        user32.SetCursorPos(x, y)
        for flag in (2, 4):  # MOUSEEVENTF_LEFTDOWN, MOUSEEVENTF_LEFTUP
            user32.mouse_event(flag, 0, 0, 0, 0)
        return
    x11, xtst = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXtst.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    display = ctypes.c_void_p(x11.XOpenDisplay(None))
    assert display, "no X server"
    now = ctypes.c_ulong(0)
    xtst.XTestFakeMotionEvent(display, -1, x, y, now)
    for down in (1, 0):
        xtst.XTestFakeButtonEvent(display, 1, down, now)
    x11.XCloseDisplay(display)  # sends them
