"""Windows: any message loop, by a window of its own that is never seen; and the same as what wakes another toolkit there.

Owns: a message-only window while guests live here, and the class of such windows. The thread of the message loop only,
except `post` and `notify`. Written by Microsoft's documentation, tested against a stand-in for user32 and under wine.

Whoever takes messages from this thread's queue gives deliveries: the program's loop, a modal dialog's, a menu's, that
of a window being moved. Windows hands out posted messages before input, input before WM_PAINT, and WM_TIMER last of
all. So the deliveries of a busy guest are posted three in a row at the most, and the next one then waits for a timer,
which comes when input and painting are done.
"""

from __future__ import annotations

import ctypes
import sys
import weakref
from collections.abc import Callable
from ctypes import wintypes
from functools import cache
from typing import Any

from .base import Found, JobHost, PostedNotifier, exit_status, watches

__all__ = ["MessageNotifier", "Win32Host", "find"]

WM_DESTROY, WM_TIMER, WM_JOBS = 0x0002, 0x0113, 0x8000  # the last is WM_APP
HWND_MESSAGE = -3
_YIELD_TIMER, _YIELD_MS = 1, 10

# Deliveries of a busy guest after which input, painting and timers have theirs.
_LONGEST_STREAK = 3

_any: Any = ctypes
_WNDPROC = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)(
    ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_uint, ctypes.c_size_t, ctypes.c_ssize_t
)


class _Class(ctypes.Structure):
    """WNDCLASSEXW."""

    _fields_ = [
        ("size", ctypes.c_uint),
        ("style", ctypes.c_uint),
        ("procedure", _WNDPROC),
        ("class_extra", ctypes.c_int),
        ("window_extra", ctypes.c_int),
        ("instance", ctypes.c_void_p),
        ("icon", ctypes.c_void_p),
        ("cursor", ctypes.c_void_p),
        ("background", ctypes.c_void_p),
        ("menu_name", ctypes.c_wchar_p),
        ("class_name", ctypes.c_wchar_p),
        ("small_icon", ctypes.c_void_p),
    ]


class Win32Host(JobHost):
    """The message loop of a Windows program, on the thread that starts the guest.

    `drive`: "thread" or None: a thread of the library waits and posts a message. `deadline`: seconds that a run has for
    its clean-up when `run` returns.

    Example: docs/hosts/win32.md

    `run` shuts down the runs that have not ended when it returns, and raises what came out of a delivery: SystemExit or
    KeyboardInterrupt, which cannot pass through Windows. A loop of the program's own gets WM_QUIT then, with the exit
    status, and calls `guest.shutdown()` when it ends. What a `done_callback` raises goes to `sys.excepthook`.
    """

    name = "Win32"
    #: A thread's queue holds 10 000 messages, and drops what does not fit.
    repost_after = 0.05

    def __init__(self, drive: str | None = None, deadline: float = 5.0) -> None:
        super().__init__(deadline)
        watches(drive, False, "a message loop cannot watch fds")
        self._user32 = _load()
        self._window: int | None = None
        self._streak = 0
        self._is_yielding = False

    def run(self) -> int:
        """The message loop, until WM_QUIT; returns its exit status."""
        status: int = self.run_mainloop(self._get_messages, self.quit)
        return status

    def _get_messages(self) -> int:
        user32, message = self._user32, wintypes.MSG()
        while (found := user32.GetMessageW(ctypes.byref(message), None, 0, 0)) > 0:
            user32.TranslateMessage(ctypes.byref(message))
            user32.DispatchMessageW(ctypes.byref(message))
        if found < 0:
            raise _error("the message loop has failed")
        return int(message.wParam)

    def quit(self, status: int = 0) -> None:
        """Ends the message loop of this thread, as `PostQuitMessage`."""
        self._user32.PostQuitMessage(status)

    def wake(self) -> None:
        window = self._window
        if window is not None and not self._is_yielding:
            # If the queue is full it has messages, and the library asks again.
            self._user32.PostMessageW(window, WM_JOBS, 0, 0)

    def _serve(self, message: int) -> None:
        """Windows has dispatched a message of ours."""
        if message == WM_TIMER:
            self._user32.KillTimer(self._window, _YIELD_TIMER)
            self._is_yielding = False
            self._streak = 0
        elif self._is_yielding:
            return  # posted just before that began: the timer comes
        self._streak = self._streak + 1 if self.deliver_jobs() else 0
        if self._window is None:
            return  # that was the last guest
        if self._streak >= _LONGEST_STREAK:
            self._is_yielding = bool(self._user32.SetTimer(self._window, _YIELD_TIMER, _YIELD_MS, None))
        if self.jobs:
            self.wake()

    def leave(self, error: BaseException) -> None:
        self.quit(exit_status(error))

    def hook(self) -> None:
        self._window = _make_window(self._user32, self)
        self._is_yielding = False

    def unhook(self) -> None:
        super().unhook()
        window, self._window = self._window, None
        _destroy_window(self._user32, window)

    def _destroyed(self) -> None:
        """Somebody else has destroyed the window, as Windows does when the thread ends."""
        self._window = None
        self.host_ended()


