"""Signals: the loop's handlers, and Ctrl-C.

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
import warnings
import weakref
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from ._native import Reactor, signal_arrivals
from ._system import HANDLERS_CHAIN, restart_calls
from ._wakeup_fd import on_main_thread

if TYPE_CHECKING:
    from ._cpython_loop import CPythonLoop


def _on_signal(signum: int, frame: FrameType | None) -> None:
    """Python's handler of a signal that loops listen for: takes the place of the default action.

    The library's handler comes before it and has told the loops. If not, somebody has had a handler of his own for a while
    and has put this one back, in the library's place: then the loops are told here, and the library's comes back.
    """
    if _is_missed(signum):
        for handlers in list(_listeners.get(signum, ())):
            handlers.missed(signum)


# The loops that listen for a signal: Python's handler is shared by them.
_listeners: dict[int, weakref.WeakSet[SignalHandlers]] = {}

# How many arrivals of a signal the library had seen when Python's handler ran last.
_seen: dict[int, int] = {}


def _is_missed(signum: int) -> bool:
    """For Python's handlers: whether the library's handler has not run for this arrival."""
    before, _seen[signum] = _seen.get(signum), signal_arrivals(signum)
    return before == _seen[signum]


class SignalHandlers:
    """The handlers that one loop was given with `add_signal_handler`."""

    def __init__(self, loop: CPythonLoop, reactor: Reactor) -> None:
        self._loop = loop
        self._reactor = reactor
        self._handles: dict[int, asyncio.Handle] = {}

    def add(self, sig: int, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
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
        if signal.getsignal(sig) is not _on_signal:
            try:
                signal.signal(sig, _on_signal)
            except (OSError, ValueError) as error:
                raise RuntimeError(f"sig {sig} cannot be caught") from error
            restart_calls(sig)
            # Python has put its own C handler over the library's, if this loop watches the signal already (Ctrl-C).
            self._reactor.unwatch_signal(sig)
        _listeners.setdefault(sig, weakref.WeakSet()).add(self)
        _is_missed(sig)  # counts from here on
        try:
            self._reactor.watch_signal(sig)
        except BaseException:
            self._leave(sig)
            raise

    def _leave(self, sig: int) -> None:
        """Stops listening; the last loop to do so puts the default back, as asyncio does."""
        self._reactor.unwatch_signal(sig)
        listeners = _listeners[sig]
        listeners.discard(self)
        if listeners:
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
        if signal.getsignal(sig) is not _on_signal:
            return
        if sig != signal.SIGINT:
            signal.signal(sig, signal.SIG_DFL)
        elif _interruptible:
            signal.signal(sig, on_sigint)
            for run in _interruptible:
                run.watch_again()
        else:
            signal.signal(sig, on_sigint if _ending else signal.default_int_handler)

    def remove(self, sig: int) -> bool:
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

    def missed(self, signum: int) -> None:
        """The same for one that the library has not seen. In Python's handler, at any moment."""
        try:
            self._loop.call_soon_threadsafe(self._listen_again, signum)
        except RuntimeError:
            pass  # the loop is being closed

    def _listen_again(self, signum: int) -> None:
        if signum in self._handles:
            self._reactor.unwatch_signal(signum)
            self._reactor.watch_signal(signum)
            self.arrived(signum, 1)

    def arrived(self, signum: int, count: int) -> None:
        handle = self._handles.get(signum)
        if handle is not None:
            for _ in range(count):
                self._loop.queue_handle(handle)


def _check_signal(sig: int) -> None:
    if not isinstance(sig, int):
        raise TypeError(f"sig must be an int, not {sig!r}")
    if sig not in signal.valid_signals():
        raise ValueError(f"invalid signal number {sig}")


# The runs that Ctrl-C is for, on the main thread.
_interruptible: list[CtrlC] = []

# Code of the package in which a delivery, of asyncio's or of another library's, is begun and ended, and a signal connected.
_OWN = ("asyncguest._", "asyncguest.guests._", "asyncguest.sources._")

#: Of other async libraries: each tells whether what is interrupted, below who asks, is code of a run of its own that fails as a
#: whole of an exception. The modules of `guests` add theirs.
whole: list[Callable[[], bool]] = []

# How many runs are just giving the main thread back, which may not be cut in two; and whether Ctrl-C has come meanwhile.
_ending = 0
_kept = False


