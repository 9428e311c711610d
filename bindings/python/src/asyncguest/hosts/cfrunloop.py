"""macOS: CoreFoundation's run loop, which is the main loop of every Cocoa program.

Owns: a run loop source, a timer and the watched fds' descriptors, while guests live here. The run loop's thread only,
except `post`. Written by Apple's documentation and tested against a stand-in for CoreFoundation alone.

All of it is in the common modes, so menus, modal panels and the tracking of the mouse give deliveries too. In each pass
a run loop serves timers, then sources, then events. A guest with more to do than fitted into its delivery has the next
one by the timer, a millisecond later, so that a pass for events, and for what paints before the loop sleeps, lies
between any two.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
import weakref
from collections.abc import Callable
from typing import Any

from .base import Found, JobHost, watches

__all__ = ["CFRunLoopHost", "find"]

READ_CALLBACK = 1  # kCFFileDescriptorReadCallBack
_YIELD = 0.001
_NEVER = 1e10  # seconds after 2001: a timer that is not set

_PERFORM = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_FIRED = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
_READABLE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p)


class _Context(ctypes.Structure):
    """The beginning of CFRunLoopSourceContext, and all of CFRunLoopTimerContext and CFFileDescriptorContext."""

    _fields_ = [("version", ctypes.c_long), ("info", ctypes.c_void_p), ("of_info", ctypes.c_void_p * 3)]


class _SourceContext(ctypes.Structure):
    """CFRunLoopSourceContext."""

    _fields_ = [("base", _Context), ("unused", ctypes.c_void_p * 4), ("perform", _PERFORM)]


class CFRunLoopHost(JobHost):
    """The run loop of the thread that starts the guest; in a Cocoa program `NSApplication` runs it.

    `drive`: "fd" has the run loop watch the guest's fd, a kqueue, by a CFFileDescriptor; "thread" has a thread of the
    library signal a source; None takes the first. `deadline`: seconds that a run has for its clean-up when `run`
    returns.

    Example: docs/hosts/cfrunloop.md

    `run` shuts down the runs that have not ended when it returns, and raises what came out of a delivery: SystemExit or
    KeyboardInterrupt, which cannot pass through CoreFoundation. Where the program runs the loop by other means, that
    calls `guest.shutdown()`, for example in `applicationWillTerminate:`. What a `done_callback` raises goes to
    `sys.excepthook`.
    """

    name = "CFRunLoop"

    def __init__(self, drive: str | None = None, deadline: float = 5.0) -> None:
        super().__init__(deadline)
        self.watches_fds = watches(drive)
        self._cf = _load()
        self._loop: int | None = None
        self._source: int | None = None
        self._timer: int | None = None
        self._watched: dict[int, tuple[int, Callable[[], bool]]] = {}
        self._yielding: list[int] = []
        self._is_yielding = False

    def run(self) -> None:
        """`CFRunLoopRun()`, until `quit` or `CFRunLoopStop`."""
        self.run_mainloop(self._cf.CFRunLoopRun, self.quit)

    def quit(self) -> None:
        """Ends the innermost run of this thread's run loop."""
        self._cf.CFRunLoopStop(self._cf.CFRunLoopGetCurrent())

    # ---- what a guest asks for

    def watch(self, fd: int, ready: Callable[[], bool]) -> None:
        cf = self._cf
        descriptor = cf.CFFileDescriptorCreate(None, fd, False, _callbacks[2], ctypes.byref(_context(self)))
        if not descriptor:
            raise OSError(f'CoreFoundation cannot watch fd {fd}: use drive="thread"')
        source = cf.CFFileDescriptorCreateRunLoopSource(None, descriptor, 0)
        cf.CFRunLoopAddSource(self._loop, source, cf.common_modes)
        cf.CFRelease(source)  # the run loop has it
        self._watched[fd] = descriptor, ready
        cf.CFFileDescriptorEnableCallBacks(descriptor, READ_CALLBACK)

    def unwatch(self, fd: int) -> None:
        descriptor, _ = self._watched.pop(fd)
        self._cf.CFFileDescriptorInvalidate(descriptor)  # and its source with it
        self._cf.CFRelease(descriptor)

    def wake(self) -> None:
        source, loop = self._source, self._loop
        if source is not None and loop is not None and not self._is_yielding:
            self._cf.CFRunLoopSourceSignal(source)
            self._cf.CFRunLoopWakeUp(loop)

    # ---- deliveries

    def _read(self, descriptor: int, kinds: int) -> None:
        """A descriptor reports once, unless it is enabled again: before the delivery, which may run a nested loop."""
        fd, ready = next(((fd, ready) for fd, (it, ready) in self._watched.items() if it == descriptor), (-1, None))
        if ready is None:
            return  # a delivery before has unwatched it
        self._cf.CFFileDescriptorEnableCallBacks(descriptor, READ_CALLBACK)
        if self.deliver(ready) and fd in self._watched:
            self._cf.CFFileDescriptorDisableCallBacks(descriptor, READ_CALLBACK)
            self._yielding.append(fd)
            self._yield()

    def _perform(self) -> None:
        if self._is_yielding:
            return  # just before that began: the timer comes
        if self.deliver_jobs() or self.jobs:
            self._yield()

    def _yield(self) -> None:
        """Events, and what paints, come first."""
        if self._timer is not None:
            self._is_yielding = True
            self._cf.CFRunLoopTimerSetNextFireDate(self._timer, self._cf.CFAbsoluteTimeGetCurrent() + _YIELD)

    def _has_yielded(self, timer: int) -> None:
        """The timer: busy guests go on, by the source. While a timer's function is on the stack, that timer does not fire
        again, and a delivery here may open a dialog in which guests are busy."""
        self._is_yielding = False
        yielding, self._yielding = self._yielding, []
        for fd in yielding:
            if fd in self._watched:
                self._cf.CFFileDescriptorEnableCallBacks(self._watched[fd][0], READ_CALLBACK)
        if self.jobs:
            self.wake()

    def leave(self, error: BaseException) -> None:
        self.quit()  # nothing may pass through CoreFoundation

    # ---- beginning and end

    def hook(self) -> None:
        cf = self._cf
        _hosts[id(self)] = self
        self._is_yielding = False
        self._loop = cf.CFRunLoopGetCurrent()
        context = _SourceContext(base=_context(self), perform=_callbacks[0])
        self._source = cf.CFRunLoopSourceCreate(None, 0, ctypes.byref(context))
        cf.CFRunLoopAddSource(self._loop, self._source, cf.common_modes)
        self._timer = cf.CFRunLoopTimerCreate(None, _NEVER, _NEVER, 0, 0, _callbacks[1], ctypes.byref(_context(self)))
        cf.CFRunLoopAddTimer(self._loop, self._timer, cf.common_modes)

    def unhook(self) -> None:
        super().unhook()
        source, self._source = self._source, None
        timer, self._timer = self._timer, None
        self._yielding.clear()
        self._cf.CFRunLoopSourceInvalidate(source)
        self._cf.CFRunLoopTimerInvalidate(timer)
        self._cf.CFRelease(source)
        self._cf.CFRelease(timer)
        _hosts.pop(id(self), None)


