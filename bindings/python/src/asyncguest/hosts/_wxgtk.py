"""GLib under wxGTK: what wx does not offer to Python, by ctypes from the very GLib that wx is linked with.

Owns: the sources. The thread of wx, except `GtkNotifier.notify`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from importlib import import_module
from itertools import count
from typing import Any

from .base import PostedNotifier

wx: Any = import_module("wx")  # it has no types

# Milliseconds: a timeout that does not come, so that the source waits for its fd. If it does, a delivery does no harm.
_NEVER = 24 * 60 * 60 * 1000
_IO_IN = 1

_Function = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_numbers = count(1)
# What the sources call, by their numbers. One C function, which is never freed, serves them all: a source may be closed
# inside of its own call.
_calls: dict[int, Callable[[], bool]] = {}


def _call(number: int) -> bool:
    """Returns whether the source stays."""
    call = _calls.get(number)
    return call is not None and call()


_dispatch = _Function(_call)


@cache
def glib() -> Any:
    """GLib's functions; None where wx does not stand on GTK."""
    if "__WXGTK__" not in wx.PlatformInfo:
        return None
    pointer, number = ctypes.c_void_p, ctypes.c_uint
    # Symbols are looked up in what this module is linked with: another GLib in the process is not found.
    lib: Any = ctypes.PyDLL(wx._core.__file__)
    try:
        for name, result, *arguments in (
            ("g_timeout_source_new", pointer, number),
            ("g_idle_add_full", number, ctypes.c_int, _Function, pointer, pointer),
            ("g_source_set_callback", None, pointer, _Function, pointer, pointer),
            ("g_source_set_can_recurse", None, pointer, ctypes.c_int),
            ("g_source_add_unix_fd", pointer, pointer, ctypes.c_int, number),
            ("g_source_modify_unix_fd", None, pointer, pointer, number),
            ("g_source_attach", number, pointer, pointer),
            ("g_source_destroy", None, pointer),
            ("g_source_unref", None, pointer),
        ):
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
    except AttributeError:
        return None  # a wx that brings its GLib along in another way
    return lib


class FdSource:
    """Calls `ready()` whenever `fd` is readable, while it is on; also in a loop inside of that call."""

    def __init__(self, fd: int, ready: Callable[[], object]) -> None:
        lib = self._lib = glib()
        self._number = next(_numbers)

        def call() -> bool:
            ready()
            return True

        _calls[self._number] = call
        self._source = lib.g_timeout_source_new(_NEVER)
        lib.g_source_set_callback(self._source, _dispatch, self._number, None)
        lib.g_source_set_can_recurse(self._source, True)
        self._tag = lib.g_source_add_unix_fd(self._source, fd, 0)
        lib.g_source_attach(self._source, None)
        self.is_on = False

    def on(self) -> None:
        self.is_on = True
        self._lib.g_source_modify_unix_fd(self._source, self._tag, _IO_IN)

    def off(self) -> None:
        self.is_on = False
        self._lib.g_source_modify_unix_fd(self._source, self._tag, 0)

    def close(self) -> None:
        """The fd is forgotten at once."""
        del _calls[self._number]
        self._lib.g_source_destroy(self._source)
        self._lib.g_source_unref(self._source)


class GtkNotifier(PostedNotifier):
    """Beside GTK's own events: wx looks at those that are posted to it only when GTK has nothing else to do."""

    def __init__(self, arrived: Callable[[], object]) -> None:
        super().__init__(arrived)
        self._number = next(_numbers)

        def call() -> bool:
            self.came()
            return False

        _calls[self._number] = call

    def send(self) -> None:
        glib().g_idle_add_full(0, _dispatch, self._number, None)

    def close(self) -> None:
        super().close()
        del _calls[self._number]