def hold(handler: object = None) -> None:
    """A run gives its thread back: Ctrl-C has to wait. `handler`: what the run has had for it, if that was its own."""
    global _ending
    if on_main_thread():
        _ending += 1
        try:
            if handler is not None and signal.getsignal(signal.SIGINT) == handler:
                signal.signal(signal.SIGINT, on_sigint)
        except BaseException:  # of a handler of another signal's: nobody would call `let_go`
            _ending -= 1
            raise


def keep() -> None:
    """Ctrl-C has come, and has to wait."""
    global _kept
    _kept = True


def let_go() -> None:
    """The run has ended: SIGINT is Python's again, or that of the runs that are left, who get what has come meanwhile."""
    global _ending, _kept
    if not on_main_thread():
        return
    try:
        if _ending == 1 and not _interruptible and signal.getsignal(signal.SIGINT) is on_sigint:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    finally:  # an exception here is Ctrl-C, too
        _ending -= 1
        kept, _kept = _kept and not _ending, _kept and _ending > 0
    if kept:
        on_sigint(signal.SIGINT, None)


def forget_in_child() -> None:
    """In the child of a fork, of another thread than the main one: what that was just ending does not end here."""
    global _ending, _kept
    _ending, _kept = 0, False
    if not _interruptible and signal.getsignal(signal.SIGINT) is on_sigint:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def is_free(handler: object) -> bool:
    """Whether SIGINT, whose handler is this, is anybody's to take: Python's, or that of runs of which the last one ends."""
    return handler is signal.default_int_handler or (handler is on_sigint and not _interruptible)


def on_sigint(signum: int, frame: FrameType | None) -> None:
    """Python's handler while a run has taken SIGINT: ends them all; KeyboardInterrupt when there is none to end."""
    if _is_missed(signum):  # see _on_signal
        for run in _interruptible:
            run.watch_again()
    if _ending:
        keep()
        return
    if [run for run in _interruptible if run.interrupt()]:
        return
    if _interruptible and frame is not None and _is_whole(frame):
        # A delivery is being begun or ended, which may not be cut in two: the tasks hear of it instead.
        for run in _interruptible:
            run.insist()
        return
    raise KeyboardInterrupt


def _is_whole(frame: FrameType) -> bool:
    """Whether an exception in that frame would be one in the middle of what has to be done as a whole."""
    return is_own(frame) or any(is_whole() for is_whole in whole)


def is_own(frame: FrameType) -> bool:
    """Whether it is one of the package's code that may not be cut in two."""
    return str(frame.f_globals.get("__name__")).startswith(_OWN)


class CtrlC:
    """SIGINT during a run: the first one calls `cancel`, a further one raises KeyboardInterrupt, as in asyncio.run.

    Taken only on the main thread and only if Python's default handler is in place: whoever has set another wants it.
    """

    def __init__(self, run: Any) -> None:
        self._run = run
        self._reactor: Reactor | None = None

    def enter(self, reactor: Reactor) -> None:
        """Takes SIGINT, if it is free. The reactor watches it too, where it leaves Python its own: that wakes the guest in any loop."""
        if not on_main_thread():
            return
        handler = signal.getsignal(signal.SIGINT)
        # `_on_signal`: a loop listens for SIGINT itself; when it stops, Ctrl-C is for the runs again.
        if handler in (signal.default_int_handler, on_sigint, _on_signal):
            if handler is signal.default_int_handler:
                signal.signal(signal.SIGINT, on_sigint)
            _interruptible.append(self)
            if HANDLERS_CHAIN:
                self._reactor = reactor
                reactor.watch_signal(signal.SIGINT)
            _is_missed(signal.SIGINT)  # counts from here on

    def watch_again(self) -> None:
        """Python has put its own C handler over the library's."""
        if self._reactor is not None:
            self._reactor.unwatch_signal(signal.SIGINT)
            self._reactor.watch_signal(signal.SIGINT)

    def leave(self, reactor: Reactor) -> None:
        if self in _interruptible:
            reactor.unwatch_signal(signal.SIGINT)
            self.forget()

    def forget(self) -> None:
        """The same without the reactor, which in the child of a fork is the parent's."""
        if self in _interruptible:
            _interruptible.remove(self)
            if not (_interruptible or _ending) and on_main_thread() and signal.getsignal(signal.SIGINT) is on_sigint:
                signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt(self) -> bool:
        """Ctrl-C has come. Returns whether the run ends by it; False for a second time."""
        self._run.interrupted_count += 1
        return self._run.interrupted_count == 1 and bool(self._run.cancel())

    def insist(self) -> None:
        """Ctrl-C has come again, at a moment when nothing can be raised."""
        if not self._run.cancel():
            keep()
