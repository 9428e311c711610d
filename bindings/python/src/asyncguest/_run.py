"""One run: what its parts know of it, and what they tell it.

Owns: the phase of its life, its host thread and its outcome. Host thread only, except where a method says otherwise.
The parts (deliveries, posts, end, exit hook, loop) know no more of a run than this; what it does when they call
is in `_hosted.py`.

    new --start--> running --main task done--> ending --cleaned up--> ended
                      |                           |
                      +--- shutdown(deadline), the exit hook: driven without the host, then ended
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, NoReturn

from ._errors import GuestClosed
from ._host import Host
from ._reports import log, warn

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    State: TypeAlias = Literal["new", "running", "ending", "ended"]

# So many posts in a row may fail (the pauses between them grow, in all to a quarter of a second) before the host
# counts as gone.
_MAY_FAIL = 8


class Run:
    """The record of one run."""

    def __init__(self, host: Host, name: str | None) -> None:
        self.host = host
        self.name = name
        self.state: State = "new"
        #: Its handle, the `Guest` that hosts and users are given, from its start until it has ended.
        self.guest: Any = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.task: asyncio.Task[Any] | None = None
        #: The task of the clean-up, once it has begun.
        self.clean_up_task: asyncio.Task[None] | None = None
        #: What has gone wrong in the loop itself, outside of any callback: nothing of the run can go on.
        self.failure: Exception | None = None
        #: The ident of the host thread; 0 before the start.
        self.host_thread = 0
        self._thread: threading.Thread | None = None
        #: The host took no posts any more.
        self.abandoned = False
        #: How often Ctrl-C came.
        self.interrupted_count = 0
        #: This process is a fork of the one that started the run: the run is the parent's.
        self.forked = False
        self._forked_in: asyncio.Task[Any] | None = None
        self._was_cancelled = False
        self._kept: set[asyncio.Task[Any]] = set()

    # ---- what the parts ask

    @property
    def title(self) -> str:
        """The run in a sentence. Any thread."""
        return f"the run {self.name!r}" if self.name else "the run"

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<asyncguest.Guest{name} {self.state} in {self.host!r}>"

    @property
    def is_orphaned(self) -> bool:
        """The thread that started the run has ended: any other may shut it down. Any thread."""
        host = self._thread
        # The main thread counts as ended while the exit hook runs on it.
        return (
            self.state in ("running", "ending")
            and host is not None
            and host is not threading.main_thread()
            and not host.is_alive()
        )

    @property
    def has_ended(self) -> bool:
        """The loop is closed or about to be, or is the parent process's. Any thread."""
        return self.state == "ended"

    @property
    def is_cancelling(self) -> bool:
        """The main task was cancelled and has not ended yet."""
        task = self.task
        if task is None or task.done():
            return False
        return self._was_cancelled or task.cancelling() > 0

    @property
    def is_over(self) -> bool:
        """Nothing is left but to close the loop and to tell."""
        if self.failure is not None:
            return self.state in ("running", "ending")
        return self.clean_up_task is not None and self.clean_up_task.done() and self.state == "ending"

    def check_not_forked(self, what: str) -> None:
        """Raises GuestClosed in the child of a fork."""
        if self.forked:
            raise GuestClosed(f"{what}(): this process is a fork; the run lives in its parent")

    # ---- what they tell

    def live_here(self) -> None:
        """The calling thread is the host thread from here on."""
        self.host_thread, self._thread = threading.get_ident(), threading.current_thread()

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Holds a task that nobody else may hold (asyncio itself does not) until it is done."""
        if task not in self._kept and not task.done():
            self._kept.add(task)
            task.add_done_callback(self._kept.discard)

    def cancel(self, msg: str | None = None) -> bool:
        """See `Guest.cancel`."""
        task, loop = self.task, self.loop
        if task is None or loop is None or task.done() or self.state == "ended":
            return False
        self._was_cancelled = True
        if threading.get_ident() == self.host_thread:
            return task.cancel(msg)
        try:
            loop.call_soon_threadsafe(task.cancel, msg)
        except RuntimeError:
            return False  # the run has ended meanwhile
        return True

    def interrupted(self, error: BaseException) -> None:
        """SystemExit or KeyboardInterrupt came out of guest code: the run ends, the host's frames stay whole."""
        if self.forked:
            raise error  # the exit of the child of a fork made here
        main = self.task
        if main is not None and main.done() and not main.cancelled() and main.exception() is error:
            return  # it is the main task's outcome, which done_callback gets
        self.cancel()
        self.report(f"{type(error).__name__} in a callback or side task ends the run", error)

    def break_down(self, error: Exception) -> None:
        """The loop itself has failed, outside of any callback: the run ends, with `error` as its outcome."""
        if self.failure is None:
            self.failure = error
            self.report(f"the event loop itself has failed, which ends {self.title}", error)

    def report(self, message: str, error: BaseException) -> None:
        """Tells the loop's exception handler of `error`, outside of any callback.

        A handler that leaves by SystemExit, to end the program at its first error, ends the run, as a callback does.
        """
        assert self.loop is not None
        try:
            self.loop.call_exception_handler({"message": message, "exception": error})
        except (SystemExit, KeyboardInterrupt):
            if self.forked:
                raise
            if not self.is_cancelling:
                self.cancel()

    def post_failed(self, in_a_row: int, error: BaseException) -> bool:
        """The host's `post` has raised. Returns whether nothing more is to be posted; else the library asks again.

        On the thread that has posted: most often the library's I/O thread.
        """
        if self.has_ended:
            return True  # the host has just forgotten it
        if in_a_row == 1:
            log.error("%r could not be posted to; it is tried again", self.host, exc_info=error)
        if in_a_row < _MAY_FAIL:
            return False
        self.abandoned = True
        log.error("%r is abandoned", self, exc_info=error)
        warn(
            f"asyncguest: {self.host!r} failed to take {_MAY_FAIL} posts in a row, the last with {error!r}: "
            f"{self.title} is abandoned. Its clean-up is driven by guest.shutdown(), or when the "
            "interpreter ends."
        )
        return True

    def end_child(self, error: BaseException | None) -> NoReturn:
        """Guest code has forked, and its delivery in the child is over, by `error` if not None."""
        if not isinstance(error, (SystemExit, KeyboardInterrupt)):
            task = self._forked_in
            own = task.exception() if task is not None and task.done() and not task.cancelled() else None
            error = GuestClosed(
                "this process is a fork; the run lives in its parent: end the child with os._exit() or exec"
            )
            error.__cause__ = own
        self.host.end_child(error)

    def conclude(self) -> None:
        """The run is over: closes the loop and tells the host. Outside of any delivery."""
        raise NotImplementedError

    # ---- what the process's own end and its forks call

    def shutdown(self, deadline: float) -> bool:
        """See `Guest.shutdown`."""
        raise NotImplementedError

    def forget_in_child(self) -> None:
        """The process has forked, and this is the child: the run is the parent's.

        A run of this thread's, which is the only one here, has a host that may go on.
        """
        raise NotImplementedError

    def tell_host_in_child(self) -> None:
        """The last step of that, which may run code of the host."""
        if self.loop is not None and self.host_thread == threading.get_ident():
            self.host.forked(self.guest)