# CoreFoundation may call once more for what has just been given up: these functions stay, and look for the host.
_hosts: weakref.WeakValueDictionary[int, CFRunLoopHost] = weakref.WeakValueDictionary()


def _pass_on(method: Callable[..., None]) -> Callable[..., None]:
    def called(*args: int) -> None:
        host = _hosts.get(args[-1])
        if host is not None:
            method(host, *args[:-1])

    return called


_callbacks = (
    _PERFORM(_pass_on(CFRunLoopHost._perform)),
    _FIRED(_pass_on(CFRunLoopHost._has_yielded)),
    _READABLE(_pass_on(CFRunLoopHost._read)),
)


def _context(host: CFRunLoopHost) -> _Context:
    return _Context(info=id(host))


def _load() -> Any:
    """CoreFoundation, with the types of the functions that are used."""
    path = ctypes.util.find_library("CoreFoundation") if sys.platform == "darwin" else None
    if path is None:
        raise OSError(f"CFRunLoopHost is for macOS, and this is {sys.platform}: use the host of your toolkit")
    cf: Any = ctypes.CDLL(path)
    ref, index, flags, time = ctypes.c_void_p, ctypes.c_long, ctypes.c_ulong, ctypes.c_double
    for name, result, arguments in (
        ("CFRunLoopGetCurrent", ref, []),
        ("CFRunLoopCopyCurrentMode", ref, [ref]),
        ("CFRunLoopRun", None, []),
        ("CFRunLoopStop", None, [ref]),
        ("CFRunLoopWakeUp", None, [ref]),
        ("CFRunLoopSourceCreate", ref, [ref, index, ref]),
        ("CFRunLoopAddSource", None, [ref, ref, ref]),
        ("CFRunLoopSourceSignal", None, [ref]),
        ("CFRunLoopSourceInvalidate", None, [ref]),
        ("CFRunLoopTimerCreate", ref, [ref, time, time, flags, index, _FIRED, ref]),
        ("CFRunLoopAddTimer", None, [ref, ref, ref]),
        ("CFRunLoopTimerSetNextFireDate", None, [ref, time]),
        ("CFRunLoopTimerInvalidate", None, [ref]),
        ("CFAbsoluteTimeGetCurrent", time, []),
        ("CFFileDescriptorCreate", ref, [ref, ctypes.c_int, ctypes.c_bool, _READABLE, ref]),
        ("CFFileDescriptorCreateRunLoopSource", ref, [ref, ref, index]),
        ("CFFileDescriptorEnableCallBacks", None, [ref, flags]),
        ("CFFileDescriptorDisableCallBacks", None, [ref, flags]),
        ("CFFileDescriptorInvalidate", None, [ref]),
        ("CFRelease", None, [ref]),
    ):
        function = getattr(cf, name)
        function.restype, function.argtypes = result, arguments
    cf.common_modes = ctypes.c_void_p.in_dll(cf, "kCFRunLoopCommonModes")
    return cf


def find() -> Found | None:
    """This thread's run loop, while it runs."""
    cf = _load()
    mode = cf.CFRunLoopCopyCurrentMode(cf.CFRunLoopGetCurrent())
    if not mode:
        return None
    cf.CFRelease(mode)
    return Found("CFRunLoop", True, CFRunLoopHost)
