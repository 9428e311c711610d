"""The run: one async function as a guest of one host.

Owns: the life of a run, from `start` to `done_callback`. Host thread only, except where a method says otherwise.

    new --start--> running --main task done--> ending --cleaned up--> ended
                      |                           |
                      +--- shutdown(deadline), the exit hook: driven without the host, then ended
"""

from __future__ import annotations

import asyncio
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from . import _ambient, _exit
from ._cleanup import cancel_all, clean_up
from ._compat import new_task
from ._delivery import Turns
from ._ending import drive_to_end, settle_all
from ._errors import GuestClosed, GuestError, WrongThread
from ._host import CallbackHost, Host
from ._loop import EventLoop
from ._making import make_coroutine, make_loop
from ._posting import Posting
from ._signals import CtrlC
from ._stall import StallReport, StallWatch
from ._stats import GuestStats
from ._wakeup_fd import WakeupFd

if TYPE_CHECKING:
    from typing import Literal, NoReturn, TypeAlias

    from typing_extensions import TypeVarTuple, Unpack

    Ts = TypeVarTuple("Ts")
    DoneCallback: TypeAlias = Callable[[asyncio.Task[Any]], object]
    State: TypeAlias = Literal["new", "running", "ending", "ended"]

T = TypeVar("T")

__all__ = ["Guest"]


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
        self._was_cancelled = False
        #: What has gone wrong in the loop itself, outside of any callback: nothing of the run can go on.
        self.failure: Exception | None = None
        self._posting = Posting(self)
        self._ctrl_c = CtrlC(partial(Guest.cancel, weakref.proxy(self)))
        self._kept: set[asyncio.Task[Any]] = set()
        self._last_stats: GuestStats | None = None
        self._thread = 0
        self._host_thread: threading.Thread | None = None
        #: This process is a fork of the one that started the run: the run is the parent's.
        self.forked = False
        self._forked_in: asyncio.Task[Any] | None = None

    # ---- what users ask

    @property
    def state(self) -> State:
        """ "new", "running", "ending" (the main task is done, the clean-up runs) or "ended". Any thread."""
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

    @property
    def abandoned(self) -> bool:
        """The host took no posts any more; what is left is `shutdown`, which the exit hook calls too. Any thread."""
        return self._posting.given_up

    @property
    def title(self) -> str:
        """The run in a sentence. Any thread. For the package."""
        return f"the run {self.name!r}" if self.name else "the run"

    @property
    def is_orphaned(self) -> bool:
        """The thread that started the run has ended: any other may shut it down. Any thread. For the package."""
        host = self._host_thread
        # The main thread counts as ended while the exit hook runs on it.
        return (
            self._state in ("running", "ending")
            and host is not None
            and host is not threading.main_thread()
            and not host.is_alive()
        )

    def stats(self) -> GuestStats:
        """Counters and histograms of the run so far; after its end, the last ones. Any thread while it runs."""
        if self._last_stats is not None:
            return self._last_stats
        try:
            return GuestStats.of(self.loop.reactor, self._turns.budget_spent if self._turns else 0)
        except GuestClosed:
            if self._last_stats is None:
                raise
            return self._last_stats  # it has ended while another thread asked

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<asyncguest.Guest{name} {self._state} in {self.host!r}>"

    # ---- start

    def start(
        self,
        async_fn: Callable[[Unpack[Ts]], Coroutine[Any, Any, T]],
        *args: Unpack[Ts],
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """Starts the run; returns the task of `async_fn(*args)`, which has reached its first await by then.

        The calling thread becomes the host thread; its loop may run already or start later. `context`: for the main
        task, default a copy of the current one. What cannot work raises here, and nothing is left behind then.
        """
        coroutine = make_coroutine(async_fn, args, context)
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
        try:
            with turns.inside():
                loop.asleep = True  # the host is in charge from here on, also if the first step opens a dialog
                self._task = task = new_task(loop, coroutine, self.name, context)
                task.add_done_callback(self._main_is_done)
                turns.run_first_step(task, coroutine)
        except BaseException:
            if self._task is None:  # a task factory of the loop has failed
                self._state = "ended"
                self._detach()
                loop.close()
            raise
        try:
            return task
        finally:
            del task  # its first step may have failed: see run_ready

    def _make_loop(self) -> EventLoop:
        host, posting = self.host, self._posting
        loop = make_loop(
            self._factory,
            host,
            post=None if host.watches_fds else posting.post,
            post_local=None if host.watches_fds or host.post_local is None else posting.post_local,
            hosted=True,
            stall_after=self._stall_after,
            on_stall=self._stall_watch.report if self._stall_watch is not None else None,
        )
        if self._debug is not None:
            loop.set_debug(self._debug)
        return loop

    def _attach(self) -> None:
        """Takes the host thread's asyncio and signal state, as far as it is free."""
        loop = self._loop
        assert loop is not None
        self._thread, self._host_thread = threading.get_ident(), threading.current_thread()
        self._turns = Turns(self, loop, self._budget, self._max_nesting)
        self._wakeup = WakeupFd(loop)
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
        """Gives it all back: each step, also if one before it fails because the host is gone."""
        loop, turns = self._loop, self._turns
        assert loop is not None and turns is not None
        turns.over = True
        with ExitStack() as steps:  # the last one is done first
            steps.callback(self.host.detached, self)
            steps.callback(setattr, loop, "guest", None)
            steps.callback(loop.release)
            if self._is_ambient:
                self._is_ambient = False
                steps.callback(_ambient.leave, loop)
            steps.callback(_exit.remove, self)
            steps.callback(self._wakeup.__exit__)
            steps.callback(self._ctrl_c.leave, loop.reactor)
            steps.callback(self.unwatch)

    # ---- while it runs

    def start_soon(
        self,
        async_fn: Callable[[Unpack[Ts]], Coroutine[Any, Any, T]],
        *args: Unpack[Ts],
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
            loop, turns = self._in_charge("start_soon")
        except BaseException:
            coroutine.close()
            raise
        try:
            if not eager:
                task = new_task(loop, coroutine, name, context)
            else:
                with turns.inside():
                    task = new_task(loop, coroutine, name, context)
                    turns.run_first_step(task, coroutine)
            self.keep(task)
            return task
        finally:
            task = None  # type: ignore[assignment]  # its first step may have failed: see run_ready

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Holds a task that nobody else may hold (asyncio itself does not) until it is done. For the package."""
        if task not in self._kept and not task.done():
            self._kept.add(task)
            task.add_done_callback(self._kept.discard)

    def deliver(self) -> bool:
        """One turn now, for a host that steps its guests itself (once per frame). Returns whether more is to be done."""
        return self._turns.deliver() if self._turns is not None else False

    def cancel(self, msg: str | None = None) -> bool:
        """Cancels the main task, which ends the run. Any thread.

        Returns False if the main task is done already; from another thread than the host's, as far as can be seen there.
        """
        task, loop = self._task, self._loop
        if task is None or loop is None or task.done() or self._state == "ended":
            return False
        self._was_cancelled = True
        if threading.get_ident() == self._thread:
            return task.cancel(msg)
        try:
            loop.call_soon_threadsafe(task.cancel, msg)
        except RuntimeError:
            return False  # the run has ended meanwhile
        return True

    @property
    def is_cancelling(self) -> bool:
        """The main task was cancelled and has not ended yet. For the package."""
        task = self._task
        if task is None or task.done():
            return False
        return self._was_cancelled or (sys.version_info >= (3, 11) and task.cancelling() > 0)

    def shutdown(self, deadline: float = 5.0) -> bool:
        """Ends the run without the host's help: for a host whose loop is over, or about to be.

        Cancels the main task and drives the clean-up right here, for at most `deadline` seconds, so that `finally`
        blocks run. What has not finished then is abandoned and named in one RuntimeWarning. `done_callback` has been
        called when this returns. Returns whether everything finished. Not from guest code: that calls `cancel()`.
        """
        if self._state in ("new", "ended") or self.forked:
            return True
        if self.is_orphaned:
            self._take_over()
        loop, turns = self._in_charge("shutdown")
        if turns.in_progress:
            raise GuestError("shutdown() was called by code of this guest, which it would have to end: use cancel()")
        return drive_to_end(self, loop, turns, deadline)

    def _take_over(self) -> None:
        """This thread is the host thread from here on: the one that started the run has ended."""
        assert self._loop is not None and self._turns is not None
        self._loop.reactor.take_over()
        self._thread, self._host_thread = threading.get_ident(), threading.current_thread()
        self._turns.take_over()
        self._loop.claim(self._thread)

    def _in_charge(self, what: str) -> tuple[EventLoop, Turns]:
        """The loop and its turns, for a call that needs a live run on its own thread."""
        self.check_not_forked(what)
        if self._loop is None or self._turns is None or self._state in ("new", "ended"):
            raise GuestClosed(f"{what}() needs a run in progress; this guest is {self._state}")
        if threading.get_ident() != self._thread:
            raise WrongThread(f"{what}() belongs on the host thread; from others use guest.loop.call_soon_threadsafe()")
        return self._loop, self._turns

    def check_not_forked(self, what: str) -> None:
        """Raises GuestClosed in the child of a fork. For the package."""
        if self.forked:
            raise GuestClosed(f"{what}(): this process is a fork; the run lives in its parent")

    # ---- the host's side

    def is_posting_here(self) -> bool:
        """Whether this thread is inside the host's `post`. For the package."""
        return self._posting.inside == threading.get_ident()

    def deliver_token(self, token: int) -> bool:
        """The turn that a post was for; like `deliver`, for a host that looks at it. For the package."""
        return self._turns.deliver(token) if self._turns is not None else False

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

    # ---- the end

    def _main_is_done(self, task: asyncio.Task[Any]) -> None:
        if self._state == "running":
            self._state = "ending"
            assert self._loop is not None
            self._loop.after_iteration = self._begin_clean_up
            if self._loop.asleep:
                self._loop.rouse()  # somebody iterates it by hand, and need not go on

    def _begin_clean_up(self) -> None:
        loop, turns = self._loop, self._turns
        assert loop is not None and turns is not None
        cleaning_up = clean_up(loop, cancel_all(loop))
        # Not by the loop's task factory, which is the user's and may fail.
        self._ending = asyncio.Task(cleaning_up, loop=loop, name="asyncguest clean-up")
        turns.run_first_step(self._ending, cleaning_up)  # or one of those that end could cancel it before

    @property
    def is_over(self) -> bool:
        """Nothing is left but to close the loop and to tell. For the package."""
        if self.failure is not None:
            return self._state in ("running", "ending")
        return self._ending is not None and self._ending.done() and self._state == "ending"

    @property
    def clean_up_task(self) -> asyncio.Task[None] | None:
        """The task of the clean-up, once it has begun. For the package."""
        return self._ending

    def interrupted(self, error: BaseException) -> None:
        """SystemExit or KeyboardInterrupt came out of guest code: the run ends, the host's frames stay whole.

        For the package.
        """
        if self.forked:
            raise error  # the exit of the child of a fork made here
        main = self._task
        if main is not None and main.done() and not main.cancelled() and main.exception() is error:
            return  # it is the main task's outcome, which done_callback gets
        self.cancel()
        self.report(f"{type(error).__name__} in a callback or side task ends the run", error)

    def break_down(self, error: Exception) -> None:
        """The loop itself has failed, outside of any callback: the run ends, with `error` as its outcome.

        For the package.
        """
        if self.failure is None:
            self.failure = error
            self.report(f"the event loop itself has failed, which ends {self.title}", error)

    def report(self, message: str, error: BaseException) -> None:
        """Tells the loop's exception handler of `error`, outside of any callback. For the package.

        A handler that leaves by SystemExit, to end the program at its first error, ends the run, as a callback does.
        """
        assert self._loop is not None
        try:
            self._loop.call_exception_handler({"message": message, "exception": error})
        except (SystemExit, KeyboardInterrupt):
            if self.forked:
                raise
            if not self.is_cancelling:
                self.cancel()

    def conclude(self) -> None:
        """Closes the loop and tells the host. Outside of any turn. For the package."""
        assert self._loop is not None and self._task is not None
        loop, ending = self._loop, self._ending
        if self.failure is not None:
            settle_all(self, loop, self.failure)
        error = None if ending is None or not ending.done() or ending.cancelled() else ending.exception()
        if (
            error is not None and error is not self.failure and not isinstance(error, GuestError)
        ):  # that of an abandoned run, which has been told
            self.report("the clean-up of the run failed", error)
        self._last_stats = self.stats()
        self._state = "ended"
        try:
            self._detach()
        finally:
            try:
                loop.close()
            finally:
                self._kept.clear()
                tell = self._done_callback
                self._part()
                if tell is not None:
                    tell(self._task)

    def _part(self) -> None:
        """Unties the run from its parts: what it has kept alive is freed with the last reference to it."""
        assert self._turns is not None
        self._turns.part()
        self._posting.part()
        self._stall_watch = self._done_callback = None

    def forget_in_child(self) -> None:
        """The process has forked, and this is the child: the run is the parent's. For the package.

        A run of this thread's, which is the only one here, has a host that may go on.
        """
        self.forked = True
        self._state = "ended"
        self._watching = False
        if self._turns is not None:
            self._turns.over = True
        if self._loop is not None:
            self._ctrl_c.forget()
            self._loop.reactor.forget_in_child()
            if self._thread == threading.get_ident():
                self._forked_in = asyncio.current_task(self._loop)
                self._loop.leave_to_parent()

    def tell_host_in_child(self) -> None:
        """The last step of that, which may run code of the host. For the package."""
        if self._loop is not None and self._thread == threading.get_ident():
            self.host.forked(self)

    def end_child(self, error: BaseException | None) -> NoReturn:
        """Guest code has forked, and its turn in the child is over, by `error` if not None. For the package."""
        if not isinstance(error, (SystemExit, KeyboardInterrupt)):
            task = self._forked_in
            own = task.exception() if task is not None and task.done() and not task.cancelled() else None
            error = GuestClosed(
                "this process is a fork; the run lives in its parent: end the child with os._exit() or exec"
            )
            error.__cause__ = own
        self.host.end_child(error)
