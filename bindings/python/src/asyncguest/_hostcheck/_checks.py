"""The list of checks, in the order in which they are run: what everything else needs comes first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import _basic, _life, _load
from ._check_run import CheckRun


@dataclass(frozen=True)
class Check:
    """One check: its name, what it is about, and when it is run."""

    name: str
    about: str
    run: Callable[[CheckRun], None]
    #: The drives that it is for; it is run in each that the host has.
    drives: tuple[str, ...] = ("fd", "thread")
    #: What of the harness it needs.
    needs: str = ""
    #: If it hangs or fails, the drive does not work and the other checks are spared.
    is_basic: bool = False


CHECKS = (
    Check("post", "jobs run once, on the host thread, not inside post", _basic.post, ("thread",), is_basic=True),
    Check("watch", "a watched fd is reported, an unwatched one is not", _basic.watch, ("fd",), is_basic=True),
    Check("start", "guests start before the loop runs and inside it, several and again", _life.start),
    Check("wake", "an idle guest is woken at once from other threads and from the host's own code", _load.wake),
    Check("idle", "a sleeping guest costs nothing", _load.idle),
    Check("busy", "a busy guest leaves the host its turns", _load.busy),
    Check("nesting", "a guest goes on in a nested main loop", _life.nesting, needs="nested"),
    Check("exceptions", "what a done_callback raises is seen, and the loop lives on", _life.exceptions),
    Check("quit", "the main loop ends before the guest, which is then shut down", _life.early_quit),
    Check("destroy", "the host is destroyed before the guest is shut down", _life.destroy, needs="close"),
    Check("chaos", "nothing is lost when posts and reports go wrong", _load.chaos),
)
BY_NAME = {check.name: check for check in CHECKS}
