"""SDL by way of pygame or pygame-ce, which share their functions.

Owns: an event type of pygame's, for programs that wait with `pygame.event.wait()`. Host thread only, except `post`.

SDL can watch no fds, and pygame's own `event.wait()` looks for events every millisecond. So `SdlHost.wait` looks too,
four times as rarely, and waits for the guests in between. Events come first: a guest with more to do than fitted into
its delivery has the next one when there are none, but after 10 ms at the latest, so that a storm of events does not
starve it. One that has just become due has its delivery before the next event.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from time import monotonic
from typing import Any, NamedTuple

from .base import Found
from .frames import FramesHost

__all__ = ["SdlHost", "find"]

pygame: Any = import_module("pygame")

# Seconds between two looks for events, while nothing else happens: input that late is not felt.
_PAUSE = 0.004

# Seconds without a delivery after which a busy guest has one, also if there are events.
_LONGEST_STORM = 0.010

# Seconds after which an event of ours that has not come is taken for lost, by `pygame.event.clear()` for one.
_LOST = 0.05


class SdlHost(FramesHost):
    """The event loop of a pygame program, in each of the ways in which it can be written.

    `drive`: "fd" gives deliveries in `get`, `wait`, `events`, `sleep` and `step`, and needs no thread; it is what None
    means, except on Windows. "thread" posts events besides, for a program that calls `pygame.event.wait()` itself and
    shows each event to `handle`. `deadline`: seconds that a run has for its clean-up in `pygame.quit()`.

    Example: docs/hosts/pygame.md

    `pygame.quit()`, which pygame itself calls when the interpreter ends, shuts the guests down; the display still
    stands then. `pygame.QUIT` is an event like others: the program decides. What a `done_callback` raises goes to
    `sys.excepthook`; SystemExit and KeyboardInterrupt come out of the call that gave the delivery.
    """

    name = "SDL"
    repost_after = _LOST

    def __init__(self, drive: str | None = None, deadline: float = 5.0) -> None:
        super().__init__(drive, deadline)
        self._type = pygame.event.custom_type()
        self._me: weakref.ref[SdlHost] = weakref.ref(self)
        self._wakeups = 0
        self._next_wakeup = 0.0
        self._hooks_quit = False
        self._is_busy = False
        self._last_round = 0.0
        _made["last"] = self

    def get(self, *args: Any, **options: Any) -> list[Any]:
        """One delivery for each guest that has something due, then `pygame.event.get(...)`. For once per frame."""
        had_display = pygame.display.get_init()
        self.step()
        if had_display and not pygame.display.get_init():
            return []  # guest code has called pygame.quit()
        return [event for event in pygame.event.get(*args, **options) if _wakeup_of(event) is None]

    def wait(self, timeout: int = 0) -> Any:
        """`pygame.event.wait(timeout)`, in milliseconds, 0 for no end, with the guests' deliveries in it."""
        end = monotonic() + timeout / 1000 if timeout > 0 else float("inf")
        while True:
            event = pygame.event.poll()
            if event.type != pygame.NOEVENT:
                if not self.handle(event):
                    return event
            elif (left := end - monotonic()) <= 0:
                return event
            elif self._nap(min(left, _PAUSE), [])[0]:
                self.step()
            if not pygame.display.get_init():
                return pygame.event.Event(pygame.NOEVENT)  # guest code has called pygame.quit()

    def events(self) -> Iterator[Any]:
        """Waits for events, one after another, as long as there is a display."""
        while pygame.display.get_init():
            yield self.wait()

    def handle(self, event: Any) -> bool:
        """Gives the deliveries that are due. Returns whether `event` was nothing but the call for them.

        For a program that calls `pygame.event.wait()` or `get()` itself: show it every event.
        """
        wakeup = _wakeup_of(event)
        if wakeup is None:
            self._weather()
            return False
        host = wakeup.host()
        if host is not None and wakeup.number == host._wakeups:  # else it was lost, and another is under way
            host.step()
        return True

    def step(self) -> bool:
        """As in `FramesHost`."""
        self._next_wakeup = 0.0
        self._is_busy = False
        try:
            self._is_busy = super().step()
        finally:
            self._last_round = monotonic()
        return self._is_busy

    def _weather(self) -> None:
        """There are events: the guests have a delivery, but busy ones not before each."""
        if not self._is_busy or monotonic() - self._last_round > _LONGEST_STORM:
            self.step()

    def wake(self) -> None:
        super().wake()
        now = monotonic()
        if self.watches_fds or now < self._next_wakeup:
            return  # nobody listens, or a wakeup is in the queue already: of two, each would bring the next one
        self._next_wakeup = now + _LOST
        self._wakeups += 1
        event = pygame.event.Event(self._type, asyncguest=_Wakeup(self._me, self._wakeups))
        try:
            if not pygame.event.post(event):
                pygame.event.set_allowed(self._type)  # the program has blocked all that it does not know
                pygame.event.post(event)
        except pygame.error:
            self._next_wakeup = 0.0  # the queue is full, or there is no display: the next look for events finds the job

    def hook(self) -> None:
        super().hook()
        if not self._hooks_quit:
            self._hooks_quit = True
            pygame.register_quit(partial(_has_quit, self._me))


class _Wakeup(NamedTuple):
    """What an event carries that a host has posted to itself."""

    host: weakref.ref[SdlHost]
    number: int


def _has_quit(me: weakref.ref[SdlHost]) -> None:
    """Called by `pygame.quit()`, which keeps no host until then."""
    host = me()
    if host is not None:
        host._hooks_quit = False  # pygame has forgotten it
        host.host_ended()


def _wakeup_of(event: Any) -> _Wakeup | None:
    """What the event carries, if it is a host's. Its type does not tell: pygame gives out its numbers again."""
    wakeup = getattr(event, "asyncguest", None)
    return wakeup if isinstance(wakeup, _Wakeup) else None


# The host that was made last.
_made: weakref.WeakValueDictionary[str, SdlHost] = weakref.WeakValueDictionary()


def find() -> Found | None:
    """pygame's display, if there is one and this is the main thread, to which SDL belongs."""
    if not pygame.display.get_init() or threading.current_thread() is not threading.main_thread():
        return None
    host = _made.get("last")
    # SDL has no main loop of its own: the program has, and gives deliveries by the host that it has made, or is to make
    # them by `guest.host`.
    what = f"SDL ({'pygame-ce' if getattr(pygame, 'IS_CE', False) else 'pygame'})"
    return Found(what, False, SdlHost if host is None else lambda: host)
