"""What a run begins with: its main task and its loop, or an error that says what to do. Host thread."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from contextvars import Context
from types import CoroutineType
from typing import Any

from . import _options
from ._errors import GuestError
from ._host import Host
from ._loop import EventLoop


def make_coroutine(
    async_fn: Callable[..., Any], args: tuple[Any, ...], context: Context | None
) -> Coroutine[Any, Any, Any]:
    """`async_fn(*args)`; TypeError if that is no coroutine. Leaves none behind that nobody awaits."""
    if not callable(async_fn):
        if asyncio.iscoroutine(async_fn):
            async_fn.close()
            raise TypeError(
                f"{async_fn!r} is a coroutine object: pass the async function and its arguments instead, "
                "start(main, 1) and not start(main(1))"
            )
        raise TypeError(f"an async function was expected, not {async_fn!r}")
    if context is not None and not isinstance(context, Context):
        raise TypeError(f"context must be a contextvars.Context or None, not {context!r}")
    coroutine = async_fn(*args)
    if type(coroutine) is not CoroutineType and not isinstance(
        coroutine, Coroutine
    ):  # asyncio.iscoroutine takes generators too, before 3.12
        raise TypeError(f"{async_fn!r} is not an async function: it returned {coroutine!r}. Declare it with async def.")
    return coroutine


def make_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], name: str | None, context: Context | None
) -> asyncio.Task[Any]:
    """`loop.create_task`, which closes the coroutine if the loop's task factory fails."""
    try:
        if context is None:
            return loop.create_task(coroutine, name=name)  # a factory or an override may know of no context
        return loop.create_task(coroutine, name=name, context=context)
    except BaseException:
        coroutine.close()
        raise


def make_loop(factory: Callable[[], asyncio.AbstractEventLoop], host: Host, **options: Any) -> EventLoop:
    """The loop for a run, fresh and driven as `options` say. One that cannot serve is closed and refused."""
    with _options.new_loops_get(repost_after=host.repost_after, **options):
        loop = factory()
        if sys.platform == "win32":
            from ._carrier import carried_by

            loop = carried_by(loop)
    try:
        if not isinstance(loop, EventLoop):
            raise TypeError(
                f"loop_factory made {loop!r}: a guest needs an asyncguest.EventLoop or a subclass of it, because "
                "another loop waits by itself"
            )
        if loop.is_running() or loop.is_closed() or loop.hosted_run is not None:
            raise GuestError(f"loop_factory returned {loop!r}, which is in use or closed: return a new one")
        if loop.reactor.threaded == host.watches_fds or loop.reactor.host_thread != threading.get_ident():
            raise GuestError("loop_factory returned a loop that was made before or on another thread: make it inside")
    except BaseException:
        close = getattr(loop, "close", None)
        if close is not None and not (isinstance(loop, EventLoop) and loop.is_running()):
            close()
        raise
    return loop
