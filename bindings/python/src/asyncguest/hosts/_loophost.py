"""What the adapters of toolkits share: a main loop that may end before its guests do.

Owns: the list of the guests that live in one host, what its main loop is left with, and SIGINT between guests. Host
thread only.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import Any, NamedTuple

from .._errors import GuestError
from .._host import Host
from .._resident import Resident
from .._signals import is_free


class Found(NamedTuple):
    """What an adapter's `find()` has found on this thread, for `asyncguest.start`."""

    #: For messages: "Qt (PyQt6)".
    what: str
    #: Its main loop runs right now; else it is made, and expected to.
    running: bool
    #: Makes the adapter.
    make: Callable[[], Host]


def watches(drive: str | None, can_watch: bool = True, why_not: str = "this host cannot watch fds") -> bool:
    """Whether the host is to watch the guest's fd: what an adapter sets `watches_fds` to.

    `drive`: what the adapter's user has asked for, "fd", "thread", or None for the better one. `can_watch`: whether the
    toolkit can; on Windows none can, as what a guest has there is a handle. Raises ValueError for another drive, and, with `why_not`, for "fd" where it cannot be.
    """
    if drive not in ("fd", "thread", None):
        raise ValueError(f'drive must be "fd", "thread" or None, not {drive!r}')
    if sys.platform == "win32":
        can_watch, why_not = False, "on Windows a guest has a handle, and this host can watch sockets at the most"
    if drive == "fd" and not can_watch:
        raise ValueError(f'{why_not}: use drive="thread", or None')
    return can_watch and drive != "thread"


class LoopHost(Host):
    """Base of an adapter whose main loop, window or application may go first.

    `deadline`: seconds that the runs have for their clean-up then. An adapter overrides `hook` and `unhook`, gives its
    guests their deliveries by `deliver`, calls `host_ended` when the toolkit tells of its end, and runs the main loop
    by `run_mainloop` where it offers that. Host thread only.
    """

    def __init__(self, deadline: float = 5.0) -> None:
        if not deadline >= 0:
            raise ValueError(f"deadline is in seconds and must not be below 0, not {deadline!r}")
        #: Seconds that the runs have for their clean-up.
        self.deadline = deadline
        #: The host has ended, or is about to, and can give no more deliveries.
        self.has_ended = False
        self._guests: list[Resident] = []
        # What ends each of the main loops that `run_mainloop` runs, the innermost last.
        self._quits: list[Callable[[], object] | None] = []
        self._leaving: BaseException | None = None

    def attached(self, guest: Resident) -> None:
        if not self._guests:
            self.hook()
            self.has_ended = False  # a main loop can run again
            self._take_ctrl_c(take=False)
        elif guest.host_thread != self._guests[0].host_thread:
            raise GuestError(
                f"this {type(self).__name__} has a guest on another thread: each thread's loop needs its own"
            )
        self._guests.append(guest)

    def detached(self, guest: Resident) -> None:
        if guest in self._guests:
            self._guests.remove(guest)
            if not self._guests:
                self.unhook()
                self._take_ctrl_c(take=self._quit is not None)

    def hook(self) -> None:
        """The first guest is about to start: the place to hook the toolkit's end, and what makes a reference cycle."""

    def unhook(self) -> None:
        """The last one is over: takes back what `hook` did. The toolkit may have ended before."""

    def deliver(self, ready: Callable[[], object]) -> bool:
        """Gives a guest a delivery, by what `watch` or `post` were given; returns whether it has more to do than fitted.

        What its `done_callback` raises goes to `report`, as what a handler of the toolkit raises does. SystemExit and
        KeyboardInterrupt end the main loop: they come out of here, or, where that cannot be, of `run_mainloop`.
        """
        try:
            try:
                return ready() is True
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException:
                self.report()
            finally:
                if self.has_ended:
                    self.shut_down()  # the end came inside of this delivery, which had to return first
        except (SystemExit, KeyboardInterrupt) as error:
            self._leave(error)
        return False

    def report(self) -> None:
        """Tells of the exception that is being handled, as the toolkit does for its own handlers."""
        kind, error, trace = sys.exc_info()
        assert kind is not None and error is not None
        sys.excepthook(kind, error, trace)

    # ---- the main loop and its end

    def run_mainloop(self, start: Callable[[], Any], quit: Callable[[], object] | None = None) -> Any:
        """The main loop: `start()`, which returns when it has ended. Then the guests are shut down. Returns what it does.

        `quit`: ends it. For toolkits that let no exception through: they print what a handler raises and go on, but at
        SystemExit Python ends the process right there in the handler. With it, SystemExit and KeyboardInterrupt that
        come out of a delivery, and Ctrl-C while there is no guest, have `quit()` called, and are raised here at the end.
        It may be nested; the guests are shut down after the outermost one.
        """
        self._quits.append(quit)
        if quit is not None:
            self.ends_with_interpreter = True
            self._take_ctrl_c(take=not self._guests)
        try:
            result = start()
            if self._leaving is not None:
                raise self._leaving
            return result
        finally:
            self._quits.pop()
            if not self._quits:
                self.ends_with_interpreter = type(self).ends_with_interpreter
                self._leaving = None
                self._take_ctrl_c(take=False)
                self.shut_down()

    def host_ended(self) -> None:
        """The host has ended, or is about to: so do its guests, as soon as none of their code is on the stack."""
        self.has_ended = True
        try:
            self.shut_down()
        except (SystemExit, KeyboardInterrupt) as error:  # the toolkit tells of its end by a handler, too
            self._leave(error)

    def leave(self, error: BaseException) -> None:
        """SystemExit or KeyboardInterrupt came out of a delivery, and the main loop is run without a `quit`.

        Here it is raised again, through the toolkit. Overridden where that ends in another way.
        """
        raise error

    def shut_down(self) -> None:
        """Ends the guests without the host's help: each, also if SystemExit comes out of the end of another one."""
        with ExitStack() as steps:
            for guest in reversed(self._guests):
                steps.callback(self._shut_down_one, guest)

    def _shut_down_one(self, guest: Resident) -> None:
        try:
            guest.shutdown(self.deadline)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            # Else its own code is on the stack: `deliver` comes by here again when that has returned.
            if guest.state == "ended" or not isinstance(error, GuestError):
                self.report()

    @property
    def _quit(self) -> Callable[[], object] | None:
        return self._quits[-1] if self._quits else None

    def _leave(self, error: BaseException) -> None:
        quit = self._quit
        if quit is None:
            self.leave(error)
            return
        self._leaving = self._leaving or error
        quit()

    # ---- Ctrl-C: the first guest has it, and between guests it would be an exception in any handler

    def _take_ctrl_c(self, *, take: bool) -> None:
        """Whether SIGINT ends the main loop that `run_mainloop` runs, unless somebody else has it."""
        if threading.current_thread() is not threading.main_thread():
            return
        handler = signal.getsignal(signal.SIGINT)
        if take and is_free(handler):
            signal.signal(signal.SIGINT, self._interrupted)
        elif not take and handler == self._interrupted:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _interrupted(self, signum: int, frame: FrameType | None) -> None:
        self._leave(KeyboardInterrupt())
