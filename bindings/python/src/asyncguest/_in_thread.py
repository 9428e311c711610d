"""A blocking function on a worker thread, with its progress on the host thread.

Owns: what the two threads tell each other, under one lock.

    worker: report(x) --> newest x, one post --> host thread: on_progress(x), at most every `every` seconds
    task cancelled    --> report raises CancelledError in the worker, and the task waits for the worker's end
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, TypeVarTuple

Ts = TypeVarTuple("Ts")

T = TypeVar("T")


class Report(Protocol):
    """What the function gets first. Called on its thread."""

    def __call__(self, *progress: Any) -> None:
        """Has `on_progress(*progress)` called; raises asyncio.CancelledError once the task was cancelled."""


async def in_thread(
    fn: Callable[[Report, *Ts], T], *args: *Ts, on_progress: Callable[..., object] | None = None, every: float = 0.03
) -> T:
    """Runs the blocking `fn(report, *args)` on a thread of the loop's executor; returns what it returns.

    `report(*progress)` in there has `on_progress(*progress)` called on the host thread, where it may touch widgets: at most
    every `every` seconds, with the newest; the last is always shown. When the task is cancelled, `report` raises
    asyncio.CancelledError, which no `except Exception` stops; the task waits until `fn` has ended.

    What `fn` raises is raised here; so is what `on_progress` raises, after `fn` was stopped in the same way. Context
    variables are those of the task. Any asyncio loop.
    """
    for what, function in (("fn", fn), ("on_progress", on_progress or bool)):
        if not callable(function) or inspect.iscoroutinefunction(function):
            raise TypeError(f"{what} must be a plain function, and no async one: not {function!r}")
    if not every >= 0:
        raise ValueError(f"every is in seconds and must not be below 0, not {every!r}")
    worker = _Worker(on_progress, every)
    run: Any = contextvars.copy_context().run
    ended: asyncio.Future[T | None] = worker.loop.run_in_executor(None, run, worker.run, fn, *args)
    cancelled: asyncio.CancelledError | None = None
    while not ended.done():
        try:
            await asyncio.wait([ended])
        except asyncio.CancelledError as error:
            cancelled = error
            if not worker.stop():
                ended.cancel()  # it waits for a thread, and will not begin
    try:
        result = ended.result() if not ended.cancelled() else None
        worker.show()
        if cancelled is not None:
            raise cancelled
        if worker.failure is not None:
            raise worker.failure
        return result  # type: ignore[return-value]  # None only if one of these was raised
    finally:
        del ended
        cancelled = worker.failure = None


class _Worker:
    def __init__(self, on_progress: Callable[..., object] | None, every: float) -> None:
        self.loop = asyncio.get_running_loop()
        #: What `on_progress` has raised.
        self.failure: Exception | None = None
        self._on_progress = on_progress
        self._every = every
        self._shown = self.loop.time() - every
        self._lock = threading.Lock()
        self._has_begun = self._is_stopped = False
        self._newest: tuple[Any, ...] | None = None

    # ---- its thread

    def run(self, fn: Callable[..., T], *args: Any) -> T | None:
        """Calls `fn`; None if that was stopped."""
        with self._lock:
            if self._is_stopped:
                return None
            self._has_begun = True
        try:
            return fn(self.report, *args)
        except asyncio.CancelledError:
            if self._is_stopped:
                return None
            raise
        except StopIteration as error:  # no future takes it
            raise RuntimeError("fn has raised StopIteration") from error

    def report(self, *progress: Any) -> None:
        with self._lock:
            if self._is_stopped:
                raise asyncio.CancelledError("the task that waits for this thread was cancelled")
            is_first, self._newest = self._newest is None, progress
        if is_first and self._on_progress is not None:
            try:
                self.loop.call_soon_threadsafe(self._plan)
            except RuntimeError as error:
                raise asyncio.CancelledError("the loop of the task is closed") from error

    # ---- the host thread

    def stop(self) -> bool:
        """The next report raises. Returns whether `fn` has begun."""
        with self._lock:
            self._is_stopped = True
            return self._has_begun

    def _plan(self) -> None:
        self.loop.call_at(self._shown + self._every, self.show)

    def show(self) -> None:
        """Calls `on_progress` with what has not been shown yet."""
        with self._lock:
            newest, self._newest = self._newest, None
            if newest is None or self._is_stopped:
                return
        self._shown = self.loop.time()
        if self._on_progress is not None:
            try:
                self._on_progress(*newest)
            except Exception as error:
                self.failure = error
                self.stop()
