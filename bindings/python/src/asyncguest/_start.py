"""The functions beside `Guest`: starting a run in the host that is there, or by a plain function, and finding the run
that this code is part of. Host thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypedDict, TypeVar, TypeVarTuple, Unpack

from ._compat import running_loop
from ._detect import find_host
from ._errors import GuestError
from ._guest import Guest, StallReport
from ._host import CallbackHost, Host
from ._hosted import DoneCallback

Ts = TypeVarTuple("Ts")

T = TypeVar("T")


class GuestOptions(TypedDict, total=False):
    """What `Guest` takes beside its host, for type checkers and editors."""

    done_callback: DoneCallback | None
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None
    debug: bool | None
    name: str | None
    batch_budget: float
    max_nesting: int
    stall_after: float | None
    on_stall: Callable[[StallReport], object] | None
    host_uses_signal_set_wakeup_fd: bool


def start(
    async_fn: Callable[[*Ts], Coroutine[Any, Any, Any]],
    *args: *Ts,
    host: Host | Callable[[Callable[[], object]], object] | None = None,
    context: Context | None = None,
    **options: Unpack[GuestOptions],
) -> Guest:
    """Runs `async_fn(*args)` with asyncio as a guest of the main loop that this thread has; returns the run's handle.

    `host`: None finds it: an application, window or loop that is made or runs on this thread, of any toolkit that is
    imported and that `asyncguest.hosts` has an adapter for. One that runs comes before those that are merely made, one
    that stands on another (Tornado on asyncio, wx on GTK) before that one; where a guest lives already, its host it is.
    `context`: for the main task. `options`: those of `Guest`.

        root = tkinter.Tk()
        asyncguest.start(main, done_callback=lambda task: root.destroy())
        root.mainloop()

    Raises GuestError, and starts nothing, if there is no main loop or more than one; it tells what was found. Nothing
    is imported or started by looking. The calling thread becomes the host thread.
    """
    guest = Guest(find_host() if host is None else host, **options)
    guest.start(async_fn, *args, context=context)
    return guest


def start_guest_run(
    async_fn: Callable[[*Ts], Coroutine[Any, Any, T]],
    *args: *Ts,
    run_sync_soon_threadsafe: Callable[[Callable[[], object]], object],
    done_callback: DoneCallback,
    run_sync_soon_not_threadsafe: Callable[[Callable[[], object]], object] | None = None,
    host_uses_signal_set_wakeup_fd: bool = False,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    context: Context | None = None,
    debug: bool | None = None,
    name: str | None = None,
    batch_budget: float = 0.005,
) -> asyncio.Task[T]:
    """Runs `async_fn(*args)` with asyncio as a guest of the main loop that owns this thread; returns its task.

    The name and the shape are those of Trio's guest mode and of the CPython proposal.

    `run_sync_soon_threadsafe(fn)`: makes the host call `fn()` on this thread, soon; called from any thread.
    `done_callback(task)`: called once, on this thread, when the run is over: the main task is done, the rest has been
    cancelled and awaited, and the loop is closed. Never inside this call.
    `run_sync_soon_not_threadsafe(fn)`: a cheaper way that is used on this thread only.
    `host_uses_signal_set_wakeup_fd`: the host has the process's wake-up fd or will set it.
    `loop_factory`: makes the loop, an `EventLoop` or a subclass; on Windows also another proactor loop. `context`: for the
    main task. `debug`: asyncio's. `name`: of the task. `batch_budget`: seconds that the guest may work before the host has
    its turn.

    When it returns, the task has reached its first await and everything works: `task.cancel()` from a button,
    `asyncio.create_task()`, any loop method. Bad arguments raise here. `task.get_loop().guest` is the run's handle.
    """
    if done_callback is None:
        raise TypeError("done_callback is needed: it is how the host learns that the run is over")
    host = CallbackHost(run_sync_soon_threadsafe, run_sync_soon_not_threadsafe, host_uses_signal_set_wakeup_fd)
    guest = Guest(
        host,
        done_callback=done_callback,
        loop_factory=loop_factory,
        debug=debug,
        name=name,
        batch_budget=batch_budget,
    )
    return guest.start(async_fn, *args, context=context)


def current_guest() -> Guest:
    """The guest whose code runs, or whose loop is the running loop of this thread between its deliveries.

    Raises GuestError when there is none.
    """
    guest = getattr(running_loop(), "guest", None)
    if not isinstance(guest, Guest):
        raise GuestError("no guest runs here: call this from the guest's code or on its host thread")
    return guest
