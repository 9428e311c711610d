"""The private names of CPython that the package needs, except those of its selector loop: see `_cpython_loop`.

Owns: nothing. Everything here is good for CPython 3.11 to 3.15; what differs between versions says so. Each name
is used in the way that CPython's own subclasses of `BaseEventLoop` use it, and nothing is replaced (contract, point
19). When a new version moves one of them, these two are the files to mend, and `make conformance` the judge.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401  (its exit hook has to be registered before ours: see before_threads_end)
import math
import sys
import threading
from asyncio import base_events, constants, format_helpers
from collections.abc import Callable
from time import monotonic  # noqa: F401  (the loop's clock, for the native module)
from typing import Any

#: asyncio.constants.DEBUG_STACK_DEPTH: how many frames of a coroutine's origin debug mode keeps.
ORIGIN_DEPTH: int = constants.DEBUG_STACK_DEPTH

# Since 3.12.
_SOURCES_KNOW_DEBUG = "debug" in format_helpers._format_callback_source.__code__.co_varnames

#: The running loop of this thread and process, or None. The function itself and no wrapper: each delivery calls it.
running_loop: Callable[[], asyncio.AbstractEventLoop | None] = asyncio._get_running_loop

#: Sets what `running_loop` returns.
set_running_loop: Callable[[asyncio.AbstractEventLoop | None], None] = asyncio._set_running_loop


if sys.version_info >= (3, 14):
    _swap_current_task = asyncio.tasks._swap_current_task  # type: ignore[attr-defined]

    def swap_current_task(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any] | None) -> asyncio.Task[Any] | None:
        """Makes `task` the current task of `loop`, None for none, and returns the one before.

        From 3.14 on it is the thread's, whichever loop runs, and the running loop alone may change it.
        """
        running = running_loop()
        if running is loop:
            return _swap_current_task(loop, task)  # type: ignore[no-any-return]
        set_running_loop(loop)
        try:
            return _swap_current_task(loop, task)  # type: ignore[no-any-return]
        finally:
            set_running_loop(running)

elif sys.version_info >= (3, 13):  # in 3.12.1 it is a KeyError when no task is current
    swap_current_task = asyncio.tasks._swap_current_task  # type: ignore[attr-defined]

else:

    def swap_current_task(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any] | None) -> asyncio.Task[Any] | None:
        """Makes `task` the current task of `loop`, None for none, and returns the one before."""
        before = asyncio.current_task(loop)
        if before is not None:
            asyncio.tasks._leave_task(loop, before)
        if task is not None:
            asyncio.tasks._enter_task(loop, task)
        return before


def breathe() -> None:
    """Where other threads have their turn, as everywhere in Python's code. For the native module."""


def number(value: Any) -> float:
    """Of any kind, which may have code of its own. For the native module."""
    try:
        return math.ldexp(value, 0)
    except OverflowError:
        return -math.inf if value < 0 else math.inf


def moment(when: Any) -> float:
    """A moment of `loop.time()`; refuses what does not compare. For the native module."""
    try:
        ahead = when - 0.0
    except TypeError:
        raise TypeError(f"a timer is set to a number, in seconds of loop.time(), not to {when!r}") from None
    if not ahead < 0 and not ahead >= 0:
        raise ValueError("a timer cannot be set to NaN")
    return number(when)


def settle_abandoned(task: asyncio.Task[Any], error: BaseException) -> None:
    """Ends a task whose loop will not run again: closes its coroutine and gives it `error` as its outcome."""
    coroutine = task.get_coro()
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    if coroutine is not None:
        try:
            coroutine.close()
        except BaseException as exc:  # it awaited again in a finally block, or raised there
            error.__cause__ = exc
    if not task.done():
        # Task refuses set_exception for itself, Future does not. No loop is left to run callbacks.
        asyncio.Future.set_exception(task, error)
    del task, error


#: The transport of a child process. Windows has another one, whose loop asks for none of this.
SubprocessTransport: Any = getattr(getattr(asyncio, "unix_events", None), "_UnixSubprocessTransport", None)


async def end_executor(loop: asyncio.BaseEventLoop, timeout: float) -> None:
    """Waits for the jobs of the default executor, at most `timeout` seconds, and ends it.

    As `loop.shutdown_default_executor`, which up to 3.12.1 joins a thread when the waiting is given up, and so blocks
    until the last job is done.
    """
    loop._executor_shutdown_called = True  # type: ignore[attr-defined]
    executor = loop._default_executor  # type: ignore[attr-defined]
    if executor is None:
        return
    ended: asyncio.Future[None] = loop.create_future()

    def shut_down() -> None:
        executor.shutdown(wait=True)
        try:
            loop.call_soon_threadsafe(ended.cancel)
        except RuntimeError:
            pass  # the loop was closed, since nobody waited any more

    try:
        threading.Thread(target=shut_down).start()
    except RuntimeError:
        executor.shutdown(wait=False)  # 3.12 starts no thread any more when the main one has ended
        return
    done, _ = await asyncio.wait([ended], timeout=timeout)
    if not done:
        executor.shutdown(wait=False)


def before_threads_end(hook: Callable[[], None]) -> None:
    """Registers `hook` for the end of the main thread, before executors are joined.

    `atexit` runs after that, when a `finally` block could not use an executor any more.
    """
    threading._register_atexit(hook)  # type: ignore[attr-defined]


#: asyncio's own `loop.time`, which reads `monotonic`; how it makes a task; its iteration, which polls the selector; and what
#: calls that again and again.
loop_time = asyncio.BaseEventLoop.time
create_task = asyncio.BaseEventLoop.create_task
run_once: Callable[[asyncio.BaseEventLoop], None] = asyncio.BaseEventLoop._run_once  # type: ignore[attr-defined]
run_forever = asyncio.BaseEventLoop.run_forever


def task_of(handle: asyncio.Handle | None) -> asyncio.Task[Any] | None:
    """The task that a handle is a step of. From 3.14 on no task is the current one in the child of a fork."""
    task = getattr(getattr(handle, "_callback", None), "__self__", None)
    return task if isinstance(task, asyncio.Task) else None


def report_failure(handle: asyncio.Handle, error: BaseException) -> None:
    """Tells the loop's exception handler what a callback has raised, as `asyncio.Handle._run` does."""
    callback, args, loop = handle._callback, handle._args, handle._loop  # type: ignore[attr-defined]
    task = task_of(handle)
    if task is not None and task.done() and not task.cancelled():
        # From 3.14 on a task that has forked cannot be left in the child, which has no running loop: that is the error.
        own = task.exception()
        if isinstance(own, (SystemExit, KeyboardInterrupt)):
            raise own
    debug = {"debug": loop.get_debug()} if _SOURCES_KNOW_DEBUG else {}
    context = {
        "message": f"Exception in callback {format_helpers._format_callback_source(callback, args, **debug)}",
        "exception": error,
        "handle": handle,
    }
    if handle._source_traceback:  # type: ignore[attr-defined]
        context["source_traceback"] = handle._source_traceback  # type: ignore[attr-defined]
    try:
        loop.call_exception_handler(context)
    finally:
        del handle, error, callback, args, context, task  # what the handler raises leads to this frame


def report_slow(handle: asyncio.Handle, seconds: float) -> None:
    """Debug mode tells of a callback that has taken long."""
    base_events.logger.warning("Executing %s took %.3f seconds", base_events._format_handle(handle), seconds)  # type: ignore[attr-defined]
