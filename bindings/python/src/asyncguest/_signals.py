"""Signals: the loop's handlers, the wake-up fd of a run, and Ctrl-C.

Owns: what the process's signal state was before, and its return. Main thread of the interpreter only: CPython lets no
other thread change that state.

Three things that look alike. A *loop handler* (`add_signal_handler`) is told by the library, whose C handler calls
the one that was there before. A *Python handler* (`signal.signal`) runs between two bytecodes, so somebody has to run
some bytecode: a wake-up fd makes the guest do so while a C or C++ loop is in charge. *Ctrl-C* is a Python handler.
"""

from __future__ import annotations

import asyncio
import inspect
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._loop import EventLoop
    from ._reactor import Reactor

__all__ = ["SignalHandlers", "WakeupFd", "CtrlC"]


def _nothing(signum: int, frame: FrameType | None) -> None:
    """Python's handler of a signal that loops listen for: takes the place of the default action."""


# How many loops listen for a signal: Python's handler is shared by them.
_listeners: dict[int, int] = {}


def on_main_thread() -> bool:
    """Whether this thread may change the process's signal state."""
    return threading.current_thread() is threading.main_thread()


class SignalHandlers:
    """The handlers that one loop was given with `add_signal_handler`."""

    def __init__(self, loop: EventLoop, reactor: Reactor) -> None:
        self._loop = loop
        self._reactor = reactor
        self._handles: dict[int, asyncio.Handle] = {}

    def add(self, sig: int, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        """See `EventLoop.add_signal_handler`."""
        if asyncio.iscoroutine(callback) or inspect.iscoroutinefunction(callback):
            raise TypeError("coroutines cannot be used with add_signal_handler()")
        _check_signal(sig)
        if not on_main_thread():
            raise RuntimeError("signal handlers can only be added on the main thread of the interpreter")
        handle = asyncio.Handle(callback, args, self._loop, None)
        if sig not in self._handles:
            self._listen(sig)
        self._handles[sig] = handle

    def _listen(self, sig: int) -> None:
        if signal.getsignal(sig) is not _nothing:
            try:
                signal.signal(sig, _nothing)
            except (OSError, ValueError) as error:
                raise RuntimeError(f"sig {sig} cannot be caught") from error
            signal.siginterrupt(sig, False)
            # Python has put its own C handler over the library's, if this loop watches the signal already (Ctrl-C).
            self._reactor.unwatch_signal(sig)
        _listeners[sig] = _listeners.get(sig, 0) + 1
        try:
            self._reactor.watch_signal(sig)
        except BaseException:
            self._leave(sig)
            raise

    def _leave(self, sig: int) -> None:
        """Stops listening; the last loop to do so puts the default back, as asyncio does."""
        self._reactor.unwatch_signal(sig)
        _listeners[sig] -= 1
        if _listeners[sig]:
            return
        del _listeners[sig]
        if on_main_thread() and signal.getsignal(sig) is _nothing:
            signal.signal(sig, signal.default_int_handler if sig == signal.SIGINT else signal.SIG_DFL)

    def remove(self, sig: int) -> bool:
        """See `EventLoop.remove_signal_handler`."""
        _check_signal(sig)
        handle = self._handles.pop(sig, None)
        if handle is None:
            return False
        handle.cancel()
        self._leave(sig)
        return True

    def remove_all(self) -> None:
        """For the end of the loop."""
        if sys.is_finalizing():
            if self._handles:
                warnings.warn(
                    f"{self._loop!r} is closed while the interpreter ends: its signal handlers are left as they are",
                    ResourceWarning,
                    source=self._loop,
                )
            self._handles.clear()
            return
        for sig in list(self._handles):
            self.remove(sig)

    def arrived(self, signum: int, count: int) -> None:
        """A watched signal has come `count` times."""
        handle = self._handles.get(signum)
        if handle is not None:
            for _ in range(count):
                self._loop.queue_handle(handle)


def _check_signal(sig: int) -> None:
    if not isinstance(sig, int):
        raise TypeError(f"sig must be an int, not {sig!r}")
    if sig not in signal.valid_signals():
        raise ValueError(f"invalid signal number {sig}")


class WakeupFd:
    """The process's wake-up fd for the time of a run, unless somebody has one: then it stays theirs.

    Only on the main thread; elsewhere it does nothing. `leave` restores the same number that `enter` found, and
    leaves an fd alone that was set by somebody else meanwhile.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._installed = False

    def __enter__(self) -> WakeupFd:
        if on_main_thread():
            before = signal.set_wakeup_fd(self._fd, warn_on_full_buffer=False)
            if before == -1:
                self._installed = True
            else:
                # The flag is not to be had from Python: True is what set_wakeup_fd's callers get by default.
                signal.set_wakeup_fd(before)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._installed and on_main_thread():
            self._installed = False
            found = signal.set_wakeup_fd(-1)
            if found not in (self._fd, -1):
                signal.set_wakeup_fd(found)


class CtrlC:
    """SIGINT during a run: the first one calls `cancel`, a further one raises KeyboardInterrupt, as in asyncio.run.

    Taken only on the main thread and only if Python's default handler is in place: whoever has set another wants it.
    """

    def __init__(self, cancel: Callable[[], bool]) -> None:
        self._cancel = cancel
        self._installed = False
        self._handler = self._on_sigint  # one object, to be recognised later
        #: How often Ctrl-C came during the run.
        self.count = 0

    def enter(self, reactor: Reactor) -> None:
        """Takes SIGINT, if it is free. The reactor watches it too: then it wakes the guest in any loop."""
        if on_main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handler)
            self._installed = True
            reactor.watch_signal(signal.SIGINT)

    def leave(self, reactor: Reactor) -> None:
        """Gives it back."""
        if self._installed:
            self._installed = False
            reactor.unwatch_signal(signal.SIGINT)
            if on_main_thread() and signal.getsignal(signal.SIGINT) is self._handler:
                signal.signal(signal.SIGINT, signal.default_int_handler)

    def forget(self) -> None:
        """In the child of a fork: Ctrl-C is what it is without a run."""
        if self._installed:
            self._installed = False
            if on_main_thread() and signal.getsignal(signal.SIGINT) is self._handler:
                signal.signal(signal.SIGINT, signal.default_int_handler)

    def _on_sigint(self, signum: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1 or not self._cancel():
            raise KeyboardInterrupt
