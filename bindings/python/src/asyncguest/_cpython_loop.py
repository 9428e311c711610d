"""CPython's loop of this system with its engine room in the native module: see `LoopCore`, and native/src.

Owns: what of the loop belongs to neither. The loop's own thread only.
Its private names are those of CPython 3.11 to 3.15, used as in `_compat.py`.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from ._native import LoopCore, Reactor
from ._selector import GuestSelector
from ._system import AsyncioLoop


class CPythonLoop(LoopCore, AsyncioLoop):  # what LoopCore has replaces asyncio's
    """CPython's loop of this system with its engine room in the native module.

    What it inherits from asyncio (transports, servers, subprocesses, executors, name resolution, sendfile) calls the
    public methods; what `LoopCore` has in the place of asyncio's is one iteration and what leads to it: an iteration can
    be cut by a budget there, and entered again by a nested host loop.
    """

    _selector: GuestSelector

    if sys.version_info >= (3, 14):
        # Its handle may be cancelled on another thread, where that waits while the callback runs.
        call_soon_threadsafe = asyncio.BaseEventLoop.call_soon_threadsafe  # type: ignore[assignment]

    def __init__(self, reactor: Reactor, selector: GuestSelector) -> None:
        self.wait_in(reactor, selector.keys)
        super().__init__(selector)

    def queue_handle(self, handle: asyncio.Handle) -> None:
        """Queues a handle that exists already."""
        if not handle._cancelled:
            self._ready.append(handle)

    def signal_arrived(self, signum: int, count: int) -> None:
        """A watched signal has come `count` times. Overridden by the loop."""
        raise NotImplementedError

    # ---- being the running loop

    def claim(self, thread_id: int) -> None:
        """The loop counts as running from here on. What else `run_forever` sets, each delivery sets."""
        self._thread_id = thread_id

    def release(self) -> None:
        self._stopping = False
        self._thread_id = None

    def leave_to_parent(self) -> None:
        """In the child of a fork: lets go of what is queued. It is kept, or else its coroutines would be closed."""
        self._left_to_parent = self.take_queued()

    # ---- transports

    def _make_socket_transport(self, *args: Any, **kwargs: Any) -> asyncio.Transport:
        transport = super()._make_socket_transport(*args, **kwargs)  # type: ignore[misc]
        # A fresh buffer of 256 KiB for each recv costs an mmap or a trim of the heap each time.
        transport.max_size = 64 * 1024
        return transport  # type: ignore[no-any-return]