class MessageNotifier(PostedNotifier):
    """For a toolkit on Windows that handles what is posted in its own loop alone: it comes in those loops, too, that Windows
    runs by itself, for a menu, a message box, a window that is moved."""

    def __init__(self, arrived: Callable[[], object]) -> None:
        super().__init__(arrived)
        self._user32 = _load()
        self._window: int | None = _make_window(self._user32, self)

    def send(self) -> None:
        # A queue that is full takes nothing: the library hears of it, and asks again.
        if self._window is not None and not self._user32.PostMessageW(self._window, WM_JOBS, 0, 0):
            raise _error("the message queue takes nothing more")

    def close(self) -> None:
        super().close()
        window, self._window = self._window, None
        _destroy_window(self._user32, window)

    def _serve(self, message: int) -> None:
        self.came()

    def _destroyed(self) -> None:
        self._window = None


def _make_window(user32: Any, owner: Win32Host | MessageNotifier) -> int:
    """A window on this thread, whose messages are the owner's."""
    window: int = user32.CreateWindowExW(
        0, _class_of(user32), "asyncguest", 0, 0, 0, 0, 0, HWND_MESSAGE, None, None, None
    )
    if not window:
        raise _error("Windows gives no message window")
    _owners[window] = owner
    return window


def _destroy_window(user32: Any, window: int | None) -> None:
    """Unless somebody else has."""
    if window is not None and _owners.pop(window, None) is not None:
        user32.DestroyWindow(window)


# Windows keeps the window procedure for good, and calls it for all windows of the class.
_owners: weakref.WeakValueDictionary[int, Win32Host | MessageNotifier] = weakref.WeakValueDictionary()
_classes: dict[Any, tuple[Any, str]] = {}


def _class_of(user32: Any) -> str:
    """The name of the window class, which is registered once per process."""
    if user32 not in _classes:

        def procedure(window: int, message: int, wparam: int, lparam: int) -> int:
            owner = _owners.get(window)
            if owner is not None and message == WM_DESTROY:
                del _owners[window]
                owner._destroyed()
            elif owner is not None and (message == WM_JOBS or (message == WM_TIMER and wparam == _YIELD_TIMER)):
                owner._serve(message)
                return 0
            return int(user32.DefWindowProcW(window, message, wparam, lparam))

        name = f"asyncguest {id(_classes):x}"  # another copy of this module in the process has its own
        thunk = _WNDPROC(procedure)
        kind = _Class(size=ctypes.sizeof(_Class), procedure=thunk, class_name=name)
        if not user32.RegisterClassExW(ctypes.byref(kind)):
            raise _error("Windows takes no window class")
        _classes[user32] = thunk, name
    return _classes[user32][1]


def _error(what: str) -> OSError:
    error = getattr(_any, "get_last_error", int)()
    return OSError(f"{what}: error {error}, {getattr(_any, 'FormatError', str)(error)}")


@cache  # a second one would register the class of windows again
def _load() -> Any:
    """user32, with the types of the functions that are used."""
    if not hasattr(ctypes, "WinDLL"):
        raise OSError(f"Win32Host is for Windows, and this is {sys.platform}: use the host of your toolkit")
    user32 = _any.WinDLL("user32", use_last_error=True)
    pointer, handle, number = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int
    word, long = ctypes.c_size_t, ctypes.c_ssize_t
    for name, result, arguments in (
        ("RegisterClassExW", ctypes.c_ushort, [pointer]),
        (
            "CreateWindowExW",
            handle,
            [ctypes.c_uint, ctypes.c_wchar_p, ctypes.c_wchar_p, ctypes.c_uint, *[number] * 4, *[handle] * 4],
        ),
        ("DestroyWindow", number, [handle]),
        ("DefWindowProcW", long, [handle, ctypes.c_uint, word, long]),
        ("PostMessageW", number, [handle, ctypes.c_uint, word, long]),
        ("PostQuitMessage", None, [number]),
        ("GetMessageW", number, [pointer, handle, ctypes.c_uint, ctypes.c_uint]),
        ("TranslateMessage", number, [pointer]),
        ("DispatchMessageW", long, [pointer]),
        ("SetTimer", word, [handle, word, ctypes.c_uint, pointer]),
        ("KillTimer", number, [handle, word]),
        ("IsGUIThread", number, [number]),
    ):
        function = getattr(user32, name)
        function.restype, function.argtypes = result, arguments
    return user32


def find() -> Found | None:
    """This thread has windows or messages of its own; whether it is in its loop, Windows does not tell."""
    return Found("Win32", False, Win32Host) if _load().IsGUIThread(False) else None
