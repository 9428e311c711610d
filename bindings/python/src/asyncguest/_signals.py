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
        if _listeners[sig] > 0:
            return
        if not on_main_thread():
            # Only the main thread can put the default back; the next loop that listens there and leaves does.
            warnings.warn(
                f"{self._loop!r} was closed on another thread than the main one: signal {sig} stays without effect",
                ResourceWarning,
                source=self._loop,
            )
            return
        del _listeners[sig]
        if signal.getsignal(sig) is not _nothing:
            return
        if sig != signal.SIGINT:
            signal.signal(sig, signal.SIG_DFL)
        elif _interruptible:
            signal.signal(sig, _on_sigint)
            for run in _interruptible:
                run.watch_again()
        else:
            signal.signal(sig, signal.default_int_handler)

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


# The wake-up fds of the runs on the main thread, the oldest first: it is the one in place, if any of them is.
_wakeup_fds: list[int] = []


class WakeupFd:
    """The process's wake-up fd for the time of a run, unless somebody has one: then it stays theirs.

    Only on the main thread; elsewhere it does nothing. Several runs share it: when the first one leaves, the next one's
    fd takes its place, and after the last one there is none, as before. An fd that was set by somebody else meanwhile is
    left alone.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> WakeupFd:
        if on_main_thread():
            before = signal.set_wakeup_fd(self._fd, warn_on_full_buffer=False)
            if before != -1 and not _give_back(before):
                before = -1
            if before == -1 or before in _wakeup_fds:
                _wakeup_fds.append(self._fd)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._fd in _wakeup_fds and on_main_thread():
            _wakeup_fds.remove(self._fd)
            found = signal.set_wakeup_fd(_wakeup_fds[0] if _wakeup_fds else -1, warn_on_full_buffer=False)
            if found not in (self._fd, -1):
                _give_back(found)


def _give_back(fd: int) -> bool:
    """Puts back a wake-up fd that was there. False if its owner has closed it meanwhile: then ours, or none, stays."""
    try:
        # Whether it shall warn cannot be asked: that it does is the default.
        signal.set_wakeup_fd(fd, warn_on_full_buffer=fd not in _wakeup_fds)
    except (OSError, ValueError):  # closed; the number is that of something else by now, which blocks
        return False
    return True


# The runs that Ctrl-C is for, on the main thread.
_interruptible: list[CtrlC] = []


def _on_sigint(signum: int, frame: FrameType | None) -> None:
    """Python's handler while a run has taken SIGINT: ends them all; KeyboardInterrupt when there is none to end."""
    if [run for run in _interruptible if run.interrupt()]:
        return
    if frame is not None and str(frame.f_globals.get("__name__")).startswith("asyncguest._"):
        # A turn is being begun or ended, which may not be cut in two: the tasks hear of it instead.
        for run in _interruptible:
            run.insist()
        return
    raise KeyboardInterrupt


class CtrlC:
    """SIGINT during a run: the first one calls `cancel`, a further one raises KeyboardInterrupt, as in asyncio.run.

    Taken only on the main thread and only if Python's default handler is in place: whoever has set another wants it.
    """

    def __init__(self, cancel: Callable[[], bool]) -> None:
        self._cancel = cancel
        self._reactor: Reactor | None = None
        #: How often Ctrl-C came during the run.
        self.count = 0

    def enter(self, reactor: Reactor) -> None:
        """Takes SIGINT, if it is free. The reactor watches it too: then it wakes the guest in any loop."""
        if not on_main_thread():
            return
        handler = signal.getsignal(signal.SIGINT)
        # `_nothing`: a loop listens for SIGINT itself; when it stops, Ctrl-C is for the runs again.
        if handler in (signal.default_int_handler, _on_sigint, _nothing):
            if handler is signal.default_int_handler:
                signal.signal(signal.SIGINT, _on_sigint)
            _interruptible.append(self)
            self._reactor = reactor
            reactor.watch_signal(signal.SIGINT)

    def watch_again(self) -> None:
        """Python has put its own C handler over the library's."""
        if self._reactor is not None:
            self._reactor.unwatch_signal(signal.SIGINT)
            self._reactor.watch_signal(signal.SIGINT)

    def leave(self, reactor: Reactor) -> None:
        """Gives it back."""
        if self in _interruptible:
            reactor.unwatch_signal(signal.SIGINT)
            self.forget()

    def forget(self) -> None:
        """The same without the reactor, which in the child of a fork is the parent's."""
        if self in _interruptible:
            _interruptible.remove(self)
            if not _interruptible and on_main_thread() and signal.getsignal(signal.SIGINT) is _on_sigint:
                signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt(self) -> bool:
        """Ctrl-C has come. Returns whether the run ends by it; False for a second time."""
        self.count += 1
        return self.count == 1 and self._cancel()

    def insist(self) -> None:
        """Ctrl-C has come again, at a moment when nothing can be raised."""
        self._cancel()
