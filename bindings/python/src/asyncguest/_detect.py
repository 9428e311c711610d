"""Which main loop runs on this thread: what `asyncguest.start` asks when it is given no host.

Owns: the one table of toolkits. Any thread. Imports an adapter only when its toolkit is imported already, and starts
nothing: each adapter's `find()` just looks.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from ._compat import running_loop
from ._errors import GuestError
from ._exit import alive_here

if TYPE_CHECKING:
    from ._host import Host
    from .hosts._loophost import Found


class Toolkit(NamedTuple):
    """A row of the table."""

    label: str
    #: Any of these in `sys.modules` shows that the program has imported it. None needed: it is part of the system.
    shown_by: tuple[str, ...]
    #: The module of `asyncguest.hosts`.
    adapter: str
    #: Labels of what it stands on itself: those are then not counted.
    stands_on: tuple[str, ...] = ()
    #: The only `sys.platform` that has it.
    system: str | None = None
    #: Distributions, or modules of Python's own, that it is installed by. None needed: they are called as what is imported.
    parts: tuple[str, ...] = ()


_SYSTEM_LOOPS = ("Win32", "CFRunLoop")

TOOLKITS = (
    # Not "webview": that is also what webview_python is imported by.
    Toolkit("pywebview", ("webview.window",), "webview", ("Qt", "GLib", *_SYSTEM_LOOPS), parts=("pywebview",)),
    Toolkit("IPython", ("IPython",), "ipython", ("Tornado", "asyncio")),
    # Not prompt_toolkit: it calls the hook that the program has given it, of the host that the program has made.
    Toolkit("Tornado", ("tornado.ioloop",), "tornado", ("asyncio",)),
    Toolkit("Trio", ("trio",), "trio", ("asyncio",)),  # Trio can be a guest itself
    Toolkit("asyncio", ("asyncio",), "asyncio"),
    Toolkit("Tk", ("tkinter",), "tk", _SYSTEM_LOOPS, parts=("_tkinter",)),
    Toolkit(
        "Qt",
        tuple(f"{name}.QtCore" for name in ("PySide6", "PyQt6", "PyQt5", "PySide2")),
        "qt",
        ("GLib", *_SYSTEM_LOOPS),
        parts=("PySide6", "PySide6-Essentials", "PyQt6", "PyQt5", "PySide2"),
    ),  # fmt: skip
    Toolkit("wx", ("wx",), "wx", ("GLib", *_SYSTEM_LOOPS), parts=("wxPython", "wx")),
    Toolkit("GLib", ("gi.repository.GLib",), "glib", _SYSTEM_LOOPS, parts=("PyGObject", "gi")),
    Toolkit("pyglet", ("pyglet",), "pyglet", _SYSTEM_LOOPS),
    Toolkit("GLFW", ("glfw",), "glfw", _SYSTEM_LOOPS),
    Toolkit("SDL", ("pygame",), "sdl", _SYSTEM_LOOPS, parts=("pygame", "pygame-ce")),
    Toolkit("Win32", (), "win32", system="win32"),
    Toolkit("CFRunLoop", (), "cfrunloop", system="darwin"),
)


class Stranger(NamedTuple):
    """A toolkit that there is no adapter for."""

    label: str
    #: The module in `sys.modules` that shows that the program has imported it.
    shown_by: str
    #: Of that module: whether its main loop runs on this thread; None if not even a window is made here.
    running: Callable[[ModuleType], bool | None]
    advice: str


def _kivy_running(base: ModuleType) -> bool | None:
    loop = base.EventLoop
    if threading.current_thread() is not threading.main_thread():
        return None
    if loop.status == "idle" and loop.window is not None:
        return False  # as in an app's on_start
    return True if loop.status == "started" else None


STRANGERS = (
    Stranger("Kivy", "kivy.base", _kivy_running,
             "write an adapter whose post() is a Clock.create_trigger(): see \"Kivy\" in docs/python/hosts.md; or run the "
             "app by its async_run() in asyncio, which is a host"),
    Stranger("webview_python", "webview.webview", lambda webview: None,
             "it is not pywebview, and its run() is that of the system's main loop: on Linux import GLib from "
             "gi.repository and give host=asyncguest.hosts.glib.GLibHost()"),
)  # fmt: skip


def find_host(alone: str = "asyncguest.run(...)") -> Host:
    """The host that runs on this thread; GuestError if there is none, or more than one.

    `alone`: the right call where there is no other main loop.
    """
    guest: Any = getattr(running_loop(), "guest", None)
    if guest is not None:
        return guest.host  # type: ignore[no-any-return]  # a run lives here already: the new one joins it
    joined = {run.host for run in alive_here()}
    if len(joined) == 1:
        return joined.pop()  # that one is of another async library
    found, troubles, absent = _look()
    strangers = {row: row.running(sys.modules[row.shown_by]) for row in STRANGERS if _is_imported(row.shown_by)}
    for running in (True, False):
        rows = _topmost({row: what for row, what in found.items() if what.running == running})
        if len(rows) == 1:
            return next(iter(rows.values())).make()
        if rows:
            raise GuestError(_ambiguous(rows))
        for stranger, is_running in strangers.items():
            if is_running == running:
                raise GuestError(
                    f"{stranger.label} is on this thread, and asyncguest.hosts has no adapter for it: {stranger.advice}"
                )
    raise GuestError(_nothing(troubles, absent, [*strangers], alone))


def _look() -> tuple[dict[Toolkit, Found], list[str], list[str]]:
    """What is found, what was looked at without success and why, and the labels of what is not imported."""
    found: dict[Toolkit, Found] = {}
    troubles: list[str] = []
    absent: list[str] = []
    for row in TOOLKITS:
        if row.system not in (None, sys.platform):
            continue
        if row.shown_by and not any(map(_is_imported, row.shown_by)):
            absent.append(row.label)
            continue
        try:
            what = importlib.import_module(f"{__package__}.hosts.{row.adapter}").find()
        except Exception as error:  # a toolkit that is broken, or too old, is no reason not to find another one
            troubles.append(f"{row.label} (could not be looked at: {type(error).__name__}: {error})")
            continue
        if what is None:
            troubles.append(f"{row.label} (imported, but no main loop, window or application of it on this thread)")
        else:
            found[row] = what
    return found, troubles, absent


def _is_imported(name: str) -> bool:
    """Fully so: one that another thread is just importing runs nothing here, and waiting for it could be for ever."""
    module = sys.modules.get(name)
    return isinstance(module, ModuleType) and not getattr(getattr(module, "__spec__", None), "_initializing", False)


def _topmost(found: dict[Toolkit, Found]) -> dict[Toolkit, Found]:
    """Without those that another one found stands on."""
    lower = {label for row in found for label in row.stands_on}
    return {row: what for row, what in found.items() if row.label not in lower}


def _ambiguous(rows: dict[Toolkit, Found]) -> str:
    names = ", ".join(f"{what.what} ({'running' if what.running else 'made'})" for what in rows.values())
    hosts = " or ".join(f"asyncguest.hosts.{row.adapter}" for row in rows)
    return f"more than one main loop is on this thread: {names}. Say which: give host=..., of {hosts}"


def _nothing(troubles: list[str], absent: list[str], strangers: list[Stranger], alone: str) -> str:
    unknown = [f"{row.label} (imported, but has no adapter: {row.advice})" for row in strangers]
    looked = "; ".join([*troubles, *unknown, *([f"not imported: {', '.join(absent)}"] if absent else [])])
    return (
        f"no main loop was found on this thread. Looked for: {looked}. Call start() on the thread of the main loop, "
        "when its application or window is made; or give host=..., see asyncguest.hosts; without any other main loop "
        f"{alone} is the right call"
    )
