"""Tornado: a guest in a program whose main loop is an IOLoop.

Owns: nothing of its own. Tornado's IOLoop is a shell around an asyncio loop: what that needs is in `asyncio.py`, also
why a busy guest leaves out one iteration. Host thread only, except `post`.
"""

from __future__ import annotations

from tornado.ioloop import IOLoop

from .._compat import running_loop
from .asyncio import AsyncioHost
from .base import Found

__all__ = ["TornadoHost", "find"]


class TornadoHost(AsyncioHost):
    """A Tornado program, whether its IOLoop runs already or starts later.

    `io_loop`: default `IOLoop.current()`, which makes one if this thread has none. `drive` and `deadline`: as for
    `AsyncioHost`. Handlers and callbacks of Tornado and tasks of the guest take turns on one thread.

    Example: docs/hosts/tornado.md

    In a program of `asyncio.run(...)` the guests are cancelled, and awaited, when it ends. `IOLoop.start()` does not
    tell its end: `host.start()` shuts the guests down then, or else the interpreter when it exits. What a
    `done_callback` raises goes to the log, as what a callback of Tornado raises does.
    """

    name = "Tornado"

    def __init__(self, io_loop: IOLoop | None = None, drive: str | None = None, deadline: float = 5.0) -> None:
        if io_loop is None:
            io_loop = IOLoop.current()
        loop = getattr(io_loop, "asyncio_loop", None)
        if loop is None:
            raise TypeError(f"io_loop must be an IOLoop of Tornado 5 or newer, not {io_loop!r}")
        super().__init__(loop, drive, deadline)
        self._io_loop = io_loop

    def start(self) -> None:
        """`io_loop.start()`. Runs that have not ended when it returns, for whatever reason, are shut down."""
        self.run_mainloop(self._io_loop.start)


def find() -> Found | None:
    """The IOLoop that runs here. One that does not run yet cannot be seen: `TornadoHost()` says it."""
    if running_loop() is None or IOLoop.current(instance=False) is None:
        return None
    return Found("Tornado", True, TornadoHost)
