"""The toolkits whose main loops can be found: those that the package has an adapter for, and those that are registered.

Owns: the table of them. Any thread. An adapter is imported when its toolkit is imported already.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

    from .hosts._loophost import Found

#: Installed packages that have adapters say so by entry points of this group.
GROUP = "asyncguest.hosts"


class Toolkit(NamedTuple):
    label: str
    #: Any of these in `sys.modules` shows that the program has imported it. None needed: it is part of the system.
    shown_by: tuple[str, ...]
    #: Looks for its main loop on this thread.
    find: Callable[[], Found | None]
    #: Labels of what it stands on itself: those are then not counted.
    stands_on: tuple[str, ...] = ()
    #: The module of `asyncguest.hosts` that has its adapter.
    module: str | None = None
    #: The only `sys.platform` that has it.
    system: str | None = None
    #: Distributions, or modules of Python's own, that it is installed by. None needed: they are called as what is imported.
    parts: tuple[str, ...] = ()

    @property
    def is_shown(self) -> bool:
        return not self.shown_by or any(map(is_imported, self.shown_by))


def is_imported(name: str) -> bool:
    """Fully so: one that another thread is just importing runs nothing here, and waiting for it could be for ever."""
    module = sys.modules.get(name)
    return isinstance(module, ModuleType) and not getattr(getattr(module, "__spec__", None), "_initializing", False)


def _own(
    label: str,
    shown_by: tuple[str, ...],
    adapter: str,
    stands_on: tuple[str, ...] = (),
    system: str | None = None,
    parts: tuple[str, ...] = (),
) -> Toolkit:
    module = f"{__package__}.hosts.{adapter}"

    def find() -> Found | None:
        found: Found | None = importlib.import_module(module).find()
        return found

    return Toolkit(label, shown_by, find, stands_on, module, system, parts)


_SYSTEM_LOOPS = ("Win32", "CFRunLoop")

#: Those of the package.
TOOLKITS = (
    # Not "webview": that is also what webview_python is imported by.
    _own("pywebview", ("webview.window",), "webview", ("Qt", "GLib", *_SYSTEM_LOOPS), parts=("pywebview",)),
    _own("IPython", ("IPython",), "ipython", ("Tornado", "asyncio")),
    # Not prompt_toolkit: it calls the hook that the program has given it, of the host that the program has made.
    _own("Tornado", ("tornado.ioloop",), "tornado", ("asyncio",)),
    _own("Trio", ("trio",), "trio", ("asyncio",)),  # Trio can be a guest itself
    _own("asyncio", ("asyncio",), "asyncio"),
    _own("Tk", ("tkinter",), "tk", _SYSTEM_LOOPS, parts=("_tkinter",)),
    _own(
        "Qt",
        tuple(f"{name}.QtCore" for name in ("PySide6", "PyQt6", "PyQt5", "PySide2")),
        "qt",
        ("GLib", *_SYSTEM_LOOPS),
        parts=("PySide6", "PySide6-Essentials", "PyQt6", "PyQt5", "PySide2"),
    ),
    _own("wx", ("wx",), "wx", ("GLib", *_SYSTEM_LOOPS), parts=("wxPython", "wx")),
    _own("GLib", ("gi.repository.GLib",), "glib", _SYSTEM_LOOPS, parts=("PyGObject", "gi")),
    _own("Kivy", ("kivy.base",), "kivy", ("SDL", *_SYSTEM_LOOPS)),
    _own("Dear ImGui", ("imgui_bundle",), "imgui", ("GLFW", *_SYSTEM_LOOPS)),
    _own("pyglet", ("pyglet",), "pyglet", _SYSTEM_LOOPS),
    _own("GLFW", ("glfw",), "glfw", _SYSTEM_LOOPS),
    _own("SDL", ("pygame",), "sdl", _SYSTEM_LOOPS, parts=("pygame", "pygame-ce")),
    _own("Win32", (), "win32", system="win32"),
    _own("CFRunLoop", (), "cfrunloop", system="darwin"),
)

_registered: dict[str, Toolkit] = {}


def register_host(
    label: str,
    shown_by: str | Iterable[str],
    find: Callable[[], Found | None],
    stands_on: str | Iterable[str] = (),
) -> None:
    """Has `asyncguest.start` look for one more toolkit, whose adapter is not of this package. Any thread.

    `label`: its name, for messages. Registered again, it is replaced. `shown_by`: the name of the module, or of several,
    of which one is in `sys.modules` when the program uses the toolkit; without that, nothing is looked for.
    `find()`: returns an `asyncguest.hosts.base.Found` if a main loop, window or application of it is on the calling
    thread, else None; it imports and starts nothing. `stands_on`: the label, or labels, of the toolkits below, such as
    "Qt": where this one is found those do not count.

        register_host("mytoolkit", "mytoolkit", lambda: Found("mytoolkit", mytoolkit.is_running(), MyHost))

    An installed package does it in a module that its entry point of the group "asyncguest.hosts" names:
    docs/python/writing_a_host.md. Raises TypeError and ValueError for what cannot be registered.
    """
    if not isinstance(label, str) or not label:
        raise TypeError(f"label must be a name for messages, not {label!r}")
    if any(row.label == label for row in TOOLKITS):
        raise ValueError(f"{label} has an adapter in asyncguest.hosts: give yours a label of its own")
    names = _names("shown_by", shown_by, "the name of a module, or of several")
    if not names:
        raise ValueError("shown_by must name a module that the program has imported when it uses the toolkit")
    if not callable(find) or inspect.iscoroutinefunction(find):
        raise TypeError(f"find must be a plain function without arguments, not {find!r}")
    _registered[label] = Toolkit(label, names, find, _names("stands_on", stands_on, "a label, or several"))


def _names(what: str, names: str | Iterable[str], wanted: str) -> tuple[str, ...]:
    found: tuple[Any, ...] = (
        (names,) if isinstance(names, str) else tuple(names) if isinstance(names, Iterable) else (0,)
    )
    if not all(isinstance(name, str) and name for name in found):
        raise TypeError(f"{what} must be {wanted}, not {names!r}")
    return found


def registered() -> tuple[list[Toolkit], list[str]]:
    """What is registered, also by packages whose toolkit is imported; and what is wrong with those."""
    points, troubles = _entry_points()
    for point in points:
        what = f"{point.name} (its entry point {point.value!r}"
        try:
            point.load()
        except Exception as error:
            troubles.append(f"{what} cannot be imported: {type(error).__name__}: {error})")
            continue
        if not any(point.name in row.shown_by for row in _registered.values()):
            troubles.append(f"{what} calls no asyncguest.register_host() with shown_by={point.name!r})")
    return list(_registered.values()), troubles


def _entry_points() -> tuple[dict[EntryPoint, None], list[str]]:
    """Those of packages whose toolkit is imported; and what cannot be read, which hides no other package's.

    From CPython 3.15 on a package's cannot be read if one of them names nothing that could be imported.
    """
    from importlib.metadata import distribution, distributions  # a tenth of the package's whole import

    found: dict[EntryPoint, None] = {}
    troubles = []
    for package in distributions():
        try:
            if _points_of(package):  # it may be there several times: the one that is imported counts
                found |= dict.fromkeys(_points_of(distribution(package.name)))
        except Exception as error:
            name = None
            with suppress(Exception):  # from the same metadata
                name = package.name
            troubles.append(f"{name} (its entry points cannot be read: {type(error).__name__}: {error})")
    return found, troubles


def _points_of(package: Distribution) -> list[EntryPoint]:
    return [point for point in package.entry_points if point.group == GROUP and is_imported(point.name)]
