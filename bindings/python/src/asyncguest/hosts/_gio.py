"""PyGObject's own awaitables (3.50 and newer), `await file.load_contents_async()`, in a guest of GLib's loop.

Owns: what PyGObject looks for on the running loop, and how a task is cancelled that awaits such an operation. Host
thread only.

PyGObject makes an awaitable only if the running loop has the GLib.MainContext of this thread as its `_context`; such a
loop it also tells of nested main loops, by `running` and `paused`. `Task.cancel(msg)` hands the message on to what is
awaited, and the `cancel` of these operations takes none: a TypeError, in PyGObject's own event loop too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from importlib import import_module
from typing import Any
from weakref import proxy

#: The type of these operations, or None.
Async: Any = getattr(import_module("gi._gi"), "Async", None)


def serve(loop: asyncio.AbstractEventLoop, context: Any) -> None:
    """Makes operations awaitable in a guest's loop that `context` drives; nothing where PyGObject is older."""
    if Async is None:
        return
    bare = import_module("gi._ossighelper").DummyEventLoop  # what PyGObject does for a loop that it does not know
    report = partial(_report, proxy(loop))
    vars(loop).update(_context=context, running=bare.running, paused=bare.paused, call_exception_handler=report)
    if loop.get_task_factory() is None:
        loop.set_task_factory(GioTask.make)


def _report(loop: Any, context: dict[str, Any]) -> None:
    """`loop.call_exception_handler`, but for a cancelled operation: that nobody fetched how it ended is no error."""
    operation: Any = context.get("future")
    if not isinstance(operation, Async) or not operation.cancellable.is_cancelled():
        loop.__class__.call_exception_handler(loop, context)


class GioTask(asyncio.Task[Any]):
    """A task that can be cancelled while it awaits an operation: its Gio.Cancellable is cancelled, and the task goes on.

    What the operation still returns is dropped, as that of any future that was cancelled.
    """

    def __init__(self, coroutine: Any, *, context: Context | None = None, **options: Any) -> None:
        self._wakes_in = copy_context() if context is None else context
        super().__init__(coroutine, context=self._wakes_in, **options)

    @classmethod
    def make(cls, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> GioTask:
        return cls(coroutine, loop=loop, **options)

    def cancel(self, msg: Any | None = None) -> bool:
        try:
            return super().cancel(msg)
        except TypeError:
            operation: Any = self._fut_waiter  # type: ignore[attr-defined]
            if not isinstance(operation, Async):
                raise
        operation.cancel()
        waking = _Waking(self)
        if operation.remove_done_callback(waking):
            self.get_loop().call_soon(waking.wake, _Cancelled(msg), context=self._wakes_in)
        else:  # it is done, and the task about to be told
            self.get_loop().call_soon(self._cancel_again, msg)
        return True

    def _cancel_again(self, msg: Any) -> None:
        if not self.done():
            self.uncancel()  # it has been counted
            self.cancel(msg)


class _Waking:
    """Equals the callback that wakes a task, and has it then."""

    wake: Callable[[Any], None]

    def __init__(self, task: GioTask) -> None:
        self._task = task

    def __eq__(self, callback: object) -> bool:
        if getattr(callback, "__self__", None) is not self._task:
            return False
        self.wake = callback  # type: ignore[assignment]
        return True


class _Cancelled:
    """What a task is woken with, in place of the operation."""

    def __init__(self, msg: Any) -> None:
        self._msg = msg

    def result(self) -> None:
        raise asyncio.CancelledError(*([] if self._msg is None else [self._msg]))
