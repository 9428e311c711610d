"""Async functions where a toolkit wants a plain one.

Owns: the calls that wait for the one that runs. Host thread.
"""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections import deque
from collections.abc import Callable, Coroutine
from threading import get_ident
from typing import Any, Literal, TypeAlias

from ._compat import running_loop
from ._errors import GuestError, SourceGone, WrongThread
from ._factory import make_coroutine
from ._guest import Guest
from ._hosted import HostedRun
from ._scope import Scope, report
from ._start import current_guest

AsyncFunction: TypeAlias = Callable[..., Coroutine[Any, Any, Any]]
Busy: TypeAlias = Literal["overlap", "drop", "restart", "queue"]


def slot(
    async_fn: AsyncFunction, *args: Any, busy: Busy = "overlap", scope: Scope | None = None
) -> Callable[..., None]:
    """A plain function for a toolkit, each call of which starts `async_fn(*args, ...)` as a task.

    Connect it to a signal, give it to `command=`. The task runs up to its first await inside the call. The toolkit's
    arguments follow `args`; those that `async_fn` does not take are dropped. A bound method is held weakly, as Qt does:
    a call after its object has gone does nothing.

    `busy`: what a call does while the task of one before it runs: "overlap" starts another one; "drop" nothing; "queue"
    waits for its turn; "restart" cancels the one that runs, and the newest call starts when that has ended.
    `scope`: in which the tasks live; a call after its end does nothing. None: the guest in whose code the slot is made,
    or, made elsewhere or when that has ended, the one that is current when it is called.

    What a task raises is reported at once by the loop's exception handler; cancellation is none of it. A call raises
    GuestError where there is no guest, WrongThread on another thread. Host thread.
    """
    if asyncio.iscoroutine(async_fn):
        async_fn.close()
        raise TypeError(
            f"{async_fn!r} is a coroutine object: pass the async function and its arguments instead, "
            "slot(work, 1) and not slot(work(1))"
        )
    if not callable(async_fn):
        raise TypeError(f"an async function was expected, not {async_fn!r}")
    if busy not in ("overlap", "drop", "restart", "queue"):
        raise ValueError(f'busy must be "overlap", "drop", "restart" or "queue", not {busy!r}')
    if scope is not None and not isinstance(scope, Scope):
        raise TypeError(f"scope must be an asyncguest.Scope or None, not {scope!r}")
    return _Slot(async_fn, args, busy, scope)


class _Slot:
    """One. An object with `__call__`: Qt would hold a bound method weakly."""

    def __init__(self, async_fn: AsyncFunction, args: tuple[Any, ...], busy: Busy, scope: Scope | None) -> None:
        self._method = _weakly(async_fn)
        self._fn = async_fn if self._method is None else None
        self._args = args
        self._takes = _takes(async_fn, len(args))
        self._busy = busy
        self._scope = scope
        guest = getattr(running_loop(), "guest", None) if scope is None else scope.guest
        #: Of the guest that it belongs to.
        self._run: Callable[[], HostedRun | None] = (
            weakref.ref(guest.record) if isinstance(guest, Guest) else lambda: None
        )
        #: How many calls run, also those in their first step.
        self._running = 0
        self._task: asyncio.Task[Any] | None = None
        self._waiting: deque[tuple[Any, ...]] = deque()

    def __call__(self, *args: Any) -> None:
        args = args[: self._takes]
        if self._running and self._busy != "overlap" and self._is_busy():
            self._called_again(args)
            return
        async_fn = self._fn if self._method is None else self._method()
        if async_fn is None:
            return  # its object has gone
        run, scope = self._run(), self._scope
        if run is None or run.state == "ended" or get_ident() != run.host_thread:
            run = self._find_run(run)
        self._running += 1
        try:
            if scope is None:
                task = run.begin(make_coroutine(async_fn, self._args + args, None))
            else:
                task = scope.start_soon(async_fn, *(self._args + args))
        except BaseException as error:
            self._running -= 1
            if isinstance(error, SourceGone):
                return  # as a connection to an object that is gone
            if isinstance(error, GuestError) or not isinstance(error, Exception):
                raise
            # It does not take these arguments, or is no async function.
            message = f"a slot could not call {async_fn!r}"
            run.event_loop.call_exception_handler({"message": message, "exception": error})
            return
        try:
            if task.done() and not task.cancelled() and task.exception() is None and not self._waiting:
                self._running -= 1
                return
            self._task = task
            task.add_done_callback(self._done if scope is None else self._done_in_scope)
            if self._busy == "restart" and self._waiting:
                task.cancel()  # called again by its own first step
        finally:
            del task  # its first step may have failed: see Deliveries.run_first_step

    def _is_busy(self) -> bool:
        """Whether the task of a call before this one runs. WrongThread on another thread than that one's."""
        task = self._task
        if task is None:
            return True  # it is in its first step
        run: HostedRun | None = task.get_loop().hosted_run  # type: ignore[attr-defined]
        if run is not None:
            _check_thread(run)
            return True
        # It was abandoned with its run, and tells nobody.
        self._running, self._task = 0, None
        self._waiting.clear()
        return False

    def _called_again(self, args: tuple[Any, ...]) -> None:
        """While the task of a call before this one runs."""
        if self._busy == "drop":
            return
        if self._busy == "restart":
            self._waiting.clear()
            if self._task is not None:
                self._task.cancel()
        self._waiting.append(args)

    def _done(self, task: asyncio.Task[Any]) -> None:
        try:
            report(task)
        finally:
            self._done_in_scope(task)

    def _done_in_scope(self, task: asyncio.Task[Any]) -> None:
        """The scope reports."""
        self._running -= 1
        if self._task is task:
            self._task = None
        if self._waiting:
            args = self._waiting.popleft()
            if task.get_loop().guest.state == "running":  # type: ignore[attr-defined]
                self(*args)
            else:
                self._waiting.clear()  # none of them is for the run after this one

    def _find_run(self, run: HostedRun | None) -> HostedRun:
        """Its own if that lives, or else the one that is current."""
        if run is None or run.state == "ended":
            run = current_guest().record
        _check_thread(run)
        run.in_charge("slot")
        return run


def _check_thread(run: HostedRun) -> None:
    if get_ident() != run.host_thread:
        raise WrongThread(
            "a slot was called on another thread than its guest's: connect it so that the toolkit calls it there "
            "(Qt.QueuedConnection to an object of that thread), or use guest.loop.call_soon_threadsafe(slot)"
        )


def _weakly(function: AsyncFunction) -> weakref.WeakMethod[AsyncFunction] | None:
    """If it is a bound method of an object that can be held so."""
    if inspect.ismethod(function) and not isinstance(function.__self__, type):
        try:
            return weakref.WeakMethod(function)
        except TypeError:
            pass
    return None


def _takes(function: AsyncFunction, given: int) -> int | None:
    """How many arguments more than those `given`; None for any number."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return None  # one that is written in C
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return None
    positional = sum(each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters)
    return max(0, positional - given)
