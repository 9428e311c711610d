"""The list of scenarios: what must hold in every host, each written once and run in a process of its own.

Owns: the list. A scenario is a function that takes a stage, plays on it until its loop has ended, and asserts.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stages import HERE, Stage

__all__ = ["BOTH", "Scenario", "scenario", "scenarios_for"]

#: For a scenario that is played by guests of asyncio, and again by guests of Trio.
BOTH = ("asyncio", "trio")


@dataclass(frozen=True)
class Scenario:
    """One scenario, and how its process is to end."""

    name: str
    play: Callable[[Any], object]
    #: What of the stage it needs: attributes that are not None, or flags that are not False.
    needs: tuple[str, ...] = ()
    #: The process's exit status; and what it noted, in order, or None for whatever.
    status: int = 0
    notes: tuple[str, ...] | None = None
    #: What is to be found on stderr; otherwise no traceback and no warning may be there.
    says: str = ""
    #: Of the guests: one of `libraries.py`.
    library: str = "asyncio"
    #: Why it is for Unix alone; "" if it is not.
    unix: str = ""

    def lacks(self, stage: type[Stage]) -> str:
        """Why it cannot be played on that stage; "" if it can."""
        if self.unix and sys.platform == "win32":
            return self.unix
        for need in self.needs:
            if not getattr(stage, need):
                return _LACKS.get(need, f"{stage.name} has no {need.replace('_', ' ')}")
        return ""


_LACKS = {
    "close_window": "the host has no window",
    "click": "the host has no handlers of its own",
    "dialog": "the host has no dialogs",
    "later": "the host has no timers",
    "kit": "the host has no events that the package connects to",
    "destroy": "nothing is left to be destroyed when the loop has ended",
    "idles": "a loop that draws all the time is never idle",
    "ctrl_c": "Ctrl-C is the host's own affair",
    "is_found": "a program names this host: there is nothing to find",
    "forks": "a child that this host's own code forks hangs or breaks its parent if it leaves by sys.exit, also bare",
    "again": "this toolkit can be started once per process",
    "takes_trio": "it is Trio's own loop",
}
_all: dict[str, Scenario] = {}


def scenario(
    *needs: str,
    status: int = 0,
    notes: tuple[str, ...] | None = None,
    says: str = "",
    libraries: tuple[str, ...] = ("asyncio",),
    unix: str = "",
) -> Callable[[Callable[[Any], object]], Callable[[Any], object]]:
    """Puts a function on the list, once for each library whose guests play it."""

    def put(function: Callable[[Any], object]) -> Callable[[Any], object]:
        for library in libraries:
            of_trio = library == "trio"
            name = function.__name__ + "_of_trio" * (of_trio and libraries != ("trio",))
            assert name not in _all, f"two scenarios of one name: {name}"
            wanted = (*needs, "takes_trio") if of_trio else needs
            _all[name] = Scenario(name, function, wanted, status, notes, says, library, unix)
        return function

    return put


def scenarios_for(stage: type[Stage]) -> dict[str, Scenario]:
    """The common ones, and the stage's own."""
    for path in sorted(HERE.glob("scenarios_*.py")):
        importlib.import_module(path.stem)
    own = {name: Scenario(name, function) for name, function in stage.extra.items()}
    assert not own.keys() & _all.keys(), f"{stage.name} has a scenario of a common name"
    assert set(stage.only) <= _all.keys(), f"{stage.name} wants scenarios that there are not"
    return {**{name: each for name, each in _all.items() if name in (stage.only or _all)}, **own}
