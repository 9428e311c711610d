"""The event loop: CPython's selector loop, waiting in the library.

Owns: the reactor of one loop, and what a change made by host code does to it. Everything here runs on the loop's own
thread, except `call_soon_threadsafe`. How a host drives it is in `_delivery.py`.
"""

from __future__ import annotations

import asyncio
import math
import os
import select
import sys
import threading
from collections.abc import Callable, Sequence
from contextvars import Context
from time import monotonic
from typing import TYPE_CHECKING, Any

from . import _options
from ._children import Children
from ._compat import ORIGIN_DEPTH, forget_last_frame, running_loop, set_running_loop
from ._cpython_loop import LOOK_EVERY
from ._native import Reactor, seconds
from ._selector import GuestSelector
from ._signals import SignalHandlers
from ._transport import TransportLoop
from ._wakeup_fd import WakeupFd

if TYPE_CHECKING:
    from typing import TypeVarTuple

    from ._run import Run

    Ts = TypeVarTuple("Ts")

# How asyncio begins to say it, and what it cannot know.
_FOREIGN = "attached to a different loop"
_FOREIGN_HINT = (
    "two event loops live on this thread. Code of the other one that is called while a guest's code stands in a dialog "
    "finds the guest's loop as the running one, and makes its tasks there: give it its loop by name, or open the dialog "
    "outside of the guest's code"
)

# As CPython: a longer wait than a day is cut.
_LONGEST_WAIT = 24 * 3600


