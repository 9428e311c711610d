"""The design of Trio's guest mode applied to asyncio, as has been proposed for CPython: a peer.

A thread of Python's waits in the selector and hands what it finds to the host; a semaphore tells it when the host
is done with it. Owns: that thread. `_turn` runs on the host thread, `_wait` on the other one.
"""

from __future__ import annotations

import asyncio
import heapq
import threading
from collections.abc import Callable, Coroutine
from typing import Any


class SteppedLoop(asyncio.SelectorEventLoop):
    """CPython's loop, with its iteration cut in two."""

    _ready: Any
    _scheduled: Any
    _selector: Any
    _thread_id: int
    _clock_resolution: float

    def find(self) -> Any:
        """Waits for events."""
        timeout = None
        if self._ready:
            timeout = 0.0
        elif self._scheduled:
            timeout = max(0.0, self._scheduled[0]._when - self.time())
        return self._selector.select(timeout)

    def take(self, events: Any) -> None:
        """Runs what they make ready."""
        self._process_events(events)  # type: ignore[attr-defined]
        end = self.time() + self._clock_resolution
        while self._scheduled and self._scheduled[0]._when < end:
            timer = heapq.heappop(self._scheduled)
            timer._scheduled = False
            self._ready.append(timer)
        for _ in range(len(self._ready)):
            handle = self._ready.popleft()
            if not handle._cancelled:
                handle._run()


class SemaphoreGuest:
    """One run."""

    def __init__(self, soon: Callable[[Callable[[], object]], None], done: Callable[[asyncio.Task[Any]], None]) -> None:
        self._loop = SteppedLoop()
        self._soon = soon
        self._done = done
        self._over = False
        self._turn_is_over = threading.Semaphore(0)

    def start(self, main: Coroutine[Any, Any, Any]) -> None:
        asyncio._set_running_loop(self._loop)
        self._loop._thread_id = threading.get_ident()
        task = self._loop.create_task(main)
        task.add_done_callback(self._ended)
        threading.Thread(target=self._wait, daemon=True).start()
        self._turn([])

    def _turn(self, events: Any) -> None:
        if not self._over:
            self._loop.take(events)
            self._turn_is_over.release()

    def _wait(self) -> None:
        while self._turn_is_over.acquire() and not self._over:
            events = self._loop.find()
            self._soon(lambda events=events: self._turn(events))  # type: ignore[misc]

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._over = True
        self._turn_is_over.release()
        self._soon(lambda: self._done(task))
