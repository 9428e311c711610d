"""IPython in a terminal: a guest that lives while the prompt waits for the next line.

Owns: the shell's input hook and its `reset`, from the first guest to the last. The rest is prompt_toolkit's: see
`prompt_toolkit.py`. Main thread only, except `post`.
"""

from __future__ import annotations

import sys
import threading
from importlib import import_module
from typing import Any

from .._errors import GuestError
from .base import Found
from .prompt_toolkit import PromptToolkitHost

__all__ = ["IPythonHost", "find"]

# Without their types: what the checkers see of them depends on the release.
getipython: Any = import_module("IPython.core.getipython")
pt_inputhooks: Any = import_module("IPython.terminal.pt_inputhooks")

# What `%gui` calls it.
_NAME = "asyncguest"


class IPythonHost(PromptToolkitHost):
    """IPython's terminal. `asyncguest.start(main)` in it makes one, or takes the one that is there.

    `shell`: default `get_ipython()`. `drive` and `deadline`: as for `PromptToolkitHost`.

    Example: docs/hosts/ipython.md

    While guests live, the shell's event loop is theirs, as with `%gui`; it is given back after the last one. With `%gui
    qt`, `%gui gtk3` and the like use that toolkit's host instead: IPython runs its loop at the prompt then. In Jupyter
    the cells run in an asyncio loop: there `asyncguest.start` finds that. While a cell runs the guest stands still.
    When IPython ends its guests are shut down, and also when it clears its names (`%reset`), which are those of the
    guests' code.
    """

    name = "IPython"

    def __init__(self, shell: Any = None, drive: str | None = None, deadline: float = 5.0) -> None:
        shell = shell or getipython.get_ipython()
        if not hasattr(shell, "prompt_for_code"):
            raise GuestError(
                "an IPythonHost is made in IPython's terminal; in Jupyter use asyncguest.hosts.asyncio.AsyncioHost()"
            )
        super().__init__(drive, deadline)
        self._shell = shell

    def hook(self) -> None:
        shell = self._shell
        if shell.active_eventloop is not None:
            raise GuestError(
                f"IPython runs the event loop {shell.active_eventloop!r} at its prompt: use the host of that, or end "
                "it with `%gui` alone"
            )
        pt_inputhooks.register(_NAME, self.inputhook)
        shell.enable_gui(_NAME)
        if shell.active_eventloop != _NAME:
            raise GuestError("IPython takes no event loops with --simple-prompt: start it without that")
        shell.reset = self._reset  # what it ends with, too

    def unhook(self) -> None:
        vars(self._shell).pop("reset", None)
        pt_inputhooks.registered.pop(_NAME, None)
        if self._shell.active_eventloop == _NAME:  # else the user has changed it by %gui
            self._shell.enable_gui(None)

    def _reset(self, *args: Any, **options: Any) -> Any:
        self.shut_down()
        return type(self._shell).reset(self._shell, *args, **options)

    def report(self) -> None:
        self._shell.showtraceback(sys.exc_info(), tb_offset=0)


def find() -> Found | None:
    """The shell, if this is its thread and no other toolkit's loop has been chosen for its prompt."""
    shell = getipython.get_ipython()
    if not hasattr(shell, "prompt_for_code") or threading.current_thread() is not threading.main_thread():
        return None
    if shell.active_eventloop == _NAME:
        host = pt_inputhooks.registered[_NAME].__self__
        return Found("IPython", True, lambda: host)
    return Found("IPython", True, lambda: IPythonHost(shell)) if shell.active_eventloop is None else None
