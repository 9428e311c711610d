"""CPython's loop of this system with its engine room in the native module: see `LoopCore`, and native/src.

Owns: what of the loop belongs to neither. The loop's own thread only.
Its private names are those of CPython 3.11 to 3.13, used as in `_compat.py`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from ._native import LoopCore
from ._system import AsyncioLoop

if TYPE_CHECKING:
    from ._native import Reactor
    from ._selector import GuestSelector


class CPythonLoop(LoopCore, AsyncioLoop):  # what LoopCore has replaces asyncio's
    """CPython's loop of this system with its engine room in the native module.

    What it inherits from asyncio (transports, servers, subprocesses, executors, name resolution, sendfile) calls the
    public methods; what `LoopCore` has in the place of asyncio's is one iteration and what leads to it: an iteration can
    be cut by a budget there, and entered again by a nested host loop.
    """

    _selector: GuestSelector

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

    def run_inside(self, handle: asyncio.Handle) -> None:
        """Runs a handle's callback on the spot, inside whatever is being run.

        The traceback of an exception leads to every frame that was on the stack when it was raised. So a frame of the
        package that calls user code holds no task, handle or exception when it ends: each would be in a cycle.
        """
        outer = self.running_handle
        self.running_handle = handle
        try:
            handle._context.run(handle._callback, *handle._args)  # type: ignore[attr-defined]
        except RuntimeError:
            # Its context is entered already by the code that called us, and cannot be twice. (A task's step raises
            # nothing else of the kind.) So it waits its turn.
            self._ready.append(handle)
        finally:
            self.running_handle = outer
            del handle, outer

    def take_first_step(self, task: asyncio.Task[Any], coroutine: Coroutine[Any, Any, Any]) -> asyncio.Handle | None:
        """Takes the first step of a task that was just made of `coroutine` back out of the ready queue.

        None if there is no such step: an eager task factory has run it, and what is queued now is the second.
        """
        if isinstance(coroutine, CoroutineType) and inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED:
            return None
        if not self._ready or getattr(self._ready[-1]._callback, "__self__", None) is not task:  # type: ignore[attr-defined]
            return None
        return self._ready.pop()

    # ---- being the running loop

    def claim(self, thread_id: int) -> None:
        """The loop counts as running from here on. What else `run_forever` sets, each delivery sets."""
        self._thread_id = thread_id

    def release(self) -> None:
        """The opposite of `claim`."""
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
