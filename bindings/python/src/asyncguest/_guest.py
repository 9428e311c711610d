"""The run: one async function as a guest of one host.

Owns: the life of a run, from `start` to `done_callback`. Host thread only, except where a method says otherwise.

    new --start--> running --main task done--> ending --cleaned up--> ended
                      |                           |
                      +--- shutdown(deadline), the exit hook: driven without the host, then ended
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from . import _ambient, _exit, _options
from ._cleanup import clean_up
from ._compat import new_task, running_loop
from ._delivery import Turns
from ._ending import drive_to_end
from ._errors import GuestClosed, GuestError, WrongThread
from ._host import CallbackHost, Host
from ._loop import EventLoop
from ._reports import log, warn
from ._signals import CtrlC, WakeupFd
from ._stall import StallReport, StallWatch
from ._stats import GuestStats

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    DoneCallback: TypeAlias = Callable[[asyncio.Task[Any]], object]
    State: TypeAlias = Literal["new", "running", "ending", "ended"]

T = TypeVar("T")

__all__ = ["Guest", "start_guest_run", "current_guest"]

# So many posts in a row may fail (the pauses between them grow, in all to a quarter of a second) before the host
# counts as gone.
_POSTS_THAT_MAY_FAIL = 8


class Guest:
    """The handle of one run of asyncio inside a host's main loop.

    `host`: an adapter (see `asyncguest.hosts`) or a function `run_sync_soon_threadsafe(fn)`.
    `done_callback(task)`: called once, on the host thread, when the run is over and cleaned up.
    `loop_factory`: makes the loop; `EventLoop` or a subclass of it. `debug`: asyncio's debug mode.
    `name`: for messages and the main task. `batch_budget`: seconds that one turn may take before the host gets its own.
    `max_nesting`: how many nested host loops (dialogs opened by callbacks) are followed; 0 refuses them.
    `stall_after`: seconds after which a stuck host is reported, with its Python stack, to `on_stall(report)` on a
    thread of the library, or else to the logger "asyncguest". None, the default: never.
    `host_uses_signal_set_wakeup_fd`: the host has or will have the process's wake-up fd.

    Making a Guest claims nothing yet; `start` does. One Guest is one run.
    """

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
        if isinstance(host, type):
            raise TypeError(f"host is the class {host.__name__}: make an instance of it, {host.__name__}(...)")
        self.host: Host = host if isinstance(host, Host) else CallbackHost(host)
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
        self.name = name
        self._done_callback = done_callback
        self._factory = loop_factory or EventLoop
        self._debug = debug
        self._budget = batch_budget
        self._max_nesting = max_nesting
        self._stall_watch = StallWatch(self, on_stall) if stall_after is not None else None
        self._stall_after = stall_after
        self._leave_wakeup_fd = host_uses_signal_set_wakeup_fd or self.host.uses_wakeup_fd
        self._state: State = "new"
        self._loop: EventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._turns: Turns | None = None
        self._watching = False
        self._is_ambient = False
        self._failed_posts = 0
        self._ctrl_c = CtrlC(self.cancel)
        self._kept: set[asyncio.Task[Any]] = set()
        self._last_stats: GuestStats | None = None
        self._thread = 0
        #: The host could not be posted to any more; what is left is `shutdown`, which the exit hook calls too.
        self.abandoned = False
        #: This process is a fork of the one that started the run: the run is the parent's.
        self.forked = False

    # ---- what users ask

    @property
    def state(self) -> State:
        """"new", "running", "ending" (the main task is done, the clean-up runs) or "ended". Any thread."""
        return self._state

    @property
    def loop(self) -> EventLoop:
        """The event loop of the run."""
        if self._loop is None:
            raise GuestClosed("the guest has no loop yet: call start(async_fn) first")
        return self._loop

    @property
    def task(self) -> asyncio.Task[Any]:
        """The main task."""
        if self._task is None:
            raise GuestClosed("the guest has no main task yet: call start(async_fn) first")
        return self._task

    @property
    def host_thread(self) -> int:
        """The ident of the thread that started the run. Any thread."""
        return self._thread

    @property
    def interrupted_count(self) -> int:
        """How often Ctrl-C came during the run. The first one cancelled the main task."""
        return self._ctrl_c.count

    def stats(self) -> GuestStats:
        """Counters and histograms of the run so far; after its end, the last ones. Any thread while it runs."""
        if self._last_stats is not None:
            return self._last_stats
        return GuestStats.of(self.loop.reactor, self._turns.budget_spent if self._turns else 0)

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<asyncguest.Guest{name} {self._state} in {self.host!r}>"

    # ---- start

    def start(
        self, async_fn: Callable[..., Coroutine[Any, Any, T]], *args: Any, context: Context | None = None
    ) -> asyncio.Task[T]:
        """Starts the run; returns the task of `async_fn(*args)`, which has reached its first await by then.

        The calling thread becomes the host thread; its loop may run already or start later. `context`: for the main
        task, default a copy of the current one. What cannot work raises here, and nothing is left behind then.
        """
        coroutine = self._coroutine(async_fn, args)
        try:
            if self._state != "new":
                raise GuestError(f"this guest is {self._state}: one Guest is one run, so make another for the next")
            self._loop = self._make_loop()
            self._attach()
        except BaseException:
            coroutine.close()
            raise
        loop, turns = self._loop, self._turns
        assert turns is not None
        with loop.reactor.batch():
            outside = turns.enter()
            try:
                before = loop.count_ready()
                self._task = task = new_task(loop, coroutine, self.name, context)
                task.add_done_callback(self._main_is_done)
                turns.run_first_step(task, before)
            finally:
                turns.leave(outside)
                turns.rest(loop.has_ready())
        return task

    def _coroutine(self, async_fn: Callable[..., Any], args: tuple[Any, ...]) -> Coroutine[Any, Any, Any]:
        if asyncio.iscoroutine(async_fn):
            async_fn.close()
            raise TypeError(
                f"{async_fn!r} is a coroutine object: pass the async function and its arguments instead, "
                "start(main, 1) and not start(main(1))"
            )
        if not callable(async_fn):
            raise TypeError(f"an async function was expected, not {async_fn!r}")
        coroutine = async_fn(*args)
        if not asyncio.iscoroutine(coroutine):
            raise TypeError(
                f"{async_fn!r} is not an async function: it returned {coroutine!r}. Declare it with async def."
            )
        return coroutine

    def _make_loop(self) -> EventLoop:
        host = self.host
        with _options.new_loops_get(
            post=None if host.watches_fds else self._post,
            post_local=self._post_local if not host.watches_fds and host.post_local is not None else None,
            hosted=True,
            stall_after=self._stall_after,
            on_stall=self._stall_watch.report if self._stall_watch is not None else None,
        ):
            loop = self._factory()
        try:
            if not isinstance(loop, EventLoop):
                raise TypeError(
                    f"loop_factory made {loop!r}: a guest needs an asyncguest.EventLoop or a subclass of it, because "
                    "another loop waits by itself"
                )
            if loop.is_running() or loop.is_closed() or loop.guest is not None:
                raise GuestError(f"loop_factory returned {loop!r}, which is in use or closed: return a new one")
            if loop.reactor.threaded == host.watches_fds or loop.reactor.host_thread != threading.get_ident():
                raise GuestError("loop_factory returned a loop that was made before or on another thread: make it inside")
        except BaseException:
            close = getattr(loop, "close", None)
            if close is not None and not (isinstance(loop, EventLoop) and loop.is_running()):
                close()
            raise
        if self._debug is not None:
            loop.set_debug(self._debug)
        return loop

    def _attach(self) -> None:
        """Takes the host thread's asyncio and signal state, as far as it is free."""
        loop = self._loop
        assert loop is not None
        self._thread = threading.get_ident()
        self._turns = Turns(self, loop, self._budget, self._max_nesting)
        self._wakeup = WakeupFd(loop.wakeup_fd())
        self._state = "running"
        loop.guest = self
        try:
            self.host.attached(self)
            self.watch()
            loop.claim(self._thread)
            self._is_ambient = _ambient.enter(loop, self.host)
            if not self._leave_wakeup_fd:
                self._wakeup.__enter__()
            self._ctrl_c.enter(loop.reactor)
            _exit.add(self)
        except BaseException:
            self._detach()
            loop.close()
            self._state = "ended"
            raise

    def _detach(self) -> None:
        """Gives it all back."""
        loop = self._loop
        assert loop is not None
        self.unwatch()
        self._ctrl_c.leave(loop.reactor)
        self._wakeup.__exit__()
        _exit.remove(self)
        if self._is_ambient:
            self._is_ambient = False
            _ambient.leave(loop)
        loop.release()
        loop.guest = None
        self.host.detached(self)

    # ---- while it runs

    def start_soon(
        self,
        async_fn: Callable[..., Coroutine[Any, Any, T]],
        *args: Any,
        eager: bool = True,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """Starts `async_fn(*args)` as a task of the run, from any code on the host thread.

        `eager`: it runs inside this call up to its first suspension, so that what it does first has happened when a
        click handler returns. The task is kept alive until it is done. An exception that nobody fetches is reported
        by asyncio as for any task.
        """
        coroutine = self._coroutine(async_fn, args)
        try:
            loop, turns = self._in_charge("start_soon")
        except BaseException:
            coroutine.close()
            raise
        before = loop.count_ready()
        if not eager:
            task = new_task(loop, coroutine, name, context)
        else:
            outside = turns.enter()
            try:
                task = new_task(loop, coroutine, name, context)
                turns.run_first_step(task, before)
            finally:
                turns.leave(outside)
                if turns.depth == 0 and loop.has_ready() and loop.asleep:
                    loop.rouse()
        if not task.done():
            self._kept.add(task)
            task.add_done_callback(self._kept.discard)
        return task

    def deliver(self) -> bool:
        """One turn now, for a host that steps its guests itself (once per frame). Returns whether more is to be done."""
        return self._turns.deliver() if self._turns is not None else False

    def cancel(self, msg: str | None = None) -> bool:
        """Cancels the main task, which ends the run. Any thread. Returns False if the main task is done already."""
        task, loop = self._task, self._loop
        if task is None or loop is None or task.done() or self._state == "ended":
            return False
        if threading.get_ident() == self._thread:
            return task.cancel(msg)
        loop.call_soon_threadsafe(task.cancel, msg)
        return True

    def shutdown(self, deadline: float = 5.0) -> bool:
        """Ends the run without the host's help: for a host whose loop is over, or about to be.

        Cancels the main task and drives the clean-up right here, for at most `deadline` seconds, so that `finally`
        blocks run. What has not finished then is abandoned and named in one RuntimeWarning. `done_callback` has been
        called when this returns. Returns whether everything finished. Not from guest code: that calls `cancel()`.
        """
        if self._state in ("new", "ended") or self.forked:
            return True
        loop, turns = self._in_charge("shutdown")
        if turns.depth:
            raise GuestError("shutdown() was called by code of this guest, which it would have to end: use cancel()")
        return drive_to_end(self, loop, turns, deadline)

    def _in_charge(self, what: str) -> tuple[EventLoop, Turns]:
        """The loop and its turns, for a call that needs a live run on its own thread."""
        if self._loop is None or self._turns is None or self._state in ("new", "ended"):
            raise GuestClosed(f"{what}() needs a run in progress; this guest is {self._state}")
        if self.forked:
            raise GuestClosed(f"{what}(): this process is a fork; the run lives in its parent")
        if threading.get_ident() != self._thread:
            raise WrongThread(
                f"{what}() belongs on the host thread; from others use guest.loop.call_soon_threadsafe()"
            )
        return self._loop, self._turns

    # ---- the host's side

    def watch(self) -> None:
        """Has the host watch the guest's fd. For the package."""
        if self.host.watches_fds and not self._watching:
            assert self._turns is not None and self._loop is not None
            self.host.watch(self._loop.reactor.fd, self._turns.deliver)
            self._watching = True

    def unwatch(self) -> None:
        """The opposite of `watch`. For the package."""
        if self._watching:
            assert self._loop is not None
            self._watching = False
            self.host.unwatch(self._loop.reactor.fd)

    def _post(self, token: int) -> None:
        """Drive THREAD: makes the host run a turn. On the I/O thread."""
        assert self._turns is not None
        self._post_by(self.host.post, partial(self._turns.deliver, token))

    def _post_local(self, token: int) -> None:
        """The same on the host thread."""
        assert self._turns is not None and self.host.post_local is not None
        self._post_by(self.host.post_local, partial(self._turns.deliver, token))

    def _post_by(self, post: Callable[[Callable[[], object]], object], job: Callable[[], object]) -> None:
        if self.abandoned:
            return
        try:
            post(job)
        except BaseException as error:
            self._failed_posts += 1
            if self._failed_posts == 1:
                log.error("%r could not be posted to; it is tried again", self.host, exc_info=error)
            elif self._failed_posts == _POSTS_THAT_MAY_FAIL:
                self.abandoned = True
                warn(
                    f"asyncguest: {self.host!r} failed to take {self._failed_posts} posts in a row, the last with "
                    f"{error!r}: the run {self.name or ''} is abandoned. Its clean-up is driven by guest.shutdown(), "
                    "or when the interpreter ends."
                )
                log.error("%r is abandoned", self, exc_info=error)
            raise
        self._failed_posts = 0

    # ---- the end

    def _main_is_done(self, task: asyncio.Task[Any]) -> None:
        if self._state == "running":
            self._state = "ending"
            assert self._loop is not None
            self._ending = self._loop.create_task(clean_up(self._loop), name="asyncguest clean-up")

    @property
    def is_over(self) -> bool:
        """Nothing is left but to close the loop and to tell. For the package."""
        return self._ending is not None and self._ending.done() and self._state == "ending"

    @property
    def clean_up_task(self) -> asyncio.Task[None] | None:
        """The task of the clean-up, once it has begun. For the package."""
        return self._ending

    def interrupted(self, error: BaseException, task: asyncio.Task[Any] | None = None) -> None:
        """SystemExit or KeyboardInterrupt came out of guest code: the run ends, the host's frames stay whole."""
        main = task or self._task
        if main is not None and main.done() and not main.cancelled() and main.exception() is error:
            return  # it is the main task's outcome, which done_callback gets
        assert self._loop is not None
        self._loop.call_exception_handler(
            {"message": f"{type(error).__name__} in a callback or side task ends the run", "exception": error}
        )
        self.cancel()

    def conclude(self) -> None:
        """Closes the loop and tells the host. Outside of any turn. For the package."""
        assert self._loop is not None and self._task is not None
        loop, ending = self._loop, self._ending
        if ending is not None and ending.done() and not ending.cancelled() and (error := ending.exception()):
            loop.call_exception_handler({"message": "the clean-up of the run failed", "exception": error})
        self._last_stats = self.stats()
        self._state = "ended"
        try:
            self._detach()
        finally:
            try:
                loop.close()
            finally:
                self._kept.clear()
                if self._done_callback is not None:
                    self._done_callback(self._task)

    def forget_in_child(self) -> None:
        """The process has forked, and this is the child: the run is the parent's. For the package."""
        self.forked = True
        self._state = "ended"
        self._watching = False
        if self._loop is not None:
            self._wakeup.__exit__()
            self._ctrl_c.forget()
            self._loop.reactor.close()


def start_guest_run(
    async_fn: Callable[..., Coroutine[Any, Any, T]],
    *args: Any,
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
    `loop_factory`: makes the loop, an `EventLoop` or a subclass. `context`: for the main task. `debug`: asyncio's.
    `name`: of the task. `batch_budget`: seconds that the guest may work before the host has its turn.

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
    """The guest whose code runs, or whose loop is the running loop of this thread between its turns.

    Raises GuestError when there is none.
    """
    guest = getattr(running_loop(), "guest", None)
    if not isinstance(guest, Guest):
        raise GuestError("no guest runs here: call this from the guest's code or on its host thread")
    return guest
