"""One run in a host, whichever async library it is of: what its host, its deliveries and the process's end know of it.

Owns: the phase of its life and its host thread. Host thread only, except where a method says otherwise.
asyncio's run is in `_run.py` and `_hosted.py`, Trio's in `guests/trio.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from ._errors import GuestClosed, GuestError
from ._host import Host
from ._reports import listed, log, warn
from ._resident import State
from ._signals import hold, let_go

# So many posts in a row may fail (the pauses between them grow, in all to a quarter of a second) before the host
# counts as gone.
_MAY_FAIL = 8


class BaseRun:
    def __init__(self, host: Host, name: str | None) -> None:
        self.host = host
        self.name = name
        self.state: State = "new"
        #: Its handle, which hosts and users are given, from its start until it has ended.
        self.guest: Any = None
        #: The ident of the host thread; 0 before the start.
        self.host_thread = 0
        self._thread: threading.Thread | None = None
        #: The host took no posts any more.
        self.abandoned = False
        #: Nothing is left but to give the host thread back and to tell. Each delivery asks.
        self.is_over = False
        #: This process is a fork of the one that started the run: the run is the parent's.
        self.forked = False

    # ---- what the parts ask

    @property
    def title(self) -> str:
        """The run in a sentence. Any thread."""
        return f"the run {self.name!r}" if self.name else "the run"

    @property
    def is_orphaned(self) -> bool:
        """The thread that started the run has ended. Any thread."""
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
        """Nothing is left of it, or it is the parent process's. Any thread."""
        return self.state == "ended"

    @property
    def is_cancelling(self) -> bool:
        """It was cancelled and has not ended yet."""
        raise NotImplementedError

    # ---- what they tell

    def live_here(self) -> None:
        """The calling thread is the host thread from here on."""
        self.host_thread, self._thread = threading.get_ident(), threading.current_thread()

    def interrupted(self, error: BaseException) -> None:
        """SystemExit or KeyboardInterrupt came out of guest code."""
        raise NotImplementedError

    def break_down(self, error: Exception) -> None:
        """What runs the guest's code has itself failed: the run ends."""
        raise NotImplementedError

    def report(self, message: str, error: BaseException) -> None:
        """Tells of `error`, outside of any guest code."""
        raise NotImplementedError

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

    def given_up(self, left: list[str]) -> GuestError:
        """Its time is over: names what has not finished, and returns the outcome of that."""
        warn(f"asyncguest: {self.title} was abandoned when its time was over; not finished: {listed(left)}")
        return GuestError(
            "the run was abandoned: its host had ended, and it did not finish in the time that it was given"
        )

    def end_child(self, error: BaseException | None) -> NoReturn:
        """Guest code has forked, and its delivery in the child is over, by `error` if not None."""
        if not isinstance(error, (SystemExit, KeyboardInterrupt)):
            own = self.failure_in_child()
            error = GuestClosed(
                "this process is a fork; the run lives in its parent: end the child with os._exit() or exec"
            )
            error.__cause__ = own
        self.host.end_child(error)

    def failure_in_child(self) -> BaseException | None:
        """What the code that has forked has failed with, in the child."""
        return None

    def conclude(self) -> None:
        """The run is over: gives the host thread back and tells the host. Outside of any delivery.

        Ctrl-C comes before or after. Between `let_go` and the user's function Python looks for no signal: both are called here.
        """
        tell = self.teller()
        hold(self.sigint_handler)
        try:
            self.wind_up()
        finally:
            try:
                let_go()
            finally:
                try:
                    tell()
                finally:
                    del tell  # it has the outcome, whose traceback may lead here

    # ---- what the process's own end and its forks call

    #: What the run has put in SIGINT's place, if that is its own.
    sigint_handler: Callable[[int, FrameType | None], object] | None = None

    def wind_up(self) -> None:
        """Gives the host thread back."""
        raise NotImplementedError

    def teller(self) -> Callable[[], object]:
        """What tells the host."""
        raise NotImplementedError

    def shutdown(self, deadline: float) -> bool:
        """See `Guest.shutdown`."""
        raise NotImplementedError

    @staticmethod
    def check_may_end(has_begun: bool, in_progress: bool) -> None:
        """Raises GuestError if there is nothing to end yet, or guest code is on the stack: for `shutdown`."""
        if in_progress:
            raise GuestError("shutdown() was called by code of this guest, which it would have to end: use cancel()")
        if not has_begun:
            raise GuestError("shutdown(): the run is about to begin. Use cancel(), or raise in attached() to refuse it")

    def forget_in_child(self) -> None:
        """The process has forked, and this is the child: the run is the parent's.

        A run of this thread's, which is the only one here, has a host that may go on.
        """
        raise NotImplementedError

    def tell_host_in_child(self) -> None:
        """The last step of that, which may run code of the host."""
        if self.host_thread == threading.get_ident():
            self.host.forked(self.guest)
