"""CPython's selector loop with its engine room open: its iteration, in steps.

Owns: the loop's queue of what is ready, its timers, and what waits for a nested host loop. The loop's own thread only.
Its private names are those of CPython 3.11 to 3.13, used as in `_compat.py`.
"""

from __future__ import annotations

import asyncio
import heapq
import inspect
import sys
from asyncio import base_events
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from time import monotonic
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from ._compat import swap_current_task

if TYPE_CHECKING:
    from ._selector import GuestSelector

# asyncio.base_events: below this number cancelled timers are left in the heap until their turn comes.
_FEW_TIMERS = 100

# Seconds after which a loop that has callbacks ready looks at the system's poller between them. A look costs as much as a
# short callback does; when nothing is ready it comes at once.
LOOK_EVERY = 50e-6

_plain_time = asyncio.BaseEventLoop.time


class CPythonLoop(asyncio.SelectorEventLoop):
    """CPython's selector loop with its engine room open.

    What it inherits (transports, servers, subprocesses, executors, name resolution, sendfile) calls the public
    methods; what it overrides is one iteration, which here can be cut by a budget and entered again by a nested
    host loop. The semantics of an iteration are `BaseEventLoop._run_once`'s: poll, then timers that are due, then
    as many callbacks as were ready when the running began.
    """

    # Names that BaseEventLoop sets in __init__ (3.11 to 3.13); declared for the type checker.
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _timer_cancelled_count: int
    _stopping: bool
    _closed: bool
    _debug: bool
    _thread_id: int | None
    _clock_resolution: float
    _selector: GuestSelector

    def __init__(self, selector: GuestSelector) -> None:
        #: The host's loop is in charge and will not look here by itself: what becomes due has to wake it.
        self.idle = False
        #: The handle that is being run: its context is entered, and so is its task.
        self.running_handle: asyncio.Handle | None = None
        #: Handles whose context is entered by a callback that stands in a nested host loop.
        self._entered: list[asyncio.Handle] = []
        #: Handles that have to wait until that callback returns, with the depth at which they were met. None stands for
        #: the callback of an fd: it is reported again then.
        self._parked: list[tuple[int, asyncio.Handle | None]] = []
        #: How many handles of an iteration are left that was cut, as the time was over.
        self._left = 0
        #: Called once, when what was ready at the beginning of this iteration has run, and before anything else does.
        self.after_iteration: Callable[[], object] | None = None
        super().__init__(selector)

    # ---- one iteration

    def iterate(self, pairs: Sequence[int], until: float) -> float:
        """One iteration: what a look has found (`pairs`), the timers that are due, and what is ready then, in order.

        What is left when the time is over keeps its order, and is the whole of the next call. At least one callback
        runs. Returns the time, or 0.0 if there is some left and nothing to do with it. SystemExit and KeyboardInterrupt pass.

        The traceback of an exception leads to every frame that was on the stack when it was raised. So a frame of the
        package that calls user code holds no task, handle or exception when it ends: each would be in a cycle.
        """
        ready = self._ready
        self.idle = False
        if self._parked:
            self.unpark()
        handle: asyncio.Handle | None = None
        if pairs:
            # Most often one fd is readable, and nothing else is ready: its callback need not go through the queue. After a
            # sleep the caches are cold, and each call costs microseconds.
            if not ready and len(pairs) == 2 and pairs[1] == 1 and pairs[0] in self._selector.keys:
                handle = self._selector.keys[pairs[0]].data[0]
            if handle is None or handle._cancelled or self._entered or self._debug:
                handle = None
                self.queue_readiness(pairs)
        if self._scheduled:
            self.queue_due_timers(self.time())
        if self._entered or self._debug:
            return self.run_ready(until)
        now, left = 0.0, len(ready)
        if 0 < self._left < left:
            left = self._left
        try:
            while handle is not None or (left and ready):  # a nested delivery may have run the rest
                if handle is None:
                    left -= 1
                    handle = ready.popleft()
                if not handle._cancelled:
                    self.running_handle = handle
                    handle._run()
                    now = monotonic()
                    if now >= until:
                        break
                handle = None
        finally:
            self.running_handle = handle = None
            self._left = left
            if self.after_iteration is not None:
                self._queue_after()
        return now if ready or now >= until else 0.0

    def has_work(self) -> bool:
        """Whether the next iteration has something to run, also if nothing is found that has become ready meanwhile."""
        if self._parked:
            self.unpark()
        if self._ready or self.after_iteration is not None:
            return True
        return bool(self._scheduled) and self._scheduled[0]._when < self.time() + self._clock_resolution  # type: ignore[attr-defined]

    def has_plain_time(self) -> bool:
        """Whether `time` is asyncio's own, which is `monotonic`. A subclass may override it, and tests patch either."""
        clock = base_events.time  # type: ignore[attr-defined]
        return getattr(self.time, "__func__", None) is _plain_time and clock.monotonic is monotonic

    def in_monotonic(self, when: float | None) -> float | None:
        """`when`, in the time of `time()`, as the reactor's alarm takes it."""
        return when if when is None or self.has_plain_time() else when - self.time() + monotonic()

    def has_ready(self) -> bool:
        """Whether a callback could run at once."""
        return bool(self._ready) or self.after_iteration is not None

    def next_deadline(self) -> float | None:
        """When the earliest timer that was not cancelled is due, in the time of `time()`."""
        self.prune_timers()
        return self._scheduled[0]._when if self._scheduled else None  # type: ignore[attr-defined]

    def earliest(self) -> float | None:
        """`next_deadline` for another thread: it looks and touches nothing, so a timer that was cancelled counts too."""
        try:
            return self._scheduled[0]._when  # type: ignore[attr-defined, no-any-return]
        except IndexError:
            return None

    def drop_next_timer(self, handle: asyncio.TimerHandle) -> bool:
        """Takes `handle`, which is being cancelled, out if it is the one that the waiting ends for."""
        if not self._scheduled or self._scheduled[0] is not handle:
            return False
        heapq.heappop(self._scheduled)
        handle._scheduled = False  # type: ignore[attr-defined]
        self._timer_cancelled_count -= 1
        return True

    def prune_timers(self) -> None:
        """Takes cancelled timers out: those at the head, or all when they are many."""
        scheduled = self._scheduled
        if self._timer_cancelled_count * 2 > len(scheduled) > _FEW_TIMERS:
            kept = []
            for handle in scheduled:
                if handle._cancelled:
                    handle._scheduled = False  # type: ignore[attr-defined]
                else:
                    kept.append(handle)
            heapq.heapify(kept)
            self._scheduled = kept
            self._timer_cancelled_count = 0
            return
        while scheduled and scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(scheduled)._scheduled = False  # type: ignore[attr-defined]

    def queue_due_timers(self, now: float) -> None:
        """Moves the timers that are due at `now`, in the time of `time()`, to the ready queue, by deadline."""
        scheduled, ready = self._scheduled, self._ready
        end = now + self._clock_resolution
        while scheduled and scheduled[0]._when < end:  # type: ignore[attr-defined]
            handle = heapq.heappop(scheduled)
            handle._scheduled = False  # type: ignore[attr-defined]
            ready.append(handle)

    def queue_readiness(self, pairs: Sequence[int]) -> None:
        """Queues the callbacks of what a look at the reactor has found: fd and readiness, by turns."""
        keys, ready = self._selector.keys, self._ready
        it = iter(pairs)
        for fd, flags in zip(it, it):
            if fd < 0:
                self.signal_arrived(-fd, flags)
                continue
            key = keys.get(fd)
            if key is None:
                continue
            reader, writer = key.data
            # As CPython's EpollSelector: an error or a hang-up is reported to both sides.
            if reader is not None and flags & ~2:
                if reader._cancelled:
                    self._remove_reader(fd)  # type: ignore[attr-defined]
                else:
                    ready.append(reader)
            if writer is not None and flags & ~1:
                if writer._cancelled:
                    self._remove_writer(fd)  # type: ignore[attr-defined]
                else:
                    ready.append(writer)

    def queue_handle(self, handle: asyncio.Handle) -> None:
        """Queues a handle that exists already."""
        if not handle._cancelled:
            self._ready.append(handle)

    def signal_arrived(self, signum: int, count: int) -> None:
        """A watched signal has come `count` times. Overridden by the loop."""
        raise NotImplementedError

    def _queue_after(self) -> None:
        """Queues what is to be called when the iteration is over."""
        assert self.after_iteration is not None
        callback, self.after_iteration = self.after_iteration, None
        self._ready.insert(self._left, asyncio.Handle(callback, (), self))

    def run_ready(self, until: float) -> float:
        """The last part of an iteration, also in debug mode, which times each callback, and inside a nested host loop."""
        ready = self._ready
        now, left = monotonic(), 0
        try:
            for left in range(min(self._left or len(ready), len(ready)) - 1, -1, -1):
                if not ready:
                    break  # a nested delivery has run the rest
                handle = ready.popleft()
                if handle._cancelled:
                    continue
                if self._entered and self._park_if_entered(handle):
                    continue
                self.running_handle = handle
                self._current_handle = handle if self._debug else None
                began = now
                handle._run()
                self._current_handle = None
                now = monotonic()
                if self._debug and now - began >= self.slow_callback_duration:
                    base_events.logger.warning(  # type: ignore[attr-defined]
                        "Executing %s took %.3f seconds",
                        base_events._format_handle(handle),  # type: ignore[attr-defined]
                        now - began,
                    )
                if now >= until:
                    break
        finally:
            self._current_handle = self.running_handle = handle = None  # type: ignore[assignment]
            self._left = left
            if self.after_iteration is not None:
                self._queue_after()
        return now if ready or now >= until else 0.0

    # ---- nested host loops

    def _park_if_entered(self, handle: asyncio.Handle) -> bool:
        """Keeps a handle whose context a callback further out has entered: a context cannot be entered twice."""
        context = handle._context  # type: ignore[attr-defined]
        if all(outer._context is not context for outer in self._entered):  # type: ignore[attr-defined]
            return False
        # The fd of a callback that stands would report the same again and again. It is muted; whether it is still ready
        # when the callback has returned is seen then.
        of_fd = handle in self._entered and self._selector.mute(handle)
        self._parked.append((len(self._entered), None if of_fd else handle))
        return True

    def enter_nested(self) -> tuple[asyncio.Handle | None, asyncio.Task[Any] | None]:
        """A delivery begins while a callback of another one is on the stack: parks its task and its context.

        The prototype of parking a task with `_swap_current_task` is from the asyncio tests of eager tasks.
        """
        outer = self.running_handle
        if outer is not None:
            self._entered.append(outer)
            self.running_handle = None
        return outer, swap_current_task(self, None)

    def leave_nested(self, parked: tuple[asyncio.Handle | None, asyncio.Task[Any] | None]) -> None:
        """The end of what `enter_nested` began."""
        outer, task = parked
        swap_current_task(self, task)
        self.running_handle = outer
        if outer is not None:
            self._entered.pop()

    def unpark(self) -> None:
        """A callback that stood in a nested host loop has returned: what waited for it is ready again."""
        depth = len(self._entered)
        free = [handle for met_at, handle in self._parked if met_at > depth]
        if free:
            self._parked = [parked for parked in self._parked if parked[0] <= depth]
            self._ready.extendleft(handle for handle in reversed(free) if handle is not None)
            self._selector.unmute()

    def has_parked(self) -> bool:
        """Whether something waits for a callback that stands, or stood, in a nested host loop."""
        return bool(self._parked)

    def run_inside(self, handle: asyncio.Handle) -> None:
        """Runs a handle's callback on the spot, inside whatever is being run."""
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

    def is_on_stack(self) -> bool:
        """Whether a callback of this loop is on the stack of this thread. Slow: it looks at each frame."""
        runners = {run.__code__ for run in (CPythonLoop.iterate, CPythonLoop.run_ready, CPythonLoop.run_inside)}
        frame = sys._getframe()
        while frame is not None:
            if frame.f_code in runners and frame.f_locals["self"] is self:
                return True
            frame = frame.f_back  # type: ignore[assignment]
        return False

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
        """The loop counts as running from here on. What else `run_forever` sets, Deliveries sets for each."""
        self._thread_id = thread_id

    def release(self) -> None:
        """The opposite of `claim`."""
        self._stopping = False
        self._thread_id = None

    def leave_to_parent(self) -> None:
        """In the child of a fork: lets go of what is queued. It is kept, or else its coroutines would be closed.

        The queue becomes another one, so that of the delivery that has forked, if any, only the callback goes on.
        """
        self._left_to_parent = (list(self._ready), self._scheduled, self._parked)
        self._ready.clear()
        self._ready = deque()
        self._scheduled, self._parked = [], []

    def asyncgen_hooks(self) -> tuple[Any, Any]:
        """What `sys.set_asyncgen_hooks` is given while the loop runs."""
        return self._asyncgen_firstiter_hook, self._asyncgen_finalizer_hook  # type: ignore[attr-defined]

    # ---- transports

    def _make_socket_transport(self, *args: Any, **kwargs: Any) -> asyncio.Transport:
        transport = super()._make_socket_transport(*args, **kwargs)  # type: ignore[misc]
        # A fresh buffer of 256 KiB for each recv costs an mmap or a trim of the heap each time.
        transport.max_size = 64 * 1024
        return transport  # type: ignore[no-any-return]
