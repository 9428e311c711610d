"""The hosts: main loops that a guest lives in, with timers of their own.

Owns: the toolkit's objects. Everything runs on the host thread, except `soon`.
"""

from __future__ import annotations

import importlib
import os
import queue
import random
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import asyncguest

    Job: TypeAlias = Callable[[], object]


class Probe:
    """How late a host's timers are: one after the other, 1 to 9 ms long."""

    def __init__(self, host: BenchHost) -> None:
        self._host = host
        self._random = random.Random(1)
        self._late: list[float] = []
        self._due = 0.0
        self._next()

    def _next(self) -> None:
        pause = self._random.uniform(0.001, 0.009)
        self._due = time.perf_counter() + pause
        self._host.later(pause, self._fired)

    def _fired(self) -> None:
        self._late.append(time.perf_counter() - self._due)
        self._next()

    def late_ms(self, percent: float) -> float:
        """The percentile of the lateness so far. A timer that is due and has not come yet counts too."""
        late = sorted([*self._late, max(0.0, time.perf_counter() - self._due)])
        return late[min(len(late) - 1, int(len(late) * percent / 100))] * 1000


class BenchHost:
    """A main loop. Runs until `stop`; `soon` may be called on any thread, `later` is the host's own timer."""

    def soon(self, job: Job) -> None:
        raise NotImplementedError

    def later(self, seconds: float, job: Job) -> None:
        raise NotImplementedError

    def run(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def adapter(self) -> asyncguest.Host:
        """What our guest is given."""
        raise NotImplementedError

    def probe(self) -> Probe:
        """Begins to measure."""
        return Probe(self)


class SimpleQueue(BenchHost):
    """A queue and nothing else: for the designs that only need to post."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._stopped = False

    def soon(self, job: Job) -> None:
        self._jobs.put(job)

    def run(self) -> None:
        while not self._stopped:
            self._jobs.get()()

    def stop(self) -> None:
        self._stopped = True


class Queue(BenchHost):
    """The package's queue host, with one timer at a time."""

    def __init__(self, drive: str) -> None:
        from asyncguest.hosts.queue import QueueHost

        self._host = QueueHost(drive)
        self._due = float("inf")
        self._timer: Job = self.stop
        self._stopped = False

    def adapter(self) -> asyncguest.Host:
        return self._host

    def later(self, seconds: float, job: Job) -> None:
        self._due, self._timer = time.perf_counter() + seconds, job

    def run(self) -> None:
        while not self._stopped:
            if self._due == float("inf"):
                self._host.run_once()
                continue
            self._host.run_once(max(0.0, self._due - time.perf_counter()))
            if time.perf_counter() >= self._due:
                self._due = float("inf")
                self._timer()

    def stop(self) -> None:
        self._stopped = True


class Asyncio(BenchHost):
    """Another asyncio loop."""

    def __init__(self) -> None:
        import asyncio

        self._loop = asyncio.new_event_loop()

    def adapter(self) -> asyncguest.Host:
        from asyncguest.hosts.asyncio import AsyncioHost

        return AsyncioHost()

    def later(self, seconds: float, job: Job) -> None:
        self._loop.call_later(seconds, job)

    def run_with(self, start: Job) -> None:
        self._loop.call_soon(start)
        self._loop.run_forever()

    def stop(self) -> None:
        self._loop.stop()


class Tk(BenchHost):
    """tkinter's main loop."""

    def __init__(self, drive: str | None) -> None:
        import tkinter

        self._root = tkinter.Tk()
        self._root.update()
        self._drive = drive
        self._jobs: deque[Job] = deque()
        self._command: Any = self._root.register(lambda: self._jobs.popleft()())

    def adapter(self) -> asyncguest.Host:
        from asyncguest.hosts.tk import TkHost

        return TkHost(self._root, self._drive)

    def soon(self, job: Job) -> None:
        self._jobs.append(job)
        self._root.call("after", "idle", self._command)

    def later(self, seconds: float, job: Job) -> None:
        self._root.after(round(seconds * 1000), job)

    def run(self) -> None:
        self._root.mainloop()

    def stop(self) -> None:
        self._root.quit()


class Qt(BenchHost):
    """Qt's, without a screen."""

    def __init__(self, binding: str, drive: str) -> None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        if binding == "PySide6" and sys.version_info < (3, 12):
            raise ImportError("PySide6 6.12 aborts on CPython 3.11 after some thousand events")
        #: Its QtCore.
        self.core: Any = importlib.import_module(f"{binding}.QtCore")
        core = self.core
        self.application: Any = importlib.import_module(f"{binding}.QtWidgets").QApplication(["bench"])
        self._drive = drive
        self._single_shot = core.QTimer.singleShot  # a precise one
        self._jobs: deque[Job] = deque()

        class Caller(core.QObject):  # type: ignore[misc, name-defined, unused-ignore]
            called = (core.pyqtSignal if hasattr(core, "pyqtSignal") else core.Signal)()

        self._caller = Caller()
        self._caller.called.connect(lambda: self._jobs.popleft()(), core.Qt.ConnectionType.QueuedConnection)

    def adapter(self) -> asyncguest.Host:
        from asyncguest.hosts.qt import QtHost

        return QtHost(self.application, self._drive)

    def soon(self, job: Job) -> None:
        self._jobs.append(job)
        self._caller.called.emit()

    def later(self, seconds: float, job: Job) -> None:
        self._single_shot(round(seconds * 1000), job)

    def run(self) -> None:
        self.application.exec()

    def stop(self) -> None:
        self.application.exit()


class Gtk(BenchHost):
    """GLib's, with GTK in it."""

    def __init__(self, drive: str) -> None:
        import gi  # type: ignore[import-not-found, unused-ignore]

        try:
            gi.require_version("Gtk", "3.0")
        except ValueError as error:
            raise ImportError(str(error)) from None
        if not importlib.import_module("gi.repository.Gtk").init_check(None)[0]:
            raise ImportError("GTK has no display")
        self._glib: Any = importlib.import_module("gi.repository.GLib")
        self._loop = self._glib.MainLoop()
        self._drive = drive

    def adapter(self) -> asyncguest.Host:
        from asyncguest.hosts.glib import GLibHost

        return GLibHost(drive=self._drive)

    def soon(self, job: Job) -> None:
        self._glib.idle_add(lambda: job() and False, priority=self._glib.PRIORITY_DEFAULT)

    def later(self, seconds: float, job: Job) -> None:
        self._glib.timeout_add(round(seconds * 1000), lambda: job() and False)

    def run(self) -> None:
        self._loop.run()

    def stop(self) -> None:
        self._loop.quit()


def host_named(name: str) -> BenchHost:
    """A new host."""
    makers: dict[str, Callable[[], BenchHost]] = {
        "simple-queue": SimpleQueue,
        "queue": lambda: Queue("fd"),
        "queue-thread": lambda: Queue("thread"),
        "asyncio": Asyncio,
        "tk": lambda: Tk("fd"),
        "tk-thread": lambda: Tk("thread"),
        "qt": lambda: Qt("PyQt6", "fd"),
        "qt-thread": lambda: Qt("PyQt6", "thread"),
        "qt-pyside": lambda: Qt("PySide6", "fd"),
        "gtk": lambda: Gtk("fd"),
        "gtk-thread": lambda: Gtk("thread"),
    }
    return makers[name]()