class EventLoop(TransportLoop):
    """A full asyncio event loop whose waiting can be done for it by a host.

    Without a host it is used like any loop: `asyncguest.run(main())`, `asyncio.Runner(loop_factory=EventLoop)`.
    With one, `start_guest_run` makes it and `guest` leads to the run's handle. Then every method may be called from
    any code on the host thread at any time, also between the guest's deliveries; the guest notices by itself.

    What it can do is what CPython's selector loop can: streams, TLS, UDP, Unix sockets, pipes, subprocesses,
    `sock_*`, `sendfile`, executors, signals, debug mode.

    `native`: the data of connected sockets is moved by native transports, which behave as CPython's. False: by CPython's
    own. As a guest: `loop_factory=lambda: EventLoop(native=False)`.
    """

    #: The run that this loop belongs to, or None. For the package itself.
    hosted_run: Run | None = None

    def __init__(self, *, native: bool = True) -> None:
        self._reactor = Reactor(**_options.for_new_loop())
        self._handlers = SignalHandlers(self, self._reactor)
        self._children = Children(self)
        self._look_at = 0.0
        try:
            super().__init__(GuestSelector(self._reactor, self._polled_by_hand), native)
        except BaseException:
            self._reactor.close()
            raise

    @property
    def guest(self) -> Any:
        """The `Guest` of the run that this loop belongs to, or None."""
        return None if self.hosted_run is None else self.hosted_run.guest

    @property
    def reactor(self) -> Reactor:
        """The native guest. For the package itself."""
        return self._reactor

    # ---- what host code may call while the guest sleeps

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Calls `callback(*args)` in the next iteration. As a guest: from any code on the host thread."""
        if self._debug or self._closed:
            handle = super().call_soon(callback, *args, context=context)
            forget_last_frame(handle)
        else:
            handle = asyncio.Handle(callback, args, self, context)
            self._ready.append(handle)
        if self.idle:
            self.rouse()
        return handle

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """Schedules a coroutine. As a guest: one that host code starts between deliveries is kept alive until done."""
        task = super().create_task(coro, **options)
        try:
            if self.hosted_run is not None and (self.running_handle is None or self.idle):
                self.hosted_run.keep(task)
            return task
        finally:
            del task  # a first step that a task factory has run here may have failed: see iterate

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Calls `callback(*args)` at `when`, in the time of `time()`. As a guest: from any code on the host thread."""
        try:
            is_number = (ahead := when - 0.0) < 0 or ahead >= 0
        except TypeError:
            # Before anything is stored: one that cannot be compared would break the order of all timers.
            raise TypeError(f"a timer is set to a number, in seconds of loop.time(), not to {when!r}") from None
        if not is_number:
            raise ValueError("a timer cannot be set to NaN")
        timer = super().call_at(when, callback, *args, context=context)
        if self._debug:
            forget_last_frame(timer)
        if self.idle:
            at, alarm_at = self.in_monotonic(when), self._reactor.alarm_at
            if alarm_at is None or at < alarm_at:  # type: ignore[operator]
                self._reactor.set_alarm(at)
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        # asyncio's own hook. A guest must not be woken for a timer that is not there any more.
        super()._timer_handle_cancelled(handle)  # type: ignore[misc]
        if self.idle:
            if self.drop_next_timer(handle):
                self._reactor.set_alarm(self.in_monotonic(self.next_deadline()))
            else:
                self.prune_timers()

    def _write_to_self(self) -> None:
        # asyncio's own hook of call_soon_threadsafe: any thread, and also late, when the loop is closed.
        self._reactor.wake()

    def stop(self) -> None:
        """Stops `run_forever`. As a guest, where nobody is inside that: ends the run, as `guest.cancel()` does."""
        if self.hosted_run is not None:
            self.hosted_run.cancel("the loop was stopped")
        else:
            super().stop()

    def rouse(self) -> None:
        """The guest has something to do: one wake-up, however much follows before its delivery."""
        self.idle = False
        self._reactor.wake()

    # ---- signals

    def add_signal_handler(  # typeshed: BaseEventLoop and AbstractEventLoop differ
        self, sig: int, callback: Callable[[*Ts], object], *args: *Ts
    ) -> None:
        """Calls `callback(*args)` in the loop when the signal comes. Main thread of the interpreter only.

        The process's wake-up fd (`signal.set_wakeup_fd`) is not touched: the library's own handler tells the loop.
        Raises what asyncio raises: TypeError for a coroutine function, ValueError for a number that is no signal,
        RuntimeError on another thread or for a signal that cannot be caught.
        """
        self._check_closed()  # type: ignore[attr-defined]
        self._handlers.add(sig, callback, args)

    def remove_signal_handler(self, sig: int) -> bool:
        """Removes it and puts back the default. Returns whether there was one."""
        return not self._closed and self._handlers.remove(sig)

    def signal_arrived(self, signum: int, count: int) -> None:
        self._handlers.arrived(signum, count)

    # ---- subprocesses

    async def _make_subprocess_transport(self, *args: Any, **options: Any) -> Any:
        # asyncio's own hook of subprocess_exec and subprocess_shell.
        return await self._children.start(*args, **options)

    # ---- running without a host

    def run_forever(self) -> None:
        """Runs until `stop()` is called. Waits in the library, without the interpreter lock."""
        # Here, because 3.13 cleans up after a run that it has refused: the loop that does run would lose its state.
        self._check_closed()  # type: ignore[attr-defined]
        self._check_running()  # type: ignore[attr-defined]
        self._check_not_hosted()
        with WakeupFd(self, self._reactor), self._reactor.delivery():
            super().run_forever()

    def run_until_complete(self, future: Any) -> Any:
        """Runs until the future is done; returns its result or raises its exception."""
        try:
            return super().run_until_complete(future)
        except BaseException:
            if self._reactor.closed and asyncio.isfuture(future) and future.done() and not future.cancelled():
                future.exception()  # the child of a fork leaves by it: nobody need say "never retrieved"
            raise

    def _run_once(self) -> None:
        # asyncio's own hook: one iteration of run_forever.
        if self.hosted_run is not None or self._thread_id is None:
            super()._run_once()  # type: ignore[misc]  # by hand: by way of the selector, like anybody's
            return
        pairs: Sequence[int] = ()
        if not self._ready and not self._stopping:
            pairs = self._reactor.poll(self._until_next_timer())
            self._look_at = monotonic() + LOOK_EVERY
        elif self._stopping or monotonic() >= self._look_at:
            pairs = self._reactor.poll()
            self._look_at = monotonic() + LOOK_EVERY
            self.prune_timers()
        self.iterate(pairs, _NEVER)

    def _polled_by_hand(self) -> None:
        """Somebody else has waited, and may have taken up what the host was to be woken for: it is in charge again."""
        if self.hosted_run is not None:
            self.idle = True
            if self.has_ready():
                self.rouse()
            else:
                self._reactor.set_alarm(self.in_monotonic(self.next_deadline()))

    def run_waiting(self, until: float) -> None:
        """One iteration inside an open delivery that waits, at the longest until `until`. For the end of a run."""
        self.unpark()
        if self.has_ready():
            pairs = self._reactor.poll()
        else:
            when, wait = self.next_deadline(), until - monotonic()
            pairs = self._reactor.poll(seconds(wait if when is None else min(wait, when - self.time())))
        self.iterate(pairs, until)

    def _until_next_timer(self) -> int | None:
        when = self.next_deadline()
        return None if when is None else seconds(min(when - self.time(), _LONGEST_WAIT))

    # ---- one iteration in three steps

    def poll_events(self, timeout: float | None = None) -> bool:
        """Waits until something is due, for at most `timeout` seconds; without the interpreter lock.

        The first step of one iteration. It may run on another thread while the loop's own thread does something
        else, and changes nothing. Returns what `process_events` takes: whether anything is due. For a loop that
        neither runs nor has a host.
        """
        self._check_closed()  # type: ignore[attr-defined]
        self._check_not_hosted()
        if self._ready or self._stopping:
            return True
        when = self.earliest()
        if when is not None:
            until = max(0.0, when - self.time())
            timeout = until if timeout is None else min(timeout, until)
        fds = select.poll()
        fds.register(self._reactor.fd, select.POLLIN)
        return bool(fds.poll(None if timeout is None else math.ceil(min(max(0.0, timeout), _LONGEST_WAIT) * 1000)))

    def process_events(self, events: bool) -> None:
        """Takes what is ready up and queues its callbacks, timers included: the second step of one iteration.

        `events`: what `poll_events` returned; False needs no look at the fds. The loop's own thread.
        """
        self._check_closed()  # type: ignore[attr-defined]
        self._check_not_hosted()
        self.prune_timers()
        if events:
            with self._reactor.delivery():
                self.queue_readiness(self._reactor.poll())
        self.queue_due_timers(self.time())

    def process_ready(self) -> None:
        """Runs the callbacks that are ready at this moment: the third step of one iteration. The loop's own thread."""
        self._check_closed()  # type: ignore[attr-defined]
        self._check_not_hosted()
        outer = running_loop()
        if outer is not None and outer is not self:
            raise RuntimeError("another event loop is running in this thread: step this one outside of it")
        claimed = self._thread_id is None
        if claimed:
            self.claim(threading.get_ident())
        origins, hooks = sys.get_coroutine_origin_tracking_depth(), sys.get_asyncgen_hooks()
        if self._debug:
            sys.set_coroutine_origin_tracking_depth(ORIGIN_DEPTH)
        sys.set_asyncgen_hooks(*self.asyncgen_hooks())
        set_running_loop(self)
        try:
            self.run_ready(_NEVER)
        finally:
            set_running_loop(outer)
            sys.set_asyncgen_hooks(*hooks)
            sys.set_coroutine_origin_tracking_depth(origins)
            if claimed:
                self.release()

    # ---- reports

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """As asyncio's. For a task that met another loop's future, `context` says under "hint" how that comes about."""
        error = context.get("exception")
        if type(error) is RuntimeError and any(isinstance(text, str) and _FOREIGN in text for text in error.args):
            context = {**context, "hint": _FOREIGN_HINT}
        super().call_exception_handler(context)

    # ---- the end

    def close(self) -> None:
        """Closes the loop; a loop that runs, alone or as a guest, has to end first."""
        if self.is_running():
            raise RuntimeError("Cannot close a running event loop")
        if not self._closed:
            self._handlers.remove_all()
            self._children.close()
            del self._handlers, self._children  # they lead back here
        super().close()

    def _check_not_hosted(self) -> None:
        if self.hosted_run is not None:
            raise RuntimeError("this loop is driven by its host: it cannot be run or stepped by hand")


_NEVER = float("inf")


def run(main: Any, *, debug: bool | None = None) -> Any:
    """Runs a coroutine without a host, in an `EventLoop`; otherwise `asyncio.run`.

    `main`: a coroutine. Returns its result or raises its exception. Not inside a running loop (RuntimeError).
    """
    if running_loop() is not None:
        if asyncio.iscoroutine(main):
            main.close()
        raise RuntimeError("asyncguest.run() cannot be called from a running event loop")
    if not asyncio.iscoroutine(main):
        raise ValueError(f"a coroutine was expected, got {main!r}: call the async function, as in run(main())")
    process = os.getpid()
    runner = asyncio.Runner(debug=debug, loop_factory=EventLoop)
    try:
        return runner.run(main)
    finally:
        if os.getpid() == process:  # the child of a fork inside goes its own way
            runner.close()
