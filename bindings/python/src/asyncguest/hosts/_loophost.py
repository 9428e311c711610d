"""What the adapters of toolkits share: a main loop that may end before its guests do.

Owns: the list of the guests that live in one host. Host thread only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from time import monotonic
from typing import Any, NamedTuple

from .._errors import GuestError
from .._host import Host

__all__ = ["LoopHost", "Found", "BusyStreak", "watches"]

# Seconds of turns with pauses below _PAUSE after which the host is given an idle moment.
_LONGEST_STREAK = 0.004
_PAUSE = 0.001


class Found(NamedTuple):
    """What an adapter's `find()` has found on this thread, for `asyncguest.start`."""

    #: For messages: "Qt (PyQt6)".
    what: str
    #: Its main loop runs right now; else it is made, and expected to.
    running: bool
    #: Makes the adapter.
    make: Callable[[], Host]


def watches(drive: str | None, can_watch: bool = True, why_not: str = "this host cannot watch fds") -> bool:
    """Whether the host is to watch the guest's fd: `drive` is "fd", "thread", or None for the better one."""
    if drive not in ("fd", "thread", None):
        raise ValueError(f'drive must be "fd", "thread" or None, not {drive!r}')
    if drive == "fd" and not can_watch:
        raise ValueError(f'{why_not}: use drive="thread", or None')
    return can_watch and drive != "thread"


class BusyStreak:
    """Turns so close to each other that what a host does in its idle moments has no place in between."""

    def __init__(self) -> None:
        self._began = self._ended = 0.0

    def begin(self) -> None:
        """A turn begins."""
        now = monotonic()
        if now - self._ended > _PAUSE:
            self._began = now

    def end(self, more: bool) -> bool:
        """It has ended, with more to do or not. Returns whether the host needs an idle moment now."""
        self._ended = now = monotonic()
        if not more and now - self._began <= _LONGEST_STREAK:
            return False
        self._began = now
        return True


class LoopHost(Host):
    """Base of an adapter whose main loop, window or application may go first.

    `deadline`: seconds that the runs have for their clean-up then. An adapter calls `_over()` when its host has ended,
    gives turns by `_turn(ready)`, and overrides `_hook` and `_unhook`, which are called around the time in which
    guests live here: what hooks the toolkit's end, and may make a reference cycle through it, belongs there.
    """

    def __init__(self, deadline: float = 5.0) -> None:
        if not deadline >= 0:
            raise ValueError(f"deadline is in seconds and must not be below 0, not {deadline!r}")
        self._deadline = deadline
        self._guests: list[Any] = []
        #: The host has ended, or is about to, and can give no more turns.
        self._is_over = False

    def attached(self, guest: Any) -> None:
        if not self._guests:
            self._hook()
        elif guest.host_thread != self._guests[0].host_thread:
            raise GuestError(
                f"this {type(self).__name__} has a guest on another thread: each thread's loop needs its own"
            )
        self._guests.append(guest)

    def detached(self, guest: Any) -> None:
        if guest in self._guests:
            self._guests.remove(guest)
            if not self._guests:
                self._unhook()

    def _hook(self) -> None:
        """The first guest is about to start."""

    def _unhook(self) -> None:
        """The last one is over."""

    def _turn(self, ready: Callable[[], object]) -> bool:
        """Gives a guest its turn; returns whether it has more to do than fitted into it.

        What its `done_callback` raises goes to `_report`, as what a handler of the toolkit raises does; but SystemExit
        and KeyboardInterrupt come out.
        """
        try:
            return ready() is True
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            self._report()
            return False
        finally:
            if self._is_over:
                self._shut_down()  # the end came inside of this turn, which had to return first

    def _over(self) -> None:
        """The host has ended: so do its guests, as soon as none of their code is on the stack."""
        self._is_over = True
        self._shut_down()

    def _shut_down(self) -> None:
        """Ends the guests without the host's help: each, also if SystemExit comes out of the end of another one."""
        with ExitStack() as steps:
            for guest in reversed(self._guests):
                steps.callback(self._shut_down_one, guest)

    def _shut_down_one(self, guest: Any) -> None:
        try:
            guest.shutdown(self._deadline)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            # Else its own code is on the stack: `_turn` comes by here again when that has returned.
            if guest.state == "ended" or not isinstance(error, GuestError):
                self._report()

    def _report(self) -> None:
        """Tells of the exception that is being handled, as the toolkit does for its own handlers."""
        kind, error, trace = sys.exc_info()
        assert kind is not None and error is not None
        sys.excepthook(kind, error, trace)
