"""What the checks have to know of a host's main loop. Host thread."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .._host import CallbackHost, Host, can_post


@dataclass
class Harness:
    """A host and its main loop, for `hostcheck`.

        def tk():
            root = tkinter.Tk()
            return Harness(TkHost(root), run=root.mainloop, quit=root.quit, close=root.destroy,
                           later=lambda seconds, function: root.after(int(seconds * 1000), function))

        asyncguest.hostcheck(tk)

    What stays None leaves its check out.
    """

    #: The adapter, or a function `run_sync_soon_threadsafe(fn)`.
    host: Host | Callable[..., Any]
    #: Runs the main loop, until `quit`.
    run: Callable[..., object]
    #: Makes `run` return; called on the host thread, inside the loop.
    quit: Callable[[], object]
    #: Runs a nested main loop for so many seconds, as a modal dialog does. None: nesting is not checked.
    nested: Callable[[float], object] | None = None
    #: The host's own timer: calls `function()` after so many seconds. None: whether a busy guest holds them up is not
    #: checked.
    later: Callable[[float, Callable[[], object]], object] | None = None
    #: Destroys the host: closes the window, frees the application.
    close: Callable[[], object] | None = None
    #: For a host that can only be made inside its main loop, as Trio's: `host` is a function that makes it, and
    #: `run(first)` calls `first()` in the loop before anything else.
    inside: bool = False

    @classmethod
    def of(cls, made: Any) -> Harness:
        """What an adapter's factory made, if it can serve as a harness."""
        if isinstance(made, Harness):
            return made
        if not isinstance(made, Host):
            raise TypeError(
                f"the adapter's factory made {made!r}: it must make an asyncguest.Harness(host, run=, quit=), or a "
                "Host that has run() and quit() itself"
            )
        run = getattr(made, "run", None)
        leave = getattr(made, "quit", None) or getattr(made, "stop", None)
        if run is None or leave is None:
            raise TypeError(
                f"{made!r} has no run() and quit() of its own: let the factory make "
                "asyncguest.Harness(host, run=..., quit=...), which says how its main loop is run and ended"
            )
        nested, later, close = (getattr(made, name, None) for name in ("nested", "later", "close"))
        return cls(made, run, leave, nested, later, close)

    def make_host(self) -> Host:
        """The host as an adapter."""
        host = self.host
        if self.inside and not isinstance(host, Host):
            host = host()
        return host if isinstance(host, Host) else CallbackHost(host)

    def enter(self, first: Callable[[], object]) -> None:
        """Runs the main loop: `first()` comes before it, or in it if the host wants that."""
        if self.inside:
            self.run(first)
        else:
            first()
            self.run()

    @staticmethod
    def drives(host: Host) -> list[str]:
        """How a guest can be driven in it."""
        # What the check of watches has are pipes, and what a host could watch on Windows are handles.
        found = ["fd"] if host.watches_fds and sys.platform != "win32" else []
        if can_post(host):
            found.append("thread")
        if not found:
            raise TypeError(f"{host!r} can neither post nor watch an fd: override Host.post, or watch and unwatch")
        return found
