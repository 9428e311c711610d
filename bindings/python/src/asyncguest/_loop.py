"""The event loop: CPython's selector loop, on Windows with its proactor, waiting in the library.

Owns: what of the loop users see, beside `call_soon` and its like, which are `LoopCore`'s. Everything here runs on the loop's
own thread. How a host drives it is in `_delivery.py`.
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVarTuple

from . import _options
from ._compat import run_forever, running_loop
from ._cpython_loop import CPythonLoop
from ._native import LONGEST_WAIT, Reactor, seconds
from ._selector import GuestSelector
from ._signals import SignalHandlers
from ._system import NATIVE_TRANSPORTS, Children, is_ready
from ._wakeup_fd import WakeupFd

if TYPE_CHECKING:
    from ._run import Run

Ts = TypeVarTuple("Ts")

# How asyncio begins to say it, and what it cannot know.
_FOREIGN = "attached to a different loop"
_FOREIGN_HINT = (
    "two event loops live on this thread. Code of the other one that is called while a guest's code stands in a dialog "
    "finds the guest's loop as the running one, and makes its tasks there: give it its loop by name, or open the dialog "
    "outside of the guest's code"
)


class EventLoop(CPythonLoop):
    """A full asyncio event loop whose waiting can be done for it by a host.

    Without a host it is used like any loop: `asyncguest.run(main())`, `asyncio.Runner(loop_factory=EventLoop)`.
    With one, `start_guest_run` makes it and `guest` leads to the run's handle. Then every method may be called from
    any code on the host thread at any time, also between the guest's deliveries; the guest notices by itself.

    What it can do is what CPython's selector loop can: streams, TLS, UDP, Unix sockets, pipes, subprocesses,
    `sock_*`, `sendfile`, executors, signals, debug mode. On Windows it is CPython's proactor loop, with named pipes, and has
    `add_reader` and `add_writer` for sockets as well, and `add_signal_handler` for SIGINT and SIGBREAK.

    `native`: the data of sockets and pipes, on Windows of connected sockets alone, is moved by native transports, which behave
    as those of CPython's selector loop. False, the default on Windows: by CPython's own. As a guest:
    `loop_factory=lambda: EventLoop(native=False)`.
    """

    #: The run that this loop belongs to, or None. For the package itself.
    hosted_run: Run | None

    def __init__(self, *, native: bool = NATIVE_TRANSPORTS) -> None:
        reactor = Reactor(**_options.for_new_loop())
        self._handlers = SignalHandlers(self, reactor)
        self._children = Children(self)
        try:
            super().__init__(reactor, GuestSelector(reactor, self._polled_by_hand), native)
        except BaseException:
            reactor.close()
            raise

    @property
    def guest(self) -> Any:
        """The `Guest` of the run that this loop belongs to, or None."""
        return None if self.hosted_run is None else self.hosted_run.guest

    # ---- what is asked of it

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """Schedules a coroutine. As a guest: one that host code starts between deliveries is kept alive until done."""
        run = self.hosted_run
        if run is None:
            return super().create_task(coro, **options)
        of_host = self.running_handle is None or self.idle
        try:
            if self._task_factory is not None and (of_host or running_loop() is not self):  # type: ignore[attr-defined]
                with run.in_place():  # an eager one runs the first step right here
                    task = super().create_task(coro, **options)
            else:
                task = super().create_task(coro, **options)
            if of_host:
                run.keep(task)
            return task
        finally:
            task = None  # type: ignore[assignment]  # a first step that was run here may have failed: see run_first_step

    def stop(self) -> None:
        """Stops `run_forever`. As a guest, where nobody is inside that: ends the run, as `guest.cancel()` does."""
        if self.hosted_run is not None:
            self.hosted_run.cancel("the loop was stopped")
        else:
            super().stop()

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
        """A watched signal has come `count` times. For the package itself."""
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
        with WakeupFd(self, self.reactor), self.reactor.delivery():
            behind = super().run_forever
            if getattr(behind, "__func__", None) is run_forever:
                self.run_on()  # all of its iterations in one call
            behind()

    def run_until_complete(self, future: Any) -> Any:
        """Runs until the future is done; returns its result or raises its exception."""
        try:
            return super().run_until_complete(future)
        except BaseException:
            if self.reactor.closed and asyncio.isfuture(future) and future.done() and not future.cancelled():
                future.exception()  # the child of a fork leaves by it: nobody need say "never retrieved"
            raise

    def _polled_by_hand(self) -> None:
        """Somebody else has waited, and may have taken up what the host was to be woken for: it is in charge again."""
        if self.hosted_run is not None:
            self.idle = True
            when = self.next_deadline()
            if self.has_ready() or (when is not None and when <= self.time()):
                self.rouse()  # an alarm that was taken up does not come again
            else:
                self.set_alarm()

    def run_waiting(self, until: float) -> None:
        """One iteration inside an open delivery that waits, at the longest until `until`. For the end of a run."""
        when, wait = self.next_deadline(), until - monotonic()
        self.iterate(seconds(wait if when is None else min(wait, when - self.time())), until)

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
        milliseconds = None if timeout is None else math.ceil(min(max(0.0, timeout), LONGEST_WAIT) * 1000)
        return is_ready(self.reactor.fd, milliseconds)

    def process_events(self, events: bool) -> None:
        """Takes what is ready up and queues its callbacks, timers included: the second step of one iteration.

        `events`: what `poll_events` returned; False needs no look at the fds. The loop's own thread.
        """
        self._check_closed()  # type: ignore[attr-defined]
        self._check_not_hosted()
        if events:
            with self.reactor.delivery():
                self.look()
        self.queue_due_timers()

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
        try:
            with self.inside():
                self.run_ready()
        finally:
            if claimed:
                self.release()
            if not self.depth:  # this one was no step inside of a dialog
                self.unpark()

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


#: For the native module, which asks whether it is the one that is used.
own_create_task = EventLoop.create_task


def run(
    main: Any, *, debug: bool | None = None, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> Any:
    """Runs a coroutine without a host, in an `EventLoop`; otherwise `asyncio.run`.

    `main`: a coroutine. `loop_factory`: makes the loop, as in `loop_factory=lambda: EventLoop(native=False)`; default:
    `EventLoop`. Returns the coroutine's result or raises its exception. Not inside a running loop (RuntimeError).
    """
    if running_loop() is not None:
        if asyncio.iscoroutine(main):
            main.close()
        raise RuntimeError("asyncguest.run() cannot be called from a running event loop")
    if not asyncio.iscoroutine(main):
        raise ValueError(f"a coroutine was expected, got {main!r}: call the async function, as in run(main())")
    process = os.getpid()
    runner = asyncio.Runner(debug=debug, loop_factory=loop_factory or EventLoop)
    try:
        return runner.run(main)
    finally:
        if os.getpid() == process:  # the child of a fork inside goes its own way
            runner.close()
