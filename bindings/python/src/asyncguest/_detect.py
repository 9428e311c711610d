"""Which main loop runs on this thread: what `asyncguest.start` asks when it is given no host.

Owns: nothing. Any thread. Starts nothing: each adapter's `find()` just looks.
"""

from __future__ import annotations

import sys
from typing import Any

from ._compat import running_loop
from ._errors import GuestError
from ._exit import alive_here
from ._host import Host
from ._recipes import RECIPES
from ._toolkits import TOOLKITS, Toolkit, is_imported, registered
from .hosts._loophost import Found


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
    theirs, troubles = registered()
    toolkits = [row for row in (*TOOLKITS, *theirs) if row.system in (None, sys.platform)]
    found = _look([row for row in toolkits if row.is_shown], troubles)
    for running in (True, False):
        rows = _topmost({row: what for row, what in found.items() if what.running == running})
        if len(rows) == 1:
            return next(iter(rows.values())).make()
        if rows:
            raise GuestError(_ambiguous(rows))
    raise GuestError(_nothing(toolkits, troubles, alone))


def _look(toolkits: list[Toolkit], troubles: list[str]) -> dict[Toolkit, Found]:
    """What is found. What was looked at without success, and why, is added to `troubles`."""
    found: dict[Toolkit, Found] = {}
    for row in toolkits:
        try:
            what = row.find()
            if not isinstance(what, Found | None):
                raise TypeError(f"find() must return an asyncguest.hosts.base.Found or None, not {what!r}")
        except Exception as error:  # a toolkit that is broken, or too old, is no reason not to find another one
            troubles.append(f"{row.label} (could not be looked at: {type(error).__name__}: {error})")
            continue
        if what is None:
            troubles.append(f"{row.label} (imported, but no main loop, window or application of it on this thread)")
        else:
            found[row] = what
    return found


def _topmost(found: dict[Toolkit, Found]) -> dict[Toolkit, Found]:
    """Without those that another one found stands on."""
    lower = {label for row in found for label in row.stands_on}
    return {row: what for row, what in found.items() if row.label not in lower}


def _ambiguous(rows: dict[Toolkit, Found]) -> str:
    names = ", ".join(f"{what.what} ({'running' if what.running else 'made'})" for what in rows.values())
    hosts = " or ".join(row.module or f"the adapter for {row.label}" for row in rows)
    return f"more than one main loop is on this thread: {names}. Say which: give host=..., of {hosts}"


def _nothing(toolkits: list[Toolkit], troubles: list[str], alone: str) -> str:
    known = {row.label for row in toolkits}
    recipes = [str(row) for row in RECIPES if is_imported(row.shown_by) and row.label not in known]
    absent = [row.label for row in toolkits if not row.is_shown]
    looked = "; ".join([*troubles, *([f"not imported: {', '.join(absent)}"] if absent else [])])
    return (
        f"no main loop was found on this thread. {''.join(f'{recipe}. ' for recipe in recipes)}Looked for: {looked}. "
        "Call start() on the thread of the main loop, when its application or window is made; or give host=..., see "
        f"asyncguest.hosts; without any other main loop {alone} is the right call"
    )
