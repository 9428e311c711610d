"""What the tests share: a run in a toy host, and what must be found unchanged after each test.

The host fails a test when something arrives on the wrong thread, arrives twice or comes when it should not.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost

DRIVES = ("fd", "thread")

# The counts are those of a quick look; ASYNCGUEST_FULL=1 asks for the full ones.
FULL = os.environ.get("ASYNCGUEST_FULL") == "1"


def unix_only(reason: str) -> pytest.MarkDecorator:
    """Marks a test of what Windows does not have, or has in a way of its own."""
    return pytest.mark.skipif(sys.platform == "win32", reason=reason)


class Run:
    """One run in a queue host: what became of it."""

    def __init__(self, drive: str = "fd", host: asyncguest.Host | None = None, **options: Any) -> None:
        self.host = host if host is not None else QueueHost(drive)
        self.thread = threading.get_ident()
        self.done: list[asyncio.Task[Any]] = []
        self.inside_start = False
        self.guest = asyncguest.Guest(self.host, done_callback=self._done, **options)

    def _done(self, task: asyncio.Task[Any]) -> None:
        assert threading.get_ident() == self.thread, "done_callback on another thread"
        assert not self.inside_start, "done_callback inside start"
        assert self.guest.loop.is_closed(), "done_callback before the loop was closed"
        assert task.done()
        self.done.append(task)
        if isinstance(self.host, QueueHost):
            self.host.stop()

    def start(self, async_fn: Callable[..., Any], *args: Any, **options: Any) -> asyncio.Task[Any]:
        self.inside_start = True
        try:
            return self.guest.start(async_fn, *args, **options)
        finally:
            self.inside_start = False

    def finish(self) -> Any:
        """Runs the host until the run is over; returns or raises the main task's outcome."""
        if not self.done:
            self.host.run()  # type: ignore[attr-defined]
        assert len(self.done) == 1, f"done_callback came {len(self.done)} times"
        if isinstance(self.host, QueueHost):
            self.host.close()
        return self.done[0].result()


def run_guest(async_fn: Callable[..., Any], *args: Any, drive: str = "fd", **options: Any) -> Any:
    """`async_fn(*args)` as a guest of a queue host: its result or exception."""
    run = Run(drive, **options)
    run.start(async_fn, *args)
    return run.finish()


def open_fds() -> dict[int, str]:
    """This process's fds and what they are; on Windows, where nobody lists them, none."""
    found: dict[int, str] = {}
    if sys.platform == "win32":
        return found
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            pass  # the one that lists
    return found


asyncguest.run(asyncio.sleep(0))  # the first run makes the pipe of the process's wake-up fd, which stays


@contextmanager
def nothing_left_behind(fds: bool = True) -> Iterator[None]:
    """Fails if the block leaves a loop, a run, a thread of the library, an fd or some of the process's state behind."""
    before = open_fds()
    state = process_state()
    yield
    gc.collect()
    now = process_state()
    assert now == state, {name: value for name, value in now.items() if value != state[name]}
    if fds and open_fds().keys() - before.keys():
        gc.collect()  # what the first one has freed may have held more
        gc.collect()
    live = asyncguest.stats()
    assert (live.loops, live.sources, live.threads, live.guests) == (0, 0, 0, ()), live
    if fds:
        left = {fd: what for fd, what in open_fds().items() if fd not in before}
        assert not left, f"left open: {left}"


def process_state() -> dict[str, Any]:
    """What a run may change and has to give back."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fd = -1
        handlers = {}
        if threading.current_thread() is threading.main_thread():
            fd = signal.set_wakeup_fd(-1)
            signal.set_wakeup_fd(fd)
            names = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGBREAK")
            handlers = {name: signal.getsignal(getattr(signal, name)) for name in names if hasattr(signal, name)}
    return {
        "running loop": asyncio._get_running_loop(),
        "asyncgen hooks": sys.get_asyncgen_hooks(),
        "wake-up fd": fd,
        "signal handlers": handlers,
        "origin tracking": sys.get_coroutine_origin_tracking_depth(),
    }


# A guest in either drive, and the loop without a host: for what has to be the same in all three.
EVERYWHERE = ("fd", "thread", "alone")


def run_anywhere(where: str, async_fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """`async_fn(*args)` as a guest in the drive `where`, or by `asyncguest.run` if that is "alone"."""
    if where == "alone":
        return asyncguest.run(async_fn(*args), **options)
    return run_guest(async_fn, *args, drive=where, **options)


def host_until(run: Run, condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Lets the queue host go on until `condition()` holds; fails if it has nothing to do for that long."""
    until = time.monotonic() + seconds
    while not condition():
        left = until - time.monotonic()
        assert left > 0, f"waited {seconds} s for {condition}"
        run.host.run_once(left)  # type: ignore[attr-defined]


def settle(run: Run) -> None:
    """Lets the host go on until the guest is idle: it sleeps, and only a call or an event can wake it."""
    host_until(run, lambda: run.guest.loop.idle)


def rests(host: QueueHost, figures: Callable[[], Any]) -> None:
    """Lets the host go on until nothing is due and nothing of the library would wake up by itself, by what the kernel tells:
    one that does so once in a minute is found as one that does in each moment. `figures`: what a delivery changes."""
    until = time.monotonic() + 10
    while True:
        before = figures()
        host.run_once(0.01)
        found, after = wakers(), figures()
        if not found and after == before:
            return
        assert time.monotonic() < until, f"while nothing was due, {before} became {after}: {found}"


def wakers(seconds: int = 600) -> list[str]:
    """What of the library would wake up within so many seconds: its alarms, and its threads, which wait with a limit or not
    at all. On systems other than Linux nobody tells."""
    found: list[str] = []
    if sys.platform != "linux":
        return found
    for fd in [fd for fd, what in open_fds().items() if "timerfd" in what]:
        left = re.search(r"it_value: \((\d+), (\d+)\)", Path(f"/proc/self/fdinfo/{fd}").read_text())
        if left and left[0] != "it_value: (0, 0)" and int(left[1]) < seconds:
            found.append(left[0])
    for thread in Path("/proc/self/task").glob("*"):
        with suppress(OSError):  # it has ended meanwhile
            if (thread / "comm").read_text().startswith("asyncguest-"):
                call = (thread / "syscall").read_text().split()
                if len(call) < 5 or int(call[4], 16) & 0xFFFFFFFF != 0xFFFFFFFF:  # epoll_wait's limit: -1
                    found.append(" ".join(call))
    return found


class SourceInPython:
    """What `event` can wait for, written as most such libraries are: Ctrl-C can come between any two of its lines."""

    def __init__(self) -> None:
        self.slots: list[Callable[..., object]] = []

    def connect(self, slot: Callable[..., object]) -> None:
        self.slots.append(slot)
        self.note()

    def disconnect(self, slot: Callable[..., object]) -> None:
        self.note()
        self.slots.remove(slot)

    def note(self) -> None:
        pass


class Dialog:
    """A nested loop of a run's host, until `close` is called."""

    def __init__(self, host: QueueHost) -> None:
        self.host = host
        self.is_open = False

    def show(self) -> None:
        self.is_open = True
        while self.is_open:
            self.host.run_once()

    def close(self) -> None:
        self.is_open = False
        self.host.post(lambda: None)  # run_once comes back to look
