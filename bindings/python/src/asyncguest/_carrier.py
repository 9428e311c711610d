"""A proactor loop that is not ours, as a guest: a loop of ours carries it, and watches its completion port.

Owns: the carried loop, from its making to its end. Host thread only.

    its port has something, or a timer of it is due  -->  one iteration of it, a callback of ours like any other
    what it has queued in there                      -->  another iteration, after those of others

An iteration looks at the port and does not wait, so that completions are handled where operations are begun and cancelled:
see `_windows.py`. It is one piece: no budget ends it, and a dialog that a callback opens in there lets the carried loop stand
still until it returns. Its private names are those of CPython 3.11 to 3.13, used as in `_compat.py`.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import asyncio
import threading
from collections.abc import Coroutine
from contextvars import Context
from typing import Any

from ._cleanup import cancel_all, clean_up
from ._compat import running_loop, set_running_loop
from ._errors import GuestError
from ._loop import EventLoop


class Carrier(EventLoop):
    """The guest's loop where `loop_factory` makes another proactor loop: `carried`, which is the running one in its own code.

    Tasks are made in the carried loop, whoever asks for them. That does not notice what host code asks of it directly,
    except by `call_soon_threadsafe`.
    """

    def __init__(self, carried: Any) -> None:
        self.carried = carried
        self._main: asyncio.Task[Any] | None = None
        self._in_turn = False
        self._next: asyncio.Handle | None = None
        self._port = carried._proactor._iocp
        self._is_watched = False
        #: What is called for the port: its context leads to nothing. None once the carried loop has ended.
        self._for_port: asyncio.Handle | None = None
        super().__init__()
        self._for_port = Context().run(asyncio.Handle, self._turn, (), self)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """A task of the carried loop. The first one is the run's main task: it is one of ours, and lasts until the end."""
        run = self.hosted_run
        if run is None:
            return super().create_task(coro, **options)
        if run.task is None:
            return super().create_task(self._carry(coro, options), name=options.get("name"))
        task: asyncio.Task[Any] = self.carried.create_task(coro, **options)
        run.keep(task)
        self._plan()
        return task

    def set_debug(self, enabled: bool) -> None:
        super().set_debug(enabled)
        self.carried.set_debug(enabled)

    def close(self) -> None:
        """Closes both loops, the carried one when its operations have come back."""
        if not self.is_running():
            self._close_carried()
        super().close()

    # ---- from the start to the end

    async def _carry(self, coro: Coroutine[Any, Any, Any], options: dict[str, Any]) -> Any:
        """Runs `coro` as the carried loop's main task, then what `asyncio.run` does; its outcome is that of the run."""
        carried = self.carried
        carried._thread_id = threading.get_ident()
        carried._loop_self_reading()
        self._watch()
        main = self._main = carried.create_task(coro, **options)
        self._turn()
        while True:
            try:
                await self._ended(main)
                break
            except asyncio.CancelledError as error:
                main.cancel(*error.args)
        cleaning_up = asyncio.Task(clean_up(carried, cancel_all(carried)), loop=carried, name="asyncguest clean-up")
        while True:
            try:
                await self._ended(cleaning_up)
                break
            except asyncio.CancelledError:
                pass  # it ends already
        cleaning_up.result()
        self._close_carried()
        return main.result()

    async def _ended(self, task: asyncio.Task[Any]) -> None:
        """Waits for a task of the carried loop, and for the iteration in which its callbacks run."""
        ended = self.create_future()
        task.add_done_callback(lambda _: None if ended.done() else ended.set_result(None))
        self._plan()
        await ended

    def _close_carried(self) -> None:
        self._unwatch()
        for turn in (self._next, self._for_port):
            if turn is not None:
                turn.cancel()  # it may be queued
        self._for_port = None
        self.carried._thread_id = None
        self.carried.close()

    # ---- one iteration

    def _turn(self) -> None:
        """One iteration of the carried loop, unless a callback of it stands in a dialog."""
        if self._in_turn:
            self._unwatch()  # it would ring all the while
            return
        carried, outer = self.carried, running_loop()
        hooks = sys.get_asyncgen_hooks()
        set_running_loop(carried)
        sys.set_asyncgen_hooks(carried._asyncgen_firstiter_hook, carried._asyncgen_finalizer_hook)
        self._in_turn = True
        try:
            carried.call_soon(bool)  # with something to do, it does not wait
            carried._run_once()
        except (SystemExit, KeyboardInterrupt) as error:
            if not self._is_outcome(error):
                raise
        finally:
            self._in_turn = False
            sys.set_asyncgen_hooks(*hooks)
            set_running_loop(outer)
            self._watch()
            self._plan()
            if carried._stopping:
                carried._stopping = False
                self.stop()

    def _is_outcome(self, error: BaseException) -> bool:
        """Whether it is what the main task has ended with, which is told by way of the run."""
        main = self._main
        return main is not None and main.done() and not main.cancelled() and main.exception() is error

    def _plan(self) -> None:
        """The next iteration comes when the carried loop has something to do, if its port does not ring before."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        carried = self.carried
        if self._in_turn or carried.is_closed():
            return
        if carried._ready:
            self._next = self.call_soon(self._turn)
        elif carried._scheduled:
            self._next = self.call_later(carried._scheduled[0]._when - carried.time(), self._turn)

    # ---- its port

    def _watch(self) -> None:
        if not self._is_watched and self._for_port is not None:
            self._selector.register_handle(self._port, (self._for_port, None))
            self._is_watched = True

    def _unwatch(self) -> None:
        if self._is_watched:
            self._is_watched = False
            if not self.reactor.closed:
                self._selector.unregister(self._port)


def carried_by(loop: Any) -> Any:
    """The loop of ours that carries `loop`, if that is a proactor loop of another class; else itself."""
    if not isinstance(loop, asyncio.ProactorEventLoop) or isinstance(loop, EventLoop):
        return loop
    if loop.is_running() or loop.is_closed():
        raise GuestError(f"loop_factory returned {loop!r}, which is in use or closed: return a new one")
    if not hasattr(getattr(loop, "_proactor", None), "_iocp"):
        return loop  # its proactor is somebody's own, and has no port that could be watched
    try:
        return Carrier(loop)
    except BaseException:
        loop.close()
        raise
