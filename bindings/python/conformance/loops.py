"""What CPython's tests get when they ask for one of asyncio's event loops: ours, in one of four modes.

Owns: the names of asyncio that stand for its loop, in a test process and nowhere else. The package itself replaces
nothing; this is how tests that were written for `asyncio.SelectorEventLoop` come to test another loop.

    alone      asyncguest.EventLoop, which waits by itself
    guest      the same as a guest of the queue host, which watches its fd (drive FD)
    thread     the same with the queue host taking posts (drive THREAD)
    plain      as alone, with CPython's own transports; on Windows all have those, so that nobody asks for it there
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from typing import Any

import asyncguest
from asyncguest import _options
from asyncguest._hosted import HostedRun
from asyncguest._system import NATIVE_TRANSPORTS
from asyncguest.hosts.queue import QueueHost

if sys.platform == "win32":
    from asyncio import windows_events as system_events

    NAMES = ("ProactorEventLoop", "EventLoop")
else:
    from asyncio import unix_events as system_events

    NAMES = ("SelectorEventLoop", "EventLoop", "_UnixSelectorEventLoop")

# How many loops the tests have made.
_made = itertools.count()


class AloneLoop(asyncguest.EventLoop):
    """`asyncguest.EventLoop` as asyncio's tests make it: some pass a selector or proactor, of which it has its own."""

    native = NATIVE_TRANSPORTS

    def __init__(self, selector: Any = None) -> None:
        if selector is not None:
            selector.close()
        super().__init__(native=self.native)
        next(_made)


class PlainLoop(AloneLoop):
    """The same with CPython's transports."""

    native = False


class GuestLoop(AloneLoop):
    """The same with a host: `run_forever` lets the queue host run, and the loop has its deliveries there.

    A run of the package is one main task, and closes its loop when that is done; asyncio's tests run one loop many
    times. So each `run_forever` is a stay: all that a run does between its start and its end, with the same
    deliveries, but without a main task, and the loop lives on.
    """

    drive = "fd"

    def __init__(self, selector: Any = None) -> None:
        self._host = QueueHost(self.drive)
        self._stay: Stay | None = None
        try:
            posts_to = self._host if self.drive == "thread" else None
            with _options.new_loops_get(posts_to=posts_to, deliver=self.deliver_here, hosted=True):
                super().__init__(selector)
        except BaseException:
            self._host.close()
            raise

    def run_forever(self) -> None:
        self._check_closed()  # type: ignore[attr-defined]
        self._check_running()  # type: ignore[attr-defined]
        self._stay = stay = Stay(self._host, self)
        stay.run()

    def deliver_here(self, token: int) -> None:
        """Drive THREAD: what was posted between two stays waits for the next."""
        if self._stay is not None:
            self._stay.deliver(token)

    def stop(self) -> None:
        # That of asyncio. As a guest's, it would cancel the main task, which is not there.
        self._stopping = True

    def close(self) -> None:
        was_closed = self.is_closed()
        super().close()
        if not was_closed:
            self._host.close()


class ThreadLoop(GuestLoop):
    """The same in drive THREAD."""

    drive = "thread"


class Stay(HostedRun):
    """One `run_forever` of a loop in its host."""

    def __init__(self, host: QueueHost, loop: GuestLoop) -> None:
        settings: dict[str, Any] = dict.fromkeys(("done_callback", "loop_factory", "debug", "stall_after"))
        super().__init__(host, None, batch_budget=0.005, max_nesting=64, leave_wakeup_fd=False, **settings)
        self.guest = self
        self._queue = host
        self._stays_in = loop
        self._raised: BaseException | None = None

    def run(self) -> None:
        loop = self._stays_in
        loop.reactor.take_over()  # the stay before may have been on another thread, or the loop made there
        self.live_here()
        deliveries = self._attach(loop)
        loop.reactor.post_deliveries(loop.deliver_here)  # which of its stays it is, is asked when the delivery comes
        try:
            loop.rouse()
            while not loop._stopping and self._raised is None:
                self._queue.run_once()
        finally:
            self._detach(deliveries)
            loop.idle = False
        if self._raised is not None:
            raise self._raised

    def interrupted(self, error: BaseException) -> None:
        # Out of run_forever, as asyncio has it; a run of the package would end its main task instead.
        self._raised = error


def install(mode: str) -> itertools.count[int]:
    """From here on asyncio's names for its loop mean the loop of `mode`. Before the tests are imported.

    Returns the counter of the loops that are made.
    """
    default = asyncio.DefaultEventLoopPolicy._loop_factory  # type: ignore[attr-defined]
    loop = {"alone": AloneLoop, "guest": GuestLoop, "thread": ThreadLoop, "plain": PlainLoop}[mode]
    for module in (asyncio, system_events):
        for name in NAMES:
            if hasattr(module, name):
                setattr(module, name, loop)
    for policy in list(vars(system_events).values()):
        if isinstance(policy, type) and getattr(policy, "_loop_factory", None) is default:
            policy._loop_factory = loop
    return _made
