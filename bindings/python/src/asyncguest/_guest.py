"""The handle of a run: what a program holds of it, and is told of a host that is stuck.

Owns: nothing; the run itself is in `_hosted.py`. Host thread only, except where a method says otherwise. The report of a
stall is made on a thread of the library, which holds the interpreter lock for that time.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

from ._base_guest import BaseGuest
from ._errors import GuestClosed
from ._factory import make_coroutine, make_task
from ._host import Host, adapter_of
from ._hosted import DoneCallback, HostedRun
from ._loop import EventLoop
from ._native import STALL_DELIVERING
from ._reports import log
from ._resident import State
from ._stats import GuestStats

Ts = TypeVarTuple("Ts")

T = TypeVar("T")


class Guest(BaseGuest[HostedRun]):
    """The handle of one run of asyncio inside a host's main loop.

    `host`: an adapter (see `asyncguest.hosts`) or a function `run_sync_soon_threadsafe(fn)`.
    `done_callback(task)`: called once, on the host thread, when the run is over and cleaned up.
    `loop_factory`: makes the loop; `EventLoop` or a subclass of it, on Windows also another proactor loop. `debug`: asyncio's debug mode.
    `name`: for messages and the main task. `batch_budget`: seconds that one delivery may take.
    `max_nesting`: how many nested host loops (dialogs opened by callbacks) are followed; 0 refuses them.
    `stall_after`: seconds after which a stuck host is reported, with its Python stack, to `on_stall(report)` on a
    thread of the library, or else to the logger "asyncguest". None, the default: never.
    `host_uses_signal_set_wakeup_fd`: the host has or will have the process's wake-up fd.

    Making a Guest claims nothing yet; `start` does. One Guest is one run.
    """

    record: HostedRun

    def __init__(
        self,
        host: Host | Callable[[Callable[[], object]], object],
        *,
        done_callback: DoneCallback | None = None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
        debug: bool | None = None,
        name: str | None = None,
        batch_budget: float = 0.005,
        max_nesting: int = 64,
        stall_after: float | None = None,
        on_stall: Callable[[StallReport], object] | None = None,
        host_uses_signal_set_wakeup_fd: bool = False,
    ) -> None:
        adapter = adapter_of(host)
        for what, function in (
            ("done_callback", done_callback),
            ("loop_factory", loop_factory),
            ("on_stall", on_stall),
        ):
            if function is not None and not callable(function):
                raise TypeError(f"{what} must be callable, not {function!r}")
        if not batch_budget > 0:
            raise ValueError(f"batch_budget is in seconds and must be above 0, not {batch_budget!r}")
        if max_nesting < 0:
            raise ValueError(f"max_nesting is a count, 0 for none, not {max_nesting!r}")
        if stall_after is not None and not stall_after > 0:
            raise ValueError(f"stall_after is in seconds and must be above 0, or None, not {stall_after!r}")
        self.record = HostedRun(
            adapter,
            name,
            done_callback=done_callback,
            loop_factory=loop_factory,
            debug=debug,
            batch_budget=batch_budget,
            max_nesting=max_nesting,
            stall_after=stall_after,
            leave_wakeup_fd=host_uses_signal_set_wakeup_fd or adapter.uses_wakeup_fd,
        )
        if stall_after is not None:
            self.record.on_stall = partial(_report_stall, self.record, on_stall)

    # ---- what users ask

    @property
    def name(self) -> str | None:
        """The name that it was given. Any thread."""
        return self.record.name

    @property
    def state(self) -> State:
        """ "new", "running", "ending" (the main task is done, the clean-up runs) or "ended". Any thread."""
        return self.record.state

    @property
    def loop(self) -> EventLoop:
        """The event loop of the run."""
        return self.record.event_loop

    @property
    def task(self) -> asyncio.Task[Any]:
        """The main task."""
        if self.record.task is None:
            raise GuestClosed("the guest has no main task yet: call start(async_fn) first")
        return self.record.task

    @property
    def interrupted_count(self) -> int:
        """How often Ctrl-C came during the run. The first one cancelled the main task."""
        return self.record.interrupted_count

    def stats(self) -> GuestStats:
        """Counters and histograms of the run so far; after its end, the last ones. Any thread while it runs."""
        return self.record.stats()

    # ---- start

    def start(
        self,
        async_fn: Callable[[*Ts], Coroutine[Any, Any, T]],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """Starts the run; returns the task of `async_fn(*args)`, which has reached its first await by then.

        The calling thread becomes the host thread; its loop may run already or start later. `context`: for the main
        task, default a copy of the current one. What cannot work raises here, and nothing is left behind then.
        """
        return self.record.start(self, make_coroutine(async_fn, args, context), context)

    # ---- while it runs

    def start_soon(
        self,
        async_fn: Callable[[*Ts], Coroutine[Any, Any, T]],
        *args: *Ts,
        eager: bool = True,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """Starts `async_fn(*args)` as a task of the run, from any code on the host thread.

        `eager`: it runs inside this call up to its first suspension, so that what it does first has happened when a
        click handler returns. The task is kept alive until it is done. An exception that nobody fetches is reported
        by asyncio as for any task.
        """
        coroutine = make_coroutine(async_fn, args, context)
        try:
            deliveries = self.record.in_charge("start_soon")
        except BaseException:
            coroutine.close()
            raise
        if eager:
            return self.record.begin(coroutine, name, context)
        try:
            task = make_task(deliveries.loop, coroutine, name, context)
            self.record.keep(task)
            return task
        finally:
            task = None  # type: ignore[assignment]  # a task factory may have run its first step, which may have failed

    def deliver(self) -> bool:
        """One delivery now, for a host that steps its guests itself (once per frame). Returns whether there is more."""
        return self.record.deliver()

    def cancel(self, msg: str | None = None) -> bool:
        """Cancels the main task, which ends the run. Any thread.

        Returns False if the main task is done already; from another thread than the host's, as far as can be seen there.
        """
        return self.record.cancel(msg)

    def shutdown(self, deadline: float = 5.0) -> bool:
        """Ends the run without the host's help: for a host whose loop is over, or about to be.

        Cancels the main task and drives the clean-up right here, for at most `deadline` seconds, so that `finally`
        blocks run. What has not finished then is abandoned and named in one RuntimeWarning. `done_callback` has been
        called when this returns. Returns whether everything finished. Not from guest code: that calls `cancel()`.
        """
        return self.record.shutdown(deadline)


@dataclass(frozen=True)
class StallReport:
    """Who blocks the host's loop."""

    #: The run that does not get its delivery, or does not end it.
    guest: Guest
    #: Seconds that it has lasted so far.
    seconds: float
    #: True: a callback of the guest does not return. False: the host's own code does not.
    in_guest: bool
    #: The Python stack of the host thread at this moment, outermost call first.
    stack: traceback.StackSummary

    def __str__(self) -> str:
        where = "a callback of the guest does not return" if self.in_guest else "the host's loop does not run"
        lines = "".join(self.stack.format())
        return f"{self.guest!r}: stuck for {self.seconds:.3f} s, {where}. The host thread is at:\n{lines}"


def _report_stall(run: HostedRun, on_stall: Callable[[StallReport], object] | None, kind: int, seconds: float) -> None:
    """The library has noticed. Must not raise."""
    frame = sys._current_frames().get(run.host_thread)
    stack = traceback.StackSummary() if frame is None else traceback.extract_stack(frame)
    report = StallReport(run.guest, seconds, kind == STALL_DELIVERING, stack)
    if on_stall is None:
        log.warning("%s", report)
        return
    try:
        on_stall(report)
    except BaseException:
        log.exception("on_stall failed")
